"""What a function reads of Python's state while it runs, and how to look whether it changed.

``mentions`` reads a function's code, ``reads`` notes what is looked up as it runs, ``unseen`` knows
what nobody can watch, ``walk`` makes the watches of the rest, ``kept`` brings back what an
optimiser or a schedule changed. The room knows nothing of operations.
"""
