"""Scaling, one-hot labels, splits and batches: exact values, nothing lost, nothing hidden."""

import dataclasses
import json
import re
import threading
from typing import Any, NamedTuple

import numpy as np
import pytest

from tests.each import for_each
from tinygrad_np.autodiff.nests import leaves
from tinygrad_np.data import batches, normalise, split
from tinygrad_np.errors import DataError

PIXELS = np.arange(256, dtype=np.uint8).reshape(4, 8, 8)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_normalise_scales_to_one(dtype: Any) -> None:
    scaled = normalise(PIXELS, dtype=dtype)
    expected = np.arange(256).reshape(4, 8, 8).astype(dtype) / dtype(255)
    np.testing.assert_array_equal(scaled, expected, strict=True)
    assert (scaled.min(), scaled.max()) == (0, 1)


def test_normalise_standardises() -> None:
    scaled = normalise(PIXELS, mean=np.float64(0.5), std=np.float64(0.25))
    assert scaled.dtype == np.float32
    np.testing.assert_allclose(scaled, (PIXELS / 255 - 0.5) / 0.25, rtol=1e-6, atol=1e-6)
    exact = normalise(PIXELS, mean=0.5, std=(256**2 - 1) ** 0.5 / 12**0.5 / 255, dtype=np.float64)
    assert exact.mean() == pytest.approx(0, abs=1e-12)
    assert exact.std() == pytest.approx(1, rel=1e-12)


def test_normalise_leaves_its_input_alone() -> None:
    PIXELS.flags.writeable = False
    assert normalise(PIXELS, 0.5, 0.5).flags.writeable


BAD_NORMALISE = {
    "integer result": (
        (PIXELS, None, None, np.int32),
        "found dtype=the class int32, expected a floating dtype",
    ),
    "mean only": ((PIXELS, 0.5), "found mean=0.5 and std=None, expected two finite numbers"),
    "std only": ((PIXELS, None, 0.5), "found mean=None and std=0.5, expected two finite"),
    "zero std": ((PIXELS, 0.5, 0.0), "found std=0.0, expected a number above 0"),
    "negative std": ((PIXELS, 0.5, -1.0), "found std=-1.0, expected a number above 0"),
    "nan": ((PIXELS, float("nan"), 1.0), "found mean=nan, expected a finite number"),
    "infinite": ((PIXELS, 0.5, float("inf")), "found std=inf, expected a number above 0"),
}


