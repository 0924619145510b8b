"""Who did what, when, and what became of it: a log that can't be changed unseen.

`chain` holds its lines together, `recorder` writes a run, `runs` reads them, `origin` says whose they are.
"""
