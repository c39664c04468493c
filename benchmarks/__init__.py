"""Side by side with pytest, pytest-xdist, make and tox, on real projects: ``python -m benchmarks``."""
