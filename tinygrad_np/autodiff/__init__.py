"""The engine: Tensors, the table of rules, the tape, the reverse sweep, and what is built on it."""
