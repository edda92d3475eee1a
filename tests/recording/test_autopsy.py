"""Where values that are not finite come from: planted causes, named."""

import contextlib
import re
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tests.replay.steps import training_step
from tinygrad_np import nn, optim
from tinygrad_np.autodiff.tape import mode

F = nn.functional


def leaf(*values: float, name: str = "w", dtype: Any = np.float64) -> tg.Tensor:
    return tg.Tensor(np.array(values, dtype), requires_grad=True, name=name)


def linear(dtype: Any = np.float32) -> nn.Linear:
    return nn.Linear(2, 2, seed=0, dtype=dtype)


def exploded() -> Any:
    """A rate that is too high: the weights overflow after some steps."""
    model = nn.Sequential(nn.Linear(2, 4, seed=0), nn.ReLU(), nn.Linear(4, 1, seed=1))
    x, y = np.ones((3, 2), np.float32), np.zeros((3, 1), np.float32)
    sgd = optim.SGD(model.parameters(), lr=1e6)
    for _ in range(4):
        sgd.zero_grad()
        loss = F.mse_loss(model(x), y)
        if not np.isfinite(loss.item()):
            break
        loss.backward()
        sgd.step()
    return F.mse_loss(model(x), y)


@tg.primitive
def squeezed(x: Any) -> Any:
    return np.tanh(x)


tg.defvjp(squeezed, lambda g, out, _x: g * (1 - out**2) / (1 - out**2 - (1 - out**2)))

