"""Arrays of users in ``tg.anomaly()``: read-only while a graph needs them, and no longer."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tinygrad_np import nn

F = nn.functional


def ones(*shape: int) -> Any:
    return np.ones(shape, np.float32)


def weights() -> tg.Tensor:
    return tg.Tensor(ones(2), requires_grad=True)


def view_after(whole: Any, w: tg.Tensor) -> None:
    part = whole[:2]
    (np.sum(w * whole) * np.sum(w * part)).backward()


def view_before(whole: Any, w: tg.Tensor) -> None:
    part = whole[:2]
    (np.sum(w * part) * np.sum(w * whole) * np.sum(w * part[:1])).backward()


def fixed_base(whole: Any, w: tg.Tensor) -> None:
    part = whole[:2]
    whole.flags.writeable = False
    np.sum(w * part).backward()
    part[0] = 1.0
    assert not whole.flags.writeable
    whole.flags.writeable = True


def scored(whole: Any, _: tg.Tensor) -> None:
    model, labels = nn.Linear(2, 2, seed=0), np.arange(len(whole)) % 2
    tg.training.evaluate(model, whole, labels)
    model(whole[:2])
    with tg.no_grad():
        model(whole)
    sgd = tg.optim.SGD(model.parameters(), 0.1)
    batches = tg.data.batches(whole[:2], labels[:2], 2, seed=0)
    tg.training.fit(model, batches, sgd, epochs=1)
    model(whole)


USES: dict[str, Callable[[Any, tg.Tensor], Any]] = {
    "a view after the whole": view_after,
    "views before the whole": view_before,
    "a view of what its user made read-only": fixed_base,
    "training and looking": scored,
    "lstm": lambda x, _: np.sum(nn.LSTM(2, 3, seed=0)(x[np.newaxis])[0]).backward(),
    "attention": lambda x, _: np.sum(
        nn.MultiheadAttention(2, 1, seed=0)(*3 * [x[np.newaxis]])[0]
    ).backward(),
    "a graph that stays": lambda x, w: w * x[:1] * x,
    "an error": lambda x, w: (w * x[:1] * x).reshape(7),
}


def test_faultless_programs_pass_and_arrays_get_their_flags_back() -> None:
    wrong = []
    for name, use in USES.items():
        base = ones(12)
        whole, frozen = base.reshape(6, 2), ones(2)
        frozen.flags.writeable = False
        kept: Any = None
        try:
            with tg.anomaly():
                kept = use(whole, weights()), weights() * frozen
        except Exception as error:
            if name != "an error" or "writ" in str(error):
                wrong.append((name, repr(error)))
        if not (whole.flags.writeable and base.flags.writeable) or frozen.flags.writeable:
            wrong.append((name, "flags"))
        del kept
    assert wrong == []


class Elsewhere:
    """Memory of another library, which NumPy can make read-only, and never writeable again."""

    def __init__(self) -> None:
        self.held = ones(2)
        self.__array_interface__ = self.held.__array_interface__


def test_memory_of_others_stays_writeable() -> None:
    array = np.asarray(Elsewhere())
    with tg.anomaly():
        np.sum(weights() * array * array[:1]).backward()
    assert array.flags.writeable


def gone(w: tg.Tensor, buf: Any) -> Any:
    return (np.sum(w * buf)).item()


def quiet(w: tg.Tensor, buf: Any) -> Any:
    with tg.no_grad():
        return (w * buf).sum().item()


def swept(w: tg.Tensor, buf: Any) -> Any:
    return np.sum(np.sin(w * buf)).backward()


def kept(w: tg.Tensor, buf: Any, held: list[Any] = []) -> None:  # noqa: B006
    held.append(w * buf)


def again(w: tg.Tensor, buf: Any) -> None:
    kept_graph = np.sum(np.sin(w * buf))
    kept_graph.backward(retain_graph=True)
    buf[0] = 7.0
    kept_graph.backward()


def in_between(w: tg.Tensor, buf: Any) -> None:
    loss = np.sum(w * buf)
    np.sum(w * 2.0).backward()
    buf[0] = 7.0
    loss.backward()


def added(w: tg.Tensor, buf: Any) -> None:
    loss = np.sum(w + buf)
    buf[0] = 7.0
    loss.backward()


def copied(w: tg.Tensor, buf: Any) -> None:
    loss = np.sum(w * tg.Tensor(buf))
    buf[0] = 7.0
    loss.backward()


def stacked(w: tg.Tensor, buf: Any) -> None:
    loss: Any = np.sum(np.stack([w, buf]) * 2.0)
    buf[0] = 7.0
    loss.backward()


LINEAR = nn.Linear(2, 2, seed=0).eval()

# what is done with a buffer before it is filled anew: nothing reads its old contents
REUSED: dict[str, Callable[[tg.Tensor, Any], Any]] = {
    "no_grad": quiet,
    "a graph that is gone": gone,
    "a graph that is swept": swept,
    "constants": lambda _, buf: (tg.Tensor(ones(2)) * buf).sum().item(),
    "a prediction": lambda _, buf: LINEAR(buf[np.newaxis]).numpy(),
    "grad": lambda _, buf: tg.grad(lambda q: np.sum(q * buf))(ones(2)),
    "grad of it": lambda _, buf: tg.grad(lambda q: np.sum(q * q))(buf),
    "hessian": lambda _, buf: tg.hessian(lambda q: np.sum(q * q * buf))(ones(2)),
    "jvp": lambda _, buf: tg.jvp(lambda q: np.sum(q * buf), (ones(2),), (ones(2),)),
    "vjp": lambda _, buf: tg.vjp(lambda q: q * buf, ones(2))[1](ones(2)),
    "vmap": lambda _, buf: tg.vmap(lambda q: q * buf)(ones(3, 2)),
    "replay": lambda w, buf: tg.replay(lambda x: np.sum(w * x))(buf),
    "a function of lists": lambda w, buf: np.average(w, weights=buf).item(),
    "a sum needs no operands": added,
    "a copy": copied,
    "nor do shapes": stacked,
    "a mask as an option": lambda w, buf: np.sum(w, where=buf > 0).backward(),
}
NEEDED: dict[str, Callable[[tg.Tensor, Any], Any]] = {
    "a graph that is kept": kept, "a second sweep": again, "another sweep": in_between,
}  # fmt: skip


def test_a_buffer_may_be_filled_anew_where_nothing_needs_it() -> None:
    wrong = []
    for name, use in {**REUSED, **NEEDED}.items():
        w, buf = weights(), ones(2)
        try:
            with tg.anomaly():
                for i in range(3):
                    buf[...] = i + 1
                    use(w, buf)
            said = ""
        except Exception as error:
            said = repr(error)
        if ("StaleValueError" in said) != (name in NEEDED) or (said and name in REUSED):
            wrong.append((name, said))
        assert buf.flags.writeable
    assert wrong == []


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_what_a_buffer_held_is_told_after_it_is_filled_anew() -> None:
    buf = ones(2)
    said = r"^an operand of multiply, of shape \(2,\), is inf at index \(1,\)"
    with pytest.raises(FloatingPointError, match=said), tg.anomaly():
        for value in (2.0, np.inf, 3.0):
            buf[1] = value
            quiet(weights(), buf)
            made = tg.Tensor(ones(2)) * buf
            buf[1] = 1.0
            del made
