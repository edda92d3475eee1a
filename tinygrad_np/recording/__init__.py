"""One list of equations, and its readers."""

from .anomaly import anomaly
from .autopsy import Finding, autopsy
from .recording import Recording
from .tape import tape_of
from .trace import trace

__all__ = ["Finding", "Recording", "anomaly", "autopsy", "tape_of", "trace"]
