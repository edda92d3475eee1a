"""One list of equations, and its readers."""
