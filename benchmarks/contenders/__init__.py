"""One training step of one network, written for one library in each module.

``roster`` lists them, ``contender`` says what each of them can do, ``worker`` is the process that
runs one of them, and ``processes`` is how a program speaks with such processes.
"""
