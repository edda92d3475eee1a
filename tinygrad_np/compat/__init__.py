"""Other libraries' names over this engine."""
