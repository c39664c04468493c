"""Compares whole runs with one another.  Pure: runs are started, and read from files, by `plugin`."""
