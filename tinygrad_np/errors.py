"""The exceptions of the package; each docstring says when it is raised."""


class TapeError(RuntimeError):
    """The tape cannot do what was asked.

    Raised for a second backward over a released graph, a backward from something that was never
    recorded, a write into a leaf that requires grad, and a missing derivative of a function.

    >>> t = tg.Tensor(2.0, requires_grad=True)
    >>> loss = t * t
    >>> loss.backward()
    >>> try:
    ...     loss.backward()
    ... except tg.TapeError:
    ...     print("give the first backward retain_graph=True")
    ...
    give the first backward retain_graph=True
    """


class StaleValueError(TapeError):
    """An array saved for the backward pass was overwritten after it was saved.

    >>> t = tg.Tensor([1.0, 2.0], requires_grad=True)
    >>> loss = np.sum(t * t)
    >>> t.data[0] = 5.0
    >>> try:
    ...     loss.backward()
    ... except tg.StaleValueError:
    ...     print("t was overwritten")
    ...
    t was overwritten
    """


class DetachError(TypeError):
    """A Tensor that requires grad would lose its history without the user asking for it.

    Raised by ``np.asarray(t)``, ``np.array([t, u])``, ``float(t)``, ``int(t)``, ``array[0] = t``,
    ``np.copyto(array, t)``, ``array += t`` and the like.

    >>> t = tg.Tensor([1.0, 2.0], requires_grad=True)
    >>> try:
    ...     np.asarray(t)
    ... except tg.DetachError:
    ...     print("use t.numpy(), or t.detach()")
    ...
    use t.numpy(), or t.detach()
    """


class ShapeError(ValueError):
    """The shapes of operands do not fit together, or a cotangent does not fit its operand.

    >>> try:
    ...     tg.nn.functional.mse_loss(np.ones(3), np.ones((3, 1)))
    ... except tg.ShapeError:
    ...     print("reshape one of them")
    ...
    reshape one of them
    """


class ReplayError(RuntimeError):
    """A step cannot be replayed faithfully.

    Raised while a step is captured, for a value taken out of a Tensor (``if t > 0``, ``t.item()``),
    state that the step reads and changes, iterators, and random numbers that no operation draws;
    when call 2, 4, 8, 16 … of a signature finds that a replay would differ from an eager run; and
    when the shape of a result turns out to depend on values.

    >>> @tg.replay
    ... def step(x):
    ...     loss = np.sum(x * 2)
    ...     return loss if loss > 1 else -loss
    ...
    >>> try:
    ...     step(np.ones(3))
    ... except tg.ReplayError:
    ...     print("the step decides by a value")
    ...
    the step decides by a value
    """


class GradientError(AssertionError):
    """``gradcheck`` found an autodiff gradient that differs from the numerical one.

    >>> issubclass(tg.GradientError, AssertionError)
    True
    """


class DataError(ValueError):
    """A data file, a label or a data-set argument is not what it should be.

    >>> try:
    ...     tg.data.load_idx("missing.idx")
    ... except tg.DataError as error:
    ...     print(error)
    ...
    missing.idx: cannot be read (No such file or directory); check the path
    """


class PrecisionWarning(UserWarning):
    """Python numbers in a list turned a float16 or float32 computation into float64."""


class DataWarning(UserWarning):
    """Data were changed while they were read: transposed, made grey, or counted from 0.

    >>> issubclass(tg.DataWarning, UserWarning)
    True
    """


class ExportError(ValueError):
    """A step does something that cannot be exported; the message names it.

    >>> def scaled():
    ...     factor = 2.0
    ...     return tg.primitive(lambda x: x * factor)
    ...
    >>> try:
    ...     tg.to_numpy(scaled(), np.ones(2))
    ... except tg.ExportError as error:
    ...     print("has variables of where it was made" in str(error))
    True
    """
