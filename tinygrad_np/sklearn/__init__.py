"""Multi-layer perceptrons as scikit-learn estimators: for its pipelines, searches, validation.

Names and meanings of settings are those of ``sklearn.neural_network`` where both have the thing, so
that one can stand in for the other. The module needs scikit-learn (extra ``sklearn``), and
``import tinygrad_np`` does not import it.
"""

try:
    import sklearn.base  # noqa: F401
    from sklearn.utils.validation import validate_data  # noqa: F401  # since 1.6
except ImportError:
    raise ImportError(
        "the estimators need scikit-learn 1.6 or newer: pip install 'scikit-learn>=1.6'."
    ) from None

from .classifier import MLPClassifier
from .regressor import MLPRegressor

__all__ = ["MLPClassifier", "MLPRegressor"]
