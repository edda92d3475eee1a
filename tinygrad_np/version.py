"""The version, which pyproject.toml and the package take from here."""

__version__ = "0.1.0"
