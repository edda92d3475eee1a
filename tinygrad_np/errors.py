"""The exceptions of the package; each docstring says when it is raised."""


class TapeError(RuntimeError):
    """The tape cannot do what was asked.

    Raised for a second backward over a released graph, a backward from something that was never
    recorded, a write into a leaf that requires grad, and a missing derivative of a function.
    """


class StaleValueError(TapeError):
    """An array saved for the backward pass was overwritten after it was saved."""


class DetachError(TypeError):
    """A Tensor that requires grad would leave the tape without the user asking.

    Raised by ``np.asarray(t)``, ``np.array([t, u])``, ``float(t)``, ``int(t)``, ``array[0] = t``,
    ``np.copyto(array, t)``, ``array += t`` and the like.
    """


class ShapeError(ValueError):
    """Operands do not fit together, or a cotangent does not fit its operand."""


class ReplayError(RuntimeError):
    """A step cannot be replayed faithfully.

    Raised while a step is captured, for a value that leaves the tape (``if t > 0``, ``t.item()``),
    state that the step reads and changes, iterators, and random numbers that no operation draws;
    when call 2, 4, 8, 16 … of a signature finds that a replay would differ from an eager run; and
    when the shape of a result turns out to depend on values.
    """


class GradientError(AssertionError):
    """``gradcheck`` found an autodiff gradient that differs from the numerical one."""


class DataError(ValueError):
    """A data file, a label or a data-set argument is not what it should be."""


class PrecisionWarning(UserWarning):
    """Python numbers in a list turned a float16 or float32 computation into float64."""


class DataWarning(UserWarning):
    """What was read is not as it lay in the file: transposed, made grey, counted from 0."""
