"""The commands of `batchgate`, a module each: its arguments, and what it does with them.

A module is imported when its command is called.  It has ``declare``, which adds the arguments, and ``run``,
which gives the exit code.  What a user can mend is raised as the errors of `pytest_batchgate.errors`.
"""
