"""One list of equations, and its readers."""

from .recording import Recording
from .tape import tape_of
from .trace import trace

__all__ = ["Recording", "tape_of", "trace"]
