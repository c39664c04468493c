"""`batchgate doctor`: what a run would find here, and what to do where that is no good.

Looks only: nothing is created, mended or set aside, and no code of the repository is
imported.  Each module looks at one thing and answers with `Check`s; `examination` asks
them all, `telling` shows the answers.
"""