# what is planted: a function that gives a loss, and what the autopsy says
PLANTED: dict[str, tuple[Callable[[], Any], str]] = {
    "log of 0": (lambda: np.sum(np.log(leaf(1, 0))), r"^log gives -inf at index \(1,\), of 0 "),
    "log of less": (lambda: np.sum(np.log(leaf(-1))), r"^log gives nan at index \(0,\), of -1 "),
    "root of less": (lambda: np.sum(np.sqrt(leaf(-1))), r"^sqrt gives nan at index \(0,\), of -1 "),
    "overflow of exp": (lambda: np.sum(np.exp(leaf(1, 1000))), r"^exp gives inf .*, of 1000 "),
    "0 / 0": (
        lambda: np.sum(leaf(0, 1) / leaf(0, 1)),
        r"^divide gives nan at index \(0,\), of 0 and 0 ",
    ),
    "1 / 0": (lambda: np.sum(1.0 / leaf(0)), r"^divide gives inf at index \(0,\), of 1 and 0 "),
    "0 to a negative power": (lambda: np.sum(leaf(0) ** -1.0), "^power gives inf .* of 0 and -1 "),
    "softmax by hand": (
        lambda: np.sum((e := np.exp(leaf(1000, 0))) / np.sum(e)),
        r"^exp gives inf at index \(0,\), of 1000 ",
    ),
    "float16": (
        lambda: np.sum(leaf(300, dtype=np.float16) ** 2), r"^power gives inf .* of 300 and 2 ",
    ),
    "product of great numbers": (
        lambda: np.sum(linear()(np.full((1, 2), 3e38, np.float32))),
        "^linear gives .*inf at index .* of 3e[+]38 and an operand of shape",
    ),
    "bad data": (
        lambda: np.sum(linear()(np.array([[1.0, np.nan]], np.float32))),
        r"^an operand of linear, of shape \(1, 2\), is nan at index \(0, 1\)",
    ),
    "a bad weight": (
        lambda: np.sum(leaf(1, np.inf, name="scale") * 2),
        r"^(scale|an array given to Tensor\(\), of shape \(2,\),) is inf at index \(1,\)",
    ),
    "a bad number": (lambda: np.sum(leaf(1) * np.nan), "^an operand of multiply is nan"),
    "exploding rate": (exploded, "^mse_loss gives inf, of an operand of shape"),
    "slope of arcsin at 1": (
        lambda: np.sum(np.arcsin(leaf(0.5, 1))),
        r"^divide, in the backward pass of arcsin, gives inf at index \(1,\), of 1 and 0 ",
    ),
    "slope times infinity": (
        lambda: np.sum(np.arccos(leaf(1.0)) * 0.0 + np.arccos(leaf(1.0))),
        "in the backward pass of arccos, gives -inf",
    ),
    "a great slope": (
        lambda: np.sum(1e-39 / (leaf(0, dtype=np.float32) + np.float32(1e-39))),
        "in the backward pass of divide, gives -?inf",
    ),
    "a rule of one's own": (
        lambda: np.sum(squeezed(leaf(0.5))), "in the backward pass of squeezed, gives inf",
    ),
    "a row that is masked out": (
        lambda: np.sum(
            (s := np.where(np.zeros(2, bool), leaf(1, 2), -np.inf)) - np.max(s)
        ),
        "^subtract gives nan at index .* of -inf and -inf ",
    ),
    "a mask that multiplies": (
        lambda: np.sum(np.array([0.0, 1.0]) * np.log(leaf(0, 1))),
        r"^log gives -inf at index \(0,\), of 0 ",
    ),
    "a singular matrix": (
        lambda: np.linalg.slogdet(tg.Tensor(np.ones((2, 2)), requires_grad=True))[1],
        "^slogdet gives -inf, of an operand of shape",
    ),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_planted_causes_are_named() -> None:
    """Read off a tape, off a trace, and met by anomaly: the same; the latter know the line."""
    missed = []
    for name, (make, said) in PLANTED.items():
        taped = tg.autopsy(make())
        recording = tg.trace(make)
        traced = tg.autopsy(recording)
        recording.release()
        assert recording.results[0].array is None and str(tg.autopsy(recording)) == str(traced)
        with pytest.raises(FloatingPointError) as met, tg.anomaly():
            make().backward()
        texts = [f"{taped} ", f"{traced} ", str(met.value)]
        if not all(re.search(said, text) for text in texts):
            missed.append((name, *texts))
        if traced is not None and traced.operation:
            assert "test_autopsy.py:" in traced.line and "(test_autopsy.py:" in str(traced)
            assert taped is not None and taped.index == traced.index
            assert traced.in_backward == ("backward pass" in said)
    assert len(PLANTED) == 21 and missed == []


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_what_leads_nowhere_is_no_cause() -> None:
    """A mask of -inf that a softmax takes; a branch that where does not take."""
    w, zero = leaf(1.0, 2.0), leaf(0.0, 1.0, name="zero")
    masked = np.where(np.array([True, False]), w, -np.inf)
    fine = np.sum(F.softmax(masked[np.newaxis]))
    found = tg.autopsy(fine + np.sum(np.log(zero * 1.0)))
    assert found is not None
    assert (found.operation, found.index, found.operands) == ("log", (0,), ("0",))
    for rows, axis in ((np.array([[1.0, np.nan]]), 1), (-np.inf * np.ones((1, 2)), -1)):
        hidden = F.softmax(leaf(1.0) * rows, axis=axis)  # what it says has no axis in it
        said = str(tg.autopsy(np.sum(hidden)))
        assert "nan" in said and not re.search(r"and -?1\b", said)
    untaken = np.sum(np.where(zero > 0, np.log(zero), 0.0))
    for loss in (fine, untaken, np.sum(w * 2.0)):
        assert tg.autopsy(loss) is None
    with tg.anomaly():
        np.sum(np.where(zero > 0, np.log(zero), 0.0)).backward()
    assert zero.grad is not None and zero.grad.tolist() == [0.0, 1.0]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_what_follows_an_error_that_is_caught_has_its_own_name() -> None:
    w = tg.Tensor([[1e308, -1e308]], requires_grad=True)

    def loss() -> Any:
        with np.errstate(over="raise"), contextlib.suppress(FloatingPointError):
            F.logsumexp(w, axis=1)
            pytest.fail("nothing overflows")
        return np.sum(np.log(w))

    assert str(tg.autopsy(tg.trace(loss))).startswith("log gives nan at index (0, 1), of -1e+308 ")
    v = leaf(1, 0)

    def stale() -> Any:
        before = np.sum(np.exp(v * v))
        with tg.no_grad():
            v[...] = np.array([2.0, 0.0])
        with contextlib.suppress(tg.StaleValueError):
            before.backward()
            pytest.fail("the old values are gone")
        return np.sum(np.log(v))

    assert str(tg.autopsy(tg.trace(stale))).startswith("log gives -inf at index (1,), of 0 ")


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_branch_that_was_not_taken_is_named() -> None:
    """A rule of one's own reads a value that where did not take, and the gradient has it."""

    @tg.primitive
    def plain(x: Any, y: Any) -> Any:
        return x + 0 * np.where(np.isfinite(y), y, 0)

    tg.defvjp(plain, lambda g, _out, _x, y: g * y, lambda g, _out, _x, y: g * y)
    zero, w = leaf(0.0), leaf(1.0)

    def loss() -> Any:
        inside = np.log(zero)
        return np.sum(plain(w, inside) + np.where(zero > 0, inside, 0.0))

    found = tg.autopsy(tg.trace(loss))
    assert found is not None and found.operation == "log"
    assert re.fullmatch(
        r"(plain|where) \(test_autopsy\.py:\d+\) did not choose it, .*", found.untaken
    )
    assert str(found).endswith(found.untaken)
    # a rule of one's own makes 0 / 0 where nothing arrives
    found = tg.autopsy(np.sum(np.where(zero > 0, squeezed(zero), zero)))
    assert found is not None and found.of == "squeezed" and np.isnan(found.value)
    assert found.untaken == "no cotangent arrives there: where did not choose it"
    one = leaf(1.0)  # no branch at all: 0 times what is infinite
    for loss, said in (
        (lambda: np.sum(squeezed(zero * 1.0) * 0.0), "multiply"),
        (lambda: np.sum(np.where(one > 0, squeezed(zero * 1.0), 0.0) * 0.0), "multiply"),
        (lambda: np.sum(np.where(one > 0, squeezed(zero * 1.0) * 0.0, 0.0)), "multiply"),
        (lambda: np.sum(np.where(one < 0, squeezed(zero * 1.0), 0.0) * 2.0), "where"),
    ):
        found = tg.autopsy(loss())
        assert found is not None and found.of == "squeezed"
        does = "makes it 0" if said == "multiply" else "did not choose it"
        assert found.untaken == f"no cotangent arrives there: {said} {does}"


def test_an_autopsy_changes_nothing_and_says_where_it_cannot_look() -> None:
    w = leaf(1.0)
    w.grad = tg.Tensor([3.0])
    assert tg.autopsy(np.sum(np.sin(w))) is None
    assert w.grad.tolist() == [3.0]
    loss = np.sum(np.sin(w))
    loss.backward()
    with pytest.raises(tg.TapeError, match=r"was released by backward\(\); look at it before"):
        tg.autopsy(loss)
    with pytest.raises(tg.TapeError, match="inside of a step that is being recorded"):
        tg.trace(lambda x: tg.anomaly().__enter__(), np.ones(2))  # noqa: ARG005


def test_anomaly_finds_overwritten_arrays_at_the_write() -> None:
    w, x = leaf(1.0, 2.0), np.ones(2)
    raw = r"an operation \(test_autopsy\.py:\d+\) has saved"
    with pytest.raises(tg.StaleValueError, match=raw), tg.anomaly():
        loss = np.sum(w * x)
        x[0] = 3.0
        pytest.fail("the write went through")
    assert x.flags.writeable
    x[0] = 1.0
    own = r"test_autopsy\.py:\d+: w is overwritten here, and multiply has saved it"
    with pytest.raises(tg.StaleValueError, match=own), tg.anomaly():
        loss = np.sum(w * w)
        with tg.no_grad():
            w[...] = 5.0
        pytest.fail("the write went through")
    del loss
    with tg.anomaly():  # after backward() both are fine
        np.sum(w * x).backward()
        with tg.no_grad():
            w[...] = 2.0
        np.sum(w + 1.0).backward()
        x[0] = 2.0
    assert w.tolist() == [2.0, 2.0]


def test_anomaly_finds_every_kind_of_write() -> None:
    whole = np.ones(4)

    def by_optimiser(w: tg.Tensor) -> None:
        w.grad = tg.Tensor(np.ones(w.shape))
        optim.SGD([w], 0.1).step()

    def by_data(w: tg.Tensor) -> None:
        w.data += 1.0

    def by_base(_: tg.Tensor) -> None:
        whole[0] = 7.0

    def by_element(w: tg.Tensor) -> None:
        w.data[0] = 5.0

    for write in (by_optimiser, by_data, by_base, by_element):
        w = tg.Tensor([1.0, 2.0], requires_grad=True)
        with pytest.raises(tg.StaleValueError, match="overwritten"), tg.anomaly():
            loss = np.sum(np.exp(w) * whole[:2] * w)
            write(w)
            pytest.fail(f"{write.__name__} went through")
        assert whole.flags.writeable and whole[0] == 1.0
        assert w.tolist() == [1.0, 2.0]
        del loss
        with tg.anomaly():
            np.sum(np.exp(w) * whole[:2] * w).backward()
            write(w)
        whole[0] = 1.0


def test_anomaly_sees_what_a_replayed_step_makes_of_its_arguments() -> None:
    w = leaf([1.0, 1.0])
    step = tg.replay(lambda x: np.sum(w * (x / x)).backward())
    cause = r"divide gives nan at index \(1,\), of 0 and 0 \(.*test_autopsy\.py:\d+"
    with np.errstate(all="ignore"), pytest.raises(FloatingPointError, match=cause), tg.anomaly():
        step(np.array([1.0, 0.0]))


def test_anomaly_forgets_finished_steps_and_gives_the_same_numbers() -> None:
    def trained(around: Any) -> Any:
        model = nn.Sequential(nn.Linear(3, 4, seed=0), nn.Tanh(), nn.Linear(4, 2, seed=1))
        adam = optim.Adam(model.parameters(), lr=0.01)
        replayed, kept = tg.replay(training_step(model, adam)), []
        with around:
            for k in range(6):
                x = np.random.default_rng(k).standard_normal((4, 3)).astype(np.float32)
                replayed(x, np.arange(4) % 2)
                kept.append(len(getattr(mode.capture, "equations", ())))
        return model.state_dict(), kept

    (watched, kept), (plain, none) = trained(tg.anomaly()), trained(contextlib.nullcontext())
    assert all(watched[name].tobytes() == plain[name].tobytes() for name in plain)
    assert kept == [1] * 6 and not any(none)  # the optimiser's step, of all that ran


ZERO = np.array([1.0, 0.0])
LOG = r"^log gives -inf at index \(1,\), of 0 \(test_autopsy\.py:\d+\)"
ARCSIN = r"^divide, in the backward pass of arcsin, gives inf at index \(1,\), of 1 and 0 "


@tg.primitive
def logarithm(x: Any) -> Any:
    return np.log(x)


tg.defvjp(logarithm, lambda g, _out, x: g / x)


def written(into: tg.Tensor, index: Any = ...) -> None:
    into[index] = np.log(tg.Tensor(ZERO))


def quietly(does: Callable[[], Any]) -> Callable[[], Any]:
    def quiet() -> None:
        with tg.no_grad():
            does()

    return quiet


def updated(by: Callable[..., Any] = optim.SGD, rate: float = 1e300) -> None:
    w = leaf(1, 2, name="weight")
    w.grad = tg.Tensor([1.0, 1e300])
    by([w], rate).step()


def replayed(does: Callable[[Any], Any]) -> Callable[[], Any]:
    """A step that is replayed already when the block begins."""
    step = tg.replay(does)
    for _ in range(4):
        step(np.array([0.5, 0.5]))
    return lambda: step(ZERO)


def checkpointed() -> Callable[[], Any]:
    loss = np.sum(tg.checkpoint(np.arcsin)(leaf(0, 1)))
    return lambda: loss.backward()


def before() -> Callable[[], Any]:
    graph: Any = np.arcsin(leaf(0, 1))
    return lambda: (graph * 1.0).sum().backward()


# each way in which an operation can run in the block, and what is said of it
WAYS: dict[str, tuple[Callable[[], Any], str]] = {
    "a constant": (lambda: np.log(tg.Tensor(ZERO)), LOG),
    "no_grad": (quietly(lambda: np.log(leaf(1, 0))), LOG),
    "an array beside a Tensor": (
        lambda: leaf(1, 1) * ZERO / ZERO, r"^divide gives nan at index \(1,\), of 0 and 0 "
    ),
    "an array that NumPy made": (
        lambda: leaf(1, 1) * np.log(ZERO),
        r"^an operand of multiply, of shape \(2,\), is -inf at index \(1,\)",
    ),
    "a function of lists": (
        lambda: np.average(tg.Tensor(ZERO), weights=1e308 * ZERO + 1e308),
        "^divide gives nan, of inf and inf ",
    ),
    "a primitive": (lambda: logarithm(leaf(1, 0)), LOG.replace("log", "logarithm")),
    "a primitive's rule": (
        lambda: np.sum(np.where(np.array([True]), squeezed(leaf(0.5)), 0.0)).backward(),
        "in the backward pass of squeezed, gives inf",
    ),
    "vmap of an array": (lambda: tg.vmap(np.log)(ZERO), LOG),
    "vmap of a Tensor": (lambda: tg.vmap(np.log)(tg.Tensor(ZERO)), LOG),
    "vmap in vmap": (
        lambda: tg.vmap(tg.vmap(np.log))(ZERO[np.newaxis]), r"^log gives -inf at index \(0, 1\)"
    ),
    "vmap, one after the other": (
        lambda: tg.vmap(lambda x: np.linalg.slogdet(x)[1])(np.zeros((2, 2, 2))), "^slogdet gives"
    ),
    "vmap of grad": (
        lambda: tg.vmap(tg.grad(np.arcsin))(1.0 - ZERO),
        ARCSIN,
    ),
    "vmap around a Tensor": (
        lambda: (lambda w: tg.vmap(lambda x: np.log(w * x))(np.ones((3, 2))))(leaf(1, 0)),
        r"^log gives -inf at index \((0, )?1,?\), of 0 ",
    ),
    "jvp": (lambda: tg.jvp(np.log, (ZERO,), (np.ones(2),)), LOG),
    "vjp": (lambda: tg.vjp(np.arcsin, 1.0 - ZERO)[1](np.ones(2)), ARCSIN),
    "value_and_grad": (lambda: tg.value_and_grad(lambda x: np.sum(np.log(x)))(ZERO), LOG),
    "jacobian": (
        lambda: tg.jacobian(np.arcsin)(1.0 - ZERO), "in the backward pass of arcsin, gives nan at",
    ),
    "hvp": (
        lambda: tg.hvp(lambda x: np.sum(np.arcsin(x)), (1.0 - ZERO,), (np.ones(2),)), ARCSIN
    ),
    "checkpoint": (lambda: tg.checkpoint(np.log)(leaf(1, 0)), LOG),
    "checkpoint's backward": (
        lambda: np.sum(tg.checkpoint(np.arcsin)(leaf(0, 1))).backward(), ARCSIN
    ),
    "a checkpoint from before": (checkpointed(), ARCSIN.replace("of arcsin", "of .*arcsin")),
    "a graph from before": (before(), "^divide.* gives inf at index .*, of 1 and 0 "),
    "replay": (lambda: tg.replay(lambda x: np.sum(leaf(1, 1) * np.log(x)))(ZERO), LOG),
    "a replay from before": (replayed(lambda x: np.log(x)), LOG),
    "a write": (lambda: written(tg.Tensor(np.ones(2))), LOG),
    "a write into a result": (lambda: written(leaf(1, 1) * 1.0), LOG),
    "a write into a view": (lambda: written((leaf(1, 1, 1) * 1.0)[1:]), LOG),
    "a write into a leaf": (quietly(lambda: written(leaf(1, 1))), LOG),
    "t /= array": (
        lambda: tg.Tensor(ZERO).__itruediv__(ZERO),
        r"^divide gives nan at index \(1,\), of 0 and 0 ",
    ),
    "w /= 0": (
        quietly(lambda: leaf(1, 1).__itruediv__(0.0)), r"^updated gives inf at index \(0,\), of 1 "
    ),
    "t.data": (lambda: reread(leaf(1, 1)), r"^w is inf at index \(0,\)"),
    "a gradient that is given": (
        lambda: setattr(leaf(1, 1), "grad", tg.Tensor([1.0, np.inf])), r"is inf at index \(1,\)"
    ),
    "an optimiser": (
        updated,
        r"^SGD\.step gives -inf at index \(1,\), of weight = 2 and its gradient = 1e\+300 \(test_",
    ),
    "a hook": (
        lambda: np.sum(hooked(leaf(1, 0))).backward(),
        r"^divide.* gives inf at index \(1,\), of 1 and 0 ",
    ),
    "half": (
        lambda: tg.Tensor(np.array([300.0], np.float16)) ** 2, "^power gives inf .* of 300 and "
    ),
    "complex numbers": (lambda: np.log(tg.Tensor(ZERO + 0j)), "^log gives .*-inf.* of 0"),
}  # fmt: skip


def reread(t: tg.Tensor) -> tg.Tensor:
    t.data[0] = np.inf
    return t * 1.0


def hooked(w: tg.Tensor) -> tg.Tensor:
    made = w * 2.0
    made.register_hook(lambda g: g / w.detach())
    return made


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_anomaly_sees_every_way_in_which_an_operation_runs() -> None:
    missed = []
    for name, (does, said) in WAYS.items():
        try:
            with tg.anomaly():
                does()
            text = "nothing"
        except Exception as error:
            text = f"{error}"
            text = text if isinstance(error, FloatingPointError) else repr(error)
        if not re.search(said, text):
            missed.append((name, text))
    assert missed == []
    inside = tg.trace(lambda: tg.vmap(np.log)(ZERO))  # read off a recording, too
    assert re.search(LOG, str(tg.autopsy(inside)))


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_what_anomaly_does_not_see() -> None:
    """As its page says: plain NumPy's own results, what goes into an array, other threads."""
    made = np.ones(2)

    def in_a_thread() -> None:
        thread = threading.Thread(target=lambda: np.log(tg.Tensor(ZERO)))
        thread.start()
        thread.join()

    for does in (
        lambda: np.log(ZERO), lambda: logarithm(ZERO), lambda: tg.checkpoint(np.log)(ZERO),
        lambda: np.log(tg.Tensor(ZERO), out=made), in_a_thread,
    ):  # fmt: skip
        with tg.anomaly():
            does()
    assert np.isinf(made[1])


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_anomaly_tells_beside_another_error_what_led_to_it() -> None:
    with pytest.raises(np.linalg.LinAlgError) as met, tg.anomaly():
        np.linalg.svd(np.log(leaf(-1, 1)).reshape(1, 2))
    assert re.match(
        r"tg\.anomaly: log gives nan at index \(0,\), of -1 \(", met.value.__notes__[-1]
    )


class Whole(optim.Optimiser):
    """An optimiser of one's own, which divides by a gradient of 0."""

    def step(self) -> None:
        with tg.no_grad():
            for p in self.params:
                assert p.grad is not None
                p[...] = p - 0.1 * p.grad / np.abs(p.grad).max()


def own_step() -> None:
    w = leaf(1, 2)
    np.sum(w * 0.0).backward()
    Whole([w], 0.1).step()


def assigned() -> None:
    y = leaf(1, 2) * 1.0
    y[0] = np.nan
    np.sum(y).backward()


def fitted() -> None:
    x, y = np.ones((4, 2), np.float32), np.zeros(4, int)
    x[3, 1] = np.nan
    model = nn.Sequential(linear())
    sgd = optim.SGD(model.parameters(), 0.1)
    tg.training.fit(model, tg.data.batches(x, y, 4, shuffle=False), sgd, epochs=1)


LINE = r" \(test_autopsy\.py:\d+\)\."
# what is wrong, by its right name and with the line
NAMED: list[tuple[Callable[[], Any], str]] = [
    (own_step, r"^divide gives nan at index \(0,\), of 0 and 0"),
    (lambda: (leaf(1, 2) * 2).backward(np.array([1.0, np.inf])),
     r"^the gradient given to backward\(\), of shape \(2,\), is inf at index \(1,\)"),
    (lambda: np.logaddexp(leaf(-np.inf), leaf(-np.inf)).backward(),
     r"^an array given to Tensor\(\), of shape \(1,\), is -inf at index \(0,\)"),
    (assigned, r"^an operand of t\[index\] = v is nan"),
    (lambda: np.mean(leaf()).backward(),
     r"^mean gives nan, of an operand of shape \(0,\), which is empty"),
    (fitted, r"^an operand of linear, of shape \(4, 2\), is nan at index \(3, 1\)"),
]  # fmt: skip


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_what_is_wrong_has_its_right_name_and_line() -> None:
    for does, said in NAMED:
        with pytest.raises(FloatingPointError, match=said + LINE), tg.anomaly():
            does()
