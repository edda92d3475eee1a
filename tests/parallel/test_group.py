"""``Group`` and ``fit(group=)`` over threads: what needs no MPI."""

import functools
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tests.each import for_each
from tests.parallel.threads import Stopped, World
from tinygrad_np import nn, optim, parallel
from tinygrad_np.training.mean import check_mean

N = 23  # batches of 8, and one of 7: unequal shares; with n = 18 one of 2 rows, fewer than 4


class Net(nn.Module):
    """Linear layers, batch normalisation, dropout, in two dtypes if asked."""

    def __init__(self, dtype: Any = np.float32, dropout: float = 0.0) -> None:
        self.first = nn.Linear(6, 8, bias=False, seed=0, dtype=dtype)
        self.norm = nn.BatchNorm1d(8, dtype=dtype)
        self.dropout = nn.Dropout(dropout, seed=3)
        self.last = nn.Linear(8, 3, seed=1, dtype=dtype)

    def forward(self, x: Any) -> Any:
        return self.last(self.dropout(nn.functional.relu(self.norm(self.first(x)))))


def data_of(n: int = N, dtype: Any = np.float32) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.standard_normal((n, 6)).astype(dtype), rng.integers(0, 3, n)


def train(group: Any, net: Any = None, n: int = N, dtype: Any = np.float32, **options: Any) -> Any:
    """Weights and history of a training, with the bytes that the group sent."""
    net = net or Net(dtype)
    x, y = data_of(n, dtype)
    transform = options.pop("transform", None)
    batches = tg.data.batches(x, y, 8, seed=5, transform=transform)
    optimiser = options.pop("optimiser", None) or optim.SGD(net.parameters(), 0.05, momentum=0.9)
    options = {"epochs": 2, "validation": (x, y), **options}
    history = tg.training.fit(net, batches, optimiser, group=group, **options)
    return net.state_dict(), history, batches.state()


def uneven() -> None:
    net = nn.Linear(6, 3, seed=0)
    batches = [(np.zeros((4, 6), np.float32), np.zeros(5, int))]
    optimiser = optim.SGD(net.parameters(), 0.1)

    def work(comm: Any) -> None:
        tg.training.fit(net, batches, optimiser, epochs=1, group=tg.parallel.Group(comm))

    raise World(2).run(work)[0]


def together(size: int, **options: Any) -> tuple[World, list[Any]]:
    world = World(size)
    found = world.run(lambda comm: train(tg.parallel.Group(comm), **options))
    for each in found:
        if isinstance(each, BaseException):
            raise each
    return world, found


