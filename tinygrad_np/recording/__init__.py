"""One list of equations, and its readers."""

from .anomaly import anomaly
from .autopsy import Finding, autopsy
from .receipt import Receipt, receipt
from .recording import Recording
from .tape import tape_of
from .trace import trace

__all__ = ["Finding", "Receipt", "Recording", "anomaly", "autopsy", "receipt", "tape_of", "trace"]
