"""Decisions without I/O, clock, threads or pytest: everything here replays in a test."""