def distance(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> float:
    return max(float(np.abs(one[n].astype(float) - other[n]).max()) for n in one)


CASES: list[tuple[str, dict[str, Any]]] = [
    ("float32", {}),
    ("float64, eager", {"dtype": np.float64, "replay": False}),
    ("last batch of 2", {"dtype": np.float64, "n": 18}),
    ("accumulate", {"dtype": np.float64, "accumulate": 2}),
    ("metrics", {
        "replay": False, "metrics": {"share": lambda out, y: float(np.mean(out.argmax(1) == y))},
    }),
]  # fmt: skip


def test_several_processes_give_what_one_gives() -> None:
    """Weights, statistics, losses, accuracies, the batches' place; the same in all processes."""
    for name, options in CASES:
        weights, history, place = train(None, **options)
        most = 1e-6 if options.get("dtype") is None else 1e-12
        for size in {"float64, eager": (2, 4), "last batch of 2": (4,)}.get(name, (2,)):
            _, found = together(size, **options)
            for other, theirs, at in found:
                assert distance(other, found[0][0]) == 0, name
                assert distance(other, weights) < most, (name, size)
                assert at == place and len(theirs) == len(history)
                for a, b in zip(theirs, history, strict=True):
                    assert np.abs(np.subtract(a.step_losses, b.step_losses)).max() < most
                    assert np.isclose(a.train_loss, b.train_loss, rtol=most)
                    assert np.isclose(a.train_accuracy, b.train_accuracy, equal_nan=True), name
                    assert np.isclose(a.validation_loss, b.validation_loss, rtol=10 * most), name
                    assert a.metrics.keys() == b.metrics.keys()
                    assert np.isclose(
                        a.validation_accuracy, b.validation_accuracy, equal_nan=True
                    ), name


def test_a_step_is_one_call_for_each_dtype() -> None:
    """3 steps an epoch: what two epochs more add to the calls, replays compared or not."""

    class Mixed(nn.Module):
        def __init__(self) -> None:
            self.a = nn.Linear(6, 3, seed=0)
            self.b = nn.Linear(6, 3, seed=1, dtype=np.float64)

        def forward(self, x: Any) -> Any:
            return self.a(x) + self.b(x)

    def calls(epochs: int, make: Any) -> int:
        world = World(2)

        def work(comm: Any) -> None:
            net = make()
            train(tg.parallel.Group(comm), net, epochs=epochs, validation=None)

        assert world.run(work) == [None, None]
        return world.calls[0]

    # beside the steps: ends asked for twice, and two calls of the check
    one = functools.partial(nn.Linear, 6, 3, seed=0)
    assert calls(4, one) - calls(2, one) == 2 * (3 + 4)
    assert calls(4, Mixed) - calls(2, Mixed) == 2 * (6 + 4)


def test_replays_are_replays(captures: list[Any]) -> None:
    """With batch normalisation, too: two captures of each of two shapes in each process."""
    together(2, epochs=12, validation=None)
    assert 0 < len(captures) <= 10


def test_draws_are_each_processs_own_and_the_same_in_every_run() -> None:
    def noisy(x: Any, generator: Any) -> Any:
        seen.append(generator.random())
        return x

    seen: list[float] = []
    options = {"transform": noisy, "epochs": 2, "dtype": np.float64}
    runs = []
    for _ in range(2):
        world = World(2)
        seen.clear()
        runs.append(world.run(lambda c: train(tg.parallel.Group(c), Net(dropout=0.5), **options)))
        assert len(set(seen)) == 12  # of 3 batches, 2 epochs, 2 processes
    assert distance(runs[0][0][0], runs[1][1][0]) == 0
    assert distance(runs[0][0][0], train(None, Net(dropout=0.5), **options)[0]) > 1e-3


def test_draws_in_evaluation_mode_leave_the_processes_alike() -> None:
    """Of shares of unequal size: 11 and 12 rows of validation data, 1 and 2 of each batch."""

    class Noisy(nn.Linear):
        def forward(self, x: Any) -> Any:
            out = super().forward(x)
            return out + tg.random.normal(out.shape, generator=self.noise)

    def work(comm: Any) -> Any:
        net = Noisy(6, 3, seed=0)
        net.noise = np.random.default_rng(0)
        batches = tg.data.batches(*data_of(6), 3, seed=0)
        optimiser = optim.SGD(net.parameters(), 0.1)
        group = tg.parallel.Group(comm)
        return tg.training.fit(
            net, batches, optimiser, epochs=2, group=group, validation=data_of()
        )  # fmt: skip

    for history in World(2).run(work):
        assert len(history) == 2, history


def test_processes_begin_alike_and_are_checked() -> None:
    """Other initial weights become those of rank 0; what cannot be, names rank and entry."""

    def other_weights(comm: Any) -> Any:
        net = Net()
        with tg.no_grad():
            net.first.weight[...] = comm.rank
        net.dropout.generator = np.random.default_rng(comm.rank)
        return train(tg.parallel.Group(comm), net)[0]

    first, second = World(2).run(other_weights)
    assert distance(first, second) == 0

    def spoiled(comm: Any) -> Any:
        net = Net()

        class Spoil:
            def on_epoch(self, _: Any) -> None:
                if comm.rank == 1:
                    with tg.no_grad():
                        net.last.bias[0] = 7.0

        return train(tg.parallel.Group(comm), net, callbacks=[Spoil()])

    def wider(comm: Any) -> Any:
        return train(tg.parallel.Group(comm), nn.Linear(6, 3 + comm.rank, seed=0))

    def longer(comm: Any) -> Any:
        return train(tg.parallel.Group(comm), n=23 + comm.rank)

    def oftener(comm: Any) -> Any:
        return train(tg.parallel.Group(comm), epochs=3 + comm.rank)

    def judged(comm: Any) -> Any:
        return train(tg.parallel.Group(comm), validation=data_of(8 + comm.rank))

    def deeper(comm: Any) -> Any:
        net = [nn.Linear(6, 3, seed=0), nn.Sequential(nn.Linear(6, 3, seed=0))][comm.rank]
        return train(tg.parallel.Group(comm), net)

    for work, words in (
        (spoiled, "rank 1 of 2 differs from rank 0 in last.bias"),
        (wider, "rank 1 of 2 differs from rank 0 in weight"),
        (longer, "rank 1 of 2 differs from rank 0 in the batches samples"),
        (oftener, "rank 1 of 2 differs from rank 0 in the number of epochs; build"),
        (judged, "rank 1 of 2 differs from rank 0 in the validation data; build"),
        (deeper, "rank 1 of 2 has other arrays than rank 0"),
    ):
        world = World(2)
        for error in world.run(work):
            assert isinstance(error, tg.DataError) and words in str(error), error
        assert not world.aborted


def test_one_that_raises_ends_all(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parallel.group, "WAIT", 0.1)

    def work(comm: Any) -> Any:
        class Fails:
            def on_step(self, now: Any) -> None:
                if comm.rank == 1 and now.step == 2:
                    raise ValueError("no more\nroom")

        return train(tg.parallel.Group(comm), callbacks=[Fails()])

    world = World(2)
    assert all(isinstance(each, Stopped) for each in world.run(work))
    assert world.aborted == [1] or world.aborted == [1, 1]
    assert "rank 1 of 2 ended all processes: ValueError: no more room\n" in capfd.readouterr().err


def test_an_end_that_one_asks_for_is_everybodys(tmp_path: Path) -> None:
    """After the same step as with one process, and the checkpoint goes on bit for bit."""

    class Ends:
        def __init__(self, step: int) -> None:
            self.step = step

        def on_step(self, now: Any) -> bool:
            return now.epoch == 2 and now.step == self.step

        def on_epoch(self, done: Any) -> bool:
            return done.epoch == 2 and not self.step

    whole = together(2, epochs=3, replay=False)[1]
    for step in (0, 2, 3):
        options: Any = {"epochs": 3, "replay": step == 0}
        one = train(None, callbacks=[Ends(step)], **options)[1]
        path = tmp_path / f"{step}.npz"

        def work(comm: Any, step: int = step, path: Path = path, options: Any = options) -> Any:
            group = tg.parallel.Group(comm)
            ends = [Ends(step)] if comm.rank == 1 else []
            found = train(group, callbacks=ends, checkpoint=path, **options)
            group.sum(0)
            again = train(group, checkpoint=path, resume=True, **options)
            return found, again

        for found, again in World(2).run(work):
            assert found[1].stopped == one.stopped == "callback"
            assert [len(e.step_losses) for e in found[1]] == [len(e.step_losses) for e in one]
            assert distance(again[0], whole[0][0]) == 0
            assert again[1][-1].step_losses == whole[0][1][-1].step_losses


def test_a_loss_that_is_not_finite_in_one_process_ends_all() -> None:
    x, y = data_of()
    x[19] = np.nan

    def work(comm: Any) -> Any:
        net = nn.Linear(6, 3, seed=0)
        batches = tg.data.batches(x, y, 8, shuffle=False)
        optimiser = optim.SGD(net.parameters(), 0.1)
        history = tg.training.fit(net, batches, optimiser, epochs=2, group=tg.parallel.Group(comm))
        return history.stopped, len(history[0].step_losses), net.state_dict()

    with warnings.catch_warnings():  # here: the threads share the filters
        warnings.simplefilter("ignore", RuntimeWarning)
        first, second = World(2).run(work)
    assert first[:2] == second[:2] == ("diverged", 3)
    assert distance(first[2], second[2]) == 0 and np.isfinite(first[2]["weight"]).all()


def test_gradients_that_only_some_have_count_as_zero_elsewhere() -> None:
    """And parameters that nobody uses stay without."""

    class Parts(nn.Module):
        def __init__(self, rank: int) -> None:
            self.both, self.unused = nn.Linear(6, 3, seed=0), nn.Linear(6, 3, seed=1)
            self.first = nn.Linear(6, 3, seed=2)
            self.rank = rank

        def forward(self, x: Any) -> Any:
            return self.both(x) + (0 if self.rank else self.first(x))

    def work(comm: Any) -> Any:
        net = Parts(comm.rank)
        optimiser = optim.Adam(net.parameters(), 0.01)
        train(tg.parallel.Group(comm), net, optimiser=optimiser, epochs=1, validation=None)
        return net.state_dict(), [p.grad is None for p in net.parameters()]

    (first, have), (second, others) = World(2).run(work)
    assert have == others == [False, False, True, True, False, False]
    assert distance(first, second) == 0
    assert (first["unused.weight"] == Parts(0).unused.weight.numpy()).all()
    assert (first["first.weight"] != Parts(0).first.weight.numpy()).any()


def test_shares_of_a_batch_are_all_of_it_once() -> None:
    x, y = np.arange(23.0).reshape(23, 1), np.arange(23)
    for size in (2, 3, 4, 5):
        whole = tg.data.batches(x, y, 5, seed=0)
        seen = list(whole)
        for rank in range(size):
            other = tg.data.batches(x, y, 5, seed=0)
            share = other.share(rank, size)
            for number, (part, (all_x, _)) in enumerate(zip(share, seen, strict=True)):
                assert part.joined == len(all_x)
                assert part.copies == (1 if len(all_x) >= size else size)
                kept = all_x if number == 4 and size > 3 else None
                start, end = 5 * rank // size, 5 * (rank + 1) // size
                assert (part[0] == (all_x[start:end] if number < 4 else part[0])).all()
                if kept is not None:
                    assert (part[0] == kept).all()
            assert share.state() == other.state() == whole.state()


F = nn.functional
COSTS = np.array([1.0, 2.0, 3.0])


def noisy(out: Any, y: Any) -> Any:
    return F.cross_entropy(out + NOISE.normal(size=out.shape), y)


NOISE = np.random.default_rng(0)
MEANS: list[tuple[str, Any]] = [
    ("cross_entropy", F.cross_entropy),
    ("smooth", lambda o, y: F.cross_entropy(o, y, label_smoothing=0.1)),
    ("equal weights", lambda o, y: F.cross_entropy(o, y, weight=np.full(3, 2.0))),
    ("weights by row", lambda o, y: np.mean(F.cross_entropy(o, y, weight=COSTS, reduction="none"))),
    ("ignored rows", lambda o, y: np.mean(F.cross_entropy(o, y, ignore_index=2, reduction="none"))),
    ("no ignored label", lambda o, y: F.cross_entropy(o, y, ignore_index=-1)),
    ("hinge", lambda o, y: F.hinge_loss(o, y, margin=2.0)),
    ("mse", lambda o, y: F.mse_loss(o[:, 0], y)),
    ("single precision", lambda o, y: np.mean(np.square(o[:, 0] - y).astype(np.float32))),
    ("penalty of outputs", lambda o, y: F.cross_entropy(o, y) + 0.01 * np.mean(o * o)),
    ("a constant", lambda o, y: F.cross_entropy(o, y) + 3.0),
    ("one that draws", noisy),
    ("shape (1,)", lambda o, y: np.reshape(F.cross_entropy(o, y), (1,))),
]
OTHERS: list[tuple[str, Any]] = [
    ("sum", lambda o, y: F.cross_entropy(o, y, reduction="sum")),
    ("weights", lambda o, y: F.cross_entropy(o, y, weight=COSTS)),
    ("nll_loss", lambda o, y: F.nll_loss(F.log_softmax(o, axis=1), y, weight=COSTS)),
    ("ignored", lambda o, y: F.cross_entropy(o, y, ignore_index=2)),
    ("variance", lambda o, y: F.cross_entropy(o, y) + np.var(o)),
    ("sum of squares", lambda o, y: F.cross_entropy(o, y) + 0.01 * np.sum(o * o)),
    ("greatest", lambda o, y: F.cross_entropy(o, y) + 0.1 * np.max(o)),
    ("root of a mean", lambda o, y: np.sqrt(F.mse_loss(o[:, 0], y))),
]


def test_a_loss_that_is_no_mean_over_rows_is_refused() -> None:
    """At the first step, whichever labels it has; one row a process is enough."""
    for n in (N, 2):
        outputs = np.random.default_rng(1).standard_normal((n, 3)).astype(np.float32)
        for y in (data_of(n)[1], np.zeros(n, np.int8)):
            for _, loss in MEANS:
                check_mean(loss, outputs, y)
                check_mean(loss, outputs[:1], y[:1])
            for name, loss in OTHERS:
                for few in (slice(None), slice(1)):
                    if name in ("variance", "greatest", "root of a mean") and few.stop:
                        continue  # rows that are all the same do not show them
                    with pytest.raises(ValueError, match="it is not a mean over rows: it is"):
                        check_mean(loss, outputs[few], y[few])
                        pytest.fail(name)


def test_fit_refuses_it_in_all_processes_and_trains_with_one() -> None:
    loss = dict(OTHERS)["ignored"]
    for error in World(2).run(lambda c: train(tg.parallel.Group(c), loss=loss)):
        assert isinstance(error, ValueError) and "reduction='none'" in str(error), error
    train(None, loss=loss)
    for name in ("weights by row", "ignored rows", "penalty of outputs"):  # the ways out
        options = {"loss": dict(MEANS)[name], "dtype": np.float64, "epochs": 1, "replay": False}
        weights = train(None, **options)[0]
        assert distance(together(2, **options)[1][0][0], weights) < 1e-12, name


def test_what_only_later_batches_or_validation_data_show() -> None:
    """Ignored labels that are no class are only seen where there are some."""

    def work(comm: Any, epochs: int = 1, late: int = 0) -> Any:
        x, y = data_of(32)
        y[late:] = np.where(np.arange(32 - late) % 3, y[late:], -1) if late else y[late:]
        batches = tg.data.batches(x, y, 8, shuffle=False)
        net = nn.Linear(6, 3, seed=0)
        return tg.training.fit(
            net, batches, optim.SGD(net.parameters(), 0.1), epochs=epochs,
            group=tg.parallel.Group(comm), validation=(x[:8], y[-8:]),
            loss=lambda o, t: F.cross_entropy(o, t, ignore_index=-1),
        )  # fmt: skip

    assert all(len(history) == 1 for history in World(2).run(work))
    for late in (16, 24):  # batches 3 and 4; the fourth is looked at, and so are validation data
        for error in World(2).run(functools.partial(work, late=late)):
            assert isinstance(error, ValueError) and "not a mean over rows" in str(error), error


def test_a_last_batch_of_one_row_is_refused_as_with_one_process() -> None:
    """Also where a share of one row was recorded before."""
    for batch in (8, 2):

        def work(comm: Any, batch: int = batch) -> Any:
            x, y = data_of(9)
            net = Net()
            batches = tg.data.batches(x, y, batch, seed=0)
            group = None if comm is None else tg.parallel.Group(comm)
            return tg.training.fit(
                net, batches, optim.SGD(net.parameters(), 0.1), epochs=1, group=group
            )

        with pytest.raises(tg.ShapeError) as alone:
            work(None)
        assert "has one value for each channel" in str(alone.value)
        for error in World(2).run(work):
            assert type(error) is tg.ShapeError and str(error) == str(alone.value)


class Alone:
    """A communicator of one process."""

    def Get_rank(self) -> int:
        return 0

    def Get_size(self) -> int:
        return 1


def test_one_process_is_as_none() -> None:
    group = tg.parallel.Group(Alone())
    assert distance(train(group)[0], train(None)[0]) == 0
    with pytest.raises(ValueError, match="as it is"), group:
        raise ValueError("as it is")


def test_the_program_of_the_page(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    page = Path(__file__).resolve().parents[2] / "docs" / "scaling.md"
    [code] = re.findall(r"```python\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
    whole = tg.parallel.Group
    monkeypatch.setattr(tg.parallel, "Group", lambda: whole(Alone()))
    monkeypatch.chdir(tmp_path)
    net = Net()
    names = {"tg": tg, "model": net, "optimiser": optim.SGD(net.parameters(), 0.1)}
    exec(code, {**names, "batches": tg.data.batches(*data_of(), 8, seed=0)})
    assert distance(tg.load("weights.npz"), net.state_dict()) == 0


class Own:
    """An optimiser of the user's own."""

    def __init__(self, params: Any) -> None:
        self.params = params

    def zero_grad(self) -> None: ...

    def step(self) -> None: ...


@for_each(
    [
        (
            lambda: tg.parallel.Group(3),
            TypeError,
            "Group(comm=3): a communicator of mpi4py is needed",
        ),
        (lambda: train(3), TypeError, "fit(group=3): a tg.parallel.Group() or None"),
        (
            lambda: train(tg.parallel.Group(Alone()), n := Net(), optimiser=Own(n.parameters())),
            TypeError,
            "the optimiser Own has a step() of its own",
        ),
        (
            lambda: together(4, n=18, accumulate=3),
            tg.DataError,
            "batches of 8, 8, 2 rows make one update",
        ),
        (uneven, tg.DataError, "the arrays of a batch have 4, 5 rows"),
    ]
)
def test_refusals(case: Any) -> None:
    work, kind, words = case
    with pytest.raises(kind) as found:
        work()
    assert words in str(found.value)


def test_without_mpi4py_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "mpi4py", None)
    with pytest.raises(ImportError, match="pip install mpi4py"):
        tg.parallel.Group()