@pytest.mark.parametrize(("arguments", "message"), BAD_NORMALISE.values(), ids=BAD_NORMALISE)
def test_bad_normalise(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(DataError, match=f"^normalise: {re.escape(message)}"):
        normalise(*arguments)


@for_each([2, 3, 7, 16, 50], range(5))
def test_split_deals_every_sample_once(length: int, seed: int) -> None:
    count = [1, length - 1, length // 2, 1 + length // 3, 1 + 2 * (length - 2) // 3][seed]
    x, y = np.arange(2 * length).reshape(length, 2), np.arange(length)
    (x_a, y_a), (x_b, y_b) = split(x, y, count, seed)
    assert len(x_b) == len(y_b) == count
    assert sorted([*y_a, *y_b]) == list(range(length))
    np.testing.assert_array_equal(np.concatenate([x_a, x_b]), x[np.concatenate([y_a, y_b])])


def test_split_is_shuffled_and_repeatable() -> None:
    x = np.arange(1000)
    parts = [split(x, x, 100, seed)[1][0] for seed in (5, 5, 6, np.random.default_rng(5))]
    np.testing.assert_array_equal(parts[0], parts[1])
    np.testing.assert_array_equal(parts[0], parts[3])
    assert not np.array_equal(parts[0], parts[2])
    assert not np.array_equal(np.sort(parts[0]), x[-100:])
    assert not np.array_equal(np.sort(parts[0]), parts[0])


@pytest.mark.parametrize(
    ("wanted", "count"), [(3, 3), (np.int64(3), 3), (0.24, 2), (np.float32(0.5), 5)]
)
def test_split_takes_a_count_or_a_fraction(wanted: float, count: int) -> None:
    x = np.arange(10)
    assert len(split(x, x, wanted, seed=0)[1][0]) == count


def test_split_gives_copies() -> None:
    x = np.zeros((4, 2))
    for part in split(x, np.zeros(4), 2, seed=0):
        part[0][...] = 1
    assert not x.any()


X = np.zeros((6, 2))
Y = np.zeros(6)
BAD_SPLIT = {
    "none": (
        (X, Y, 0, 0),
        "found fraction_or_count=0 for 6 samples, expected a count from 1 to 5 or a fraction",
    ),
    "all": ((X, Y, 6, 0), "found fraction_or_count=6 for 6 samples, expected a count from 1 to 5"),
    "negative": (
        (X, Y, -1, 0),
        "found fraction_or_count=-1 for 6 samples, expected a count from 1 to 5",
    ),
    "fraction 1.0": (
        (X, Y, 1.0, 0),
        "found fraction_or_count=1.0 for 6 samples, expected a count from 1 to 5",
    ),
    "fraction 2.5": (
        (X, Y, 2.5, 0),
        "found fraction_or_count=2.5 for 6 samples, expected a count from 1 to 5",
    ),
    "tiny fraction": (
        (X, Y, 0.01, 0),
        "found fraction_or_count=0.01 for 6 samples, expected a count from 1 to 5",
    ),
    "nan": (
        (X, Y, float("nan"), 0),
        "found fraction_or_count=nan for 6 samples, expected a count from 1 to 5",
    ),
    "bool": (
        (X, Y, True, 0),
        "found fraction_or_count=True for 6 samples, expected a count from 1 to 5",
    ),
    "no seed": ((X, Y, 2, None), "found seed=None, expected an int from 0 up or a np.random.Gen"),
    "negative seed": ((X, Y, 2, -1), "found seed=-1, expected an int from 0 up"),
    "bool seed": ((X, Y, 2, True), "found seed=True, expected an int from 0 up"),
}


@pytest.mark.parametrize(("arguments", "message"), BAD_SPLIT.values(), ids=BAD_SPLIT)
def test_bad_split(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(DataError, match=f"^split: {re.escape(message)}"):
        split(*arguments)


@for_each([0, 1, 2, 7, 12, 40], [1, 2, 3, 7, 12, 40, 45], [False, True])
def test_batches_cover_every_sample_once(length: int, size: int, shuffle: bool) -> None:
    x, y = np.arange(3 * length).reshape(length, 3), np.arange(length)
    feed = batches(x, y, size, seed=0, shuffle=shuffle)
    given_out = list(feed)
    assert len(given_out) == len(feed) == -(-length // size)
    assert all(len(batch_x) == len(batch_y) for batch_x, batch_y in given_out)
    assert all(len(batch_y) == size for _, batch_y in given_out[:-1])
    rows = [int(label) for _, batch_y in given_out for label in batch_y]
    assert (sorted(rows) if shuffle else rows) == list(range(length))
    for batch_x, batch_y in given_out:
        np.testing.assert_array_equal(batch_x, x[batch_y])


def epoch(feed: Any) -> list[int]:
    return [int(label) for _, labels in feed for label in labels]


def test_each_epoch_has_its_own_order_and_repeats_with_the_seed() -> None:
    x = np.arange(100)
    first, again = batches(x, x, 32, seed=1), batches(x, x, 32, np.random.default_rng(1))
    orders = [epoch(first), epoch(first)]
    assert orders[0] != orders[1]
    assert orders == [epoch(again), epoch(again)]
    assert orders[0] != epoch(batches(x, x, 32, seed=2))


def test_the_order_is_drawn_when_iteration_starts() -> None:
    x = np.arange(100)
    feed = batches(x, x, 32, seed=1)
    started_first, started_second = iter(feed), iter(feed)
    late = epoch(started_second)
    fresh = batches(x, x, 32, seed=1)
    assert [epoch(started_first), late] == [epoch(fresh), epoch(fresh)]


@pytest.mark.parametrize("shuffle", [True, False])
def test_batches_are_the_callers_own(shuffle: bool) -> None:
    x = np.arange(24.0).reshape(4, 6).T
    kept = x.copy()
    for batch_x, batch_y in batches(x, x, 6, seed=0, shuffle=shuffle):
        assert batch_x.flags.c_contiguous
        assert batch_y.flags.c_contiguous
        assert not np.shares_memory(batch_x, batch_y)
        batch_x[...] = -1
    np.testing.assert_array_equal(x, kept)


BAD_BATCHES = {
    "no seed": ((X, Y, 2), "found seed=None, expected an int from 0 up or a np.random.Generator"),
    "text seed": ((X, Y, 2, "0"), "found seed='0', expected an int from 0 up"),
    "transform unseeded": (
        (X, Y, 2, None, False, lambda x, _: x),
        "found seed=None, expected an int from 0 up or a np.random.Generator",
    ),
    "ahead": ((X, Y, 2, 0, True, None, -1), "found ahead=-1, expected an int from 0 up"),
    "ahead float": ((X, Y, 2, 0, True, None, 1.0), "found ahead=1.0, expected an int from 0 up"),
}


@pytest.mark.parametrize(("arguments", "message"), BAD_BATCHES.values(), ids=BAD_BATCHES)
def test_bad_batches(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(DataError, match=f"^batches: {re.escape(message)}"):
        batches(*arguments)


def jittered(x: Any, generator: np.random.Generator) -> Any:
    return x + generator.random(x.shape)


def feeds(seed: Any = 7, **options: Any) -> Any:
    x = np.arange(23.0)
    return batches(x[:, None], x, 4, seed, **{"transform": jittered, **options})


def numbers(given_out: Any) -> list[Any]:
    return [(x.tolist(), y.tolist()) for x, y in given_out]


def test_transforms_draw_anew_for_each_batch_and_epoch() -> None:
    feed = feeds()
    epochs = [numbers(feed) for _ in range(2)]
    again = feeds(np.random.default_rng(7))
    assert epochs == [numbers(again) for _ in range(2)]
    drawn = [x[i][0] - y[i] for epoch in epochs for x, y in epoch for i in range(len(y))]
    assert len(set(np.round(drawn, 9))) == len(drawn) == 46
    assert 0 <= min(drawn) < 0.2 < 0.8 < max(drawn) < 1
    plain = feeds(transform=None)
    assert [y for _, y in epochs[0]] == [y for _, y in numbers(plain)]


def test_a_transform_without_shuffling_keeps_the_order() -> None:
    feed = feeds(shuffle=False)
    first, second = numbers(feed), numbers(feed)
    assert [y for _, y in first] == [y for _, y in second] == numbers_in_order()
    assert [x for x, _ in first] != [x for x, _ in second]


def numbers_in_order() -> list[list[float]]:
    return [list(np.arange(i, min(i + 4, 23.0))) for i in range(0, 23, 4)]


def test_a_transform_may_not_lose_samples() -> None:
    feed = feeds(transform=lambda x, _: x[1:])
    with pytest.raises(DataError, match=r"^batches: found x of shape \(3, 1\) after the transform"):
        next(iter(feed))


@for_each([1, 2, 6, 50], [{}, {"transform": None}, {"shuffle": False}])
def test_batches_made_ahead_are_the_same(ahead: int, options: dict[str, Any]) -> None:
    feed, plain = feeds(ahead=ahead, **options), feeds(**options)
    assert [numbers(feed) for _ in range(3)] == [numbers(plain) for _ in range(3)]
    assert feed.state() == plain.state()
    assert numbers(batches([], [], 2, 0, ahead=ahead)) == []


def workers() -> int:
    return sum(thread.name.startswith("batches") for thread in threading.enumerate())


def test_as_many_batches_are_made_ahead_as_asked_for_and_the_thread_ends() -> None:
    made: list[str] = []
    asked = threading.Semaphore(0)

    def noted(x: Any, _: Any) -> Any:
        made.append(threading.current_thread().name)
        asked.release()
        return x

    feed = iter(feeds(transform=noted, ahead=2))
    assert (made, workers()) == ([], 0)
    next(feed)
    for _ in range(3):  # the one given out and two more
        assert asked.acquire(timeout=30)
    assert (len(made), workers()) == (3, 1)
    assert all(name.startswith("batches") for name in made)
    del feed
    assert (len(made), workers()) == (3, 0)
    list(feeds(ahead=3))
    assert workers() == 0


@pytest.mark.parametrize("ahead", [0, 1, 4])
def test_an_error_in_the_thread_comes_where_its_batch_would(ahead: int) -> None:
    def picky(x: Any, _: Any) -> Any:
        if 9.0 in x:
            raise KeyError("nine")
        return x

    feed = feeds(transform=picky, ahead=ahead)
    order = [y for _, y in numbers(feeds())]
    given_out = []
    with pytest.raises(KeyError, match="nine"):
        for _, y in feed:
            given_out.append(y.tolist())
    assert given_out == order[: next(i for i, y in enumerate(order) if 9.0 in y)]
    assert workers() == 0


GENERATORS = [np.random.PCG64, np.random.MT19937, np.random.Philox, np.random.SFC64]


def stored(feed: Any) -> Any:
    return json.loads(json.dumps(feed.state()))


@for_each(range(7), [0, 3], GENERATORS)
def test_iteration_continues_where_its_state_was_taken(given: int, ahead: int, bits: Any) -> None:
    feed = feeds(np.random.Generator(bits(3)), ahead=ahead)
    before = numbers(feed)
    iteration = iter(feed)
    taken = [next(iteration) for _ in range(given)]
    state = stored(feed)
    rest, after = numbers(iteration), [numbers(feed) for _ in range(2)]
    assert len(numbers(taken)) + len(rest) == len(before) == 6

    other = feeds(np.random.Generator(bits(99)), ahead=3 - ahead)
    next(iter(other))
    other.restore(state)
    assert stored(other) == state
    assert numbers(other) == rest
    assert [numbers(other) for _ in range(2)] == after
    assert stored(other) == stored(feed)


def test_a_state_between_epochs_is_the_start_of_the_next() -> None:
    feed = feeds()
    assert (feed.state()["given"], feed.state()["generator"]["bit_generator"]) == (0, "PCG64")
    numbers(feed)
    state = stored(feed)
    assert state["given"] == 0
    expected = numbers(feed)
    feed.restore(state)
    assert numbers(feed) == expected


def test_nothing_given_out_is_made_again() -> None:
    seen: list[float] = []

    def noted(x: Any, _: Any) -> Any:
        seen.extend(x[:, 0])
        return x

    feed = feeds(transform=noted, shuffle=False)
    iteration = iter(feed)
    for _ in range(4):
        next(iteration)
    state = feed.state()
    seen.clear()
    feed.restore(state)
    assert [y.tolist() for _, y in feed] == numbers_in_order()[4:]
    assert seen == list(range(16, 23))


def test_unshuffled_batches_have_a_state_without_generator() -> None:
    x = np.arange(5)
    feed = batches(x, x, 2, shuffle=False)
    next(iter(feed))
    assert feed.state() == {"samples": 5, "batch_size": 2, "given": 1, "generator": None}
    feed.restore({"samples": 5, "batch_size": 2, "given": 2, "generator": None})
    assert [y.tolist() for _, y in feed] == [[4]]
    assert [y.tolist() for _, y in feed] == [[0, 1], [2, 3], [4]]


GOOD = feeds().state()
BITS = GOOD["generator"]
BAD_STATES: dict[str, tuple[Any, str]] = {
    "list": ([1], "found [1], expected the entries samples, batch_size, given, generator;"),
    "short": ({"samples": 23}, "found {'samples': 23}, expected the entries samples, batch_size,"),
    "samples": (GOOD | {"samples": 24}, "found a state of samples=24, expected 23; make the"),
    "array": (GOOD | {"batch_size": np.ones(2)}, "found a state of batch_size=array([1., 1.]), ex"),
    "size": (GOOD | {"batch_size": 8}, "found a state of batch_size=8, expected 4; make the"),
    "given": (GOOD | {"given": 7}, "found 7 batches given, expected 0 to 6;"),
    "negative": (GOOD | {"given": -1}, "found -1 batches given, expected 0 to 6;"),
    "text": (GOOD | {"given": "1"}, "found '1' batches given, expected 0 to 6;"),
    "none": (GOOD | {"generator": None}, "found no generator's state, expected one;"),
    "number": (GOOD | {"generator": 3}, "found 3, expected the state of a generator of kind PCG64"),
    "kind": (
        GOOD | {"generator": np.random.SFC64(0).state},
        "found {'bit_generator': 'SFC64', ",
    ),
    "incomplete": (
        GOOD | {"generator": {"bit_generator": "PCG64"}},
        "found {'bit_generator': 'PCG",
    ),
    "wide": (
        GOOD | {"generator": BITS | {"state": {"state": 1 << 200, "inc": 1}}},
        "found {'bit_generator': 'PCG64', ",
    ),
    "extra": (GOOD | {"generator": BITS | {"more": 1}}, "found {'bit_generator': 'PCG64', "),
}


@pytest.mark.parametrize(("state", "message"), BAD_STATES.values(), ids=BAD_STATES)
def test_states_of_something_else_are_refused(state: Any, message: str) -> None:
    feed = feeds()
    next(iter(feed))
    before = stored(feed)
    with pytest.raises(DataError, match=f"^Batches.restore: {re.escape(message)}"):
        feed.restore(state)
    assert stored(feed) == before
    plain = feeds()
    iter(plain)
    assert numbers(feed) == numbers(plain)


@pytest.mark.parametrize("place", [-1, 625, 1 << 30])
def test_places_outside_a_generators_table_are_refused(place: int) -> None:
    feed = feeds(np.random.Generator(np.random.MT19937(0)))
    state = feed.state()
    state["generator"]["state"]["pos"] = place
    with pytest.raises(DataError, match="expected the state of a generator of kind MT19937"):
        feed.restore(state)


def test_a_generator_where_nothing_is_drawn_is_refused() -> None:
    feed = batches(np.arange(23), np.arange(23), 4, shuffle=False)
    with pytest.raises(DataError, match=r"found a generator's state, expected none, as nothing is"):
        feed.restore(GOOD)


@dataclasses.dataclass(frozen=True)
class Both:
    """Data of the user's own kind."""

    a: object
    b: object


class Named(NamedTuple):
    a: object
    b: object


@pytest.mark.parametrize(
    "make", [Both, Named, lambda a, b: (a, b), lambda a, b: {"a": a, "b": b},
                                  lambda a, b: [a, b], lambda a, b: {"of": {"a": a, "b": b}}],
)  # fmt: skip
def test_what_stands_beside_arrays_in_a_nest(make: Any) -> None:
    """Arrays are cut, settings stay as they are, words and objects are refused by their place."""
    x, y = np.arange(12.0).reshape(6, 2), np.arange(6)
    for other in (None, 2.0, 3, True, "same", np.float32(1)):
        (rows, labels), *_ = batches(make(x, other), y, 4, shuffle=False)
        assert type(rows) is type(make(x, other)) and labels.tolist() == [0, 1, 2, 3]
        found = leaves(rows)
        np.testing.assert_array_equal(found[0], x[:4])
        assert found[1:] == [] if other is None else found[1] == other
        (_, part) = split(make(x, other), y, 2, seed=0)
        assert len(leaves(part[0])[0]) == 2
    for other in (["a"] * 6, np.array([None] * 6), [[1], [1, 2]] * 3, np.zeros(5)):
        with pytest.raises(DataError, match=r"x(\.b|\[1\]|\['b'\]|\['of'\]\['b'\])"):
            batches(make(x, other), y, 4, shuffle=False)
