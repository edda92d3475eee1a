"""Why a network does not learn: measurements on copies, and findings in plain words."""

from .diagnose import diagnose
from .report import Diagnosis, Finding

__all__ = ["Diagnosis", "Finding", "diagnose"]
