"""Recurrent layers and attention: PyTorch's twins, finite differences, replays, refusals."""

from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tests.replay.twins import Twin, assert_twins
from tinygrad_np import nn

RECURRENT: list[tuple[str, dict[str, Any]]] = [
    ("RNN", {}),
    ("RNN", {"nonlinearity": "relu", "num_layers": 2, "bidirectional": True}),
    ("LSTM", {"num_layers": 2, "bidirectional": True, "batch_first": True}),
    ("LSTM", {"bias": False}),
    ("GRU", {"num_layers": 2, "batch_first": True}),
    ("GRU", {"bidirectional": True}),
]
ATTENTION: list[dict[str, Any]] = [
    {}, {"batch_first": True}, {"kdim": 3, "vdim": 5}, {"bias": False},
]  # fmt: skip


def parts(state: Any) -> tuple[Any, ...]:
    return state if isinstance(state, tuple) else (state,)


def drawn(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


@pytest.mark.parametrize(("name", "options"), RECURRENT, ids=str)
def test_recurrent_layers_are_pytorchs(name: str, options: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch")
    ours = getattr(nn, name)(3, 5, seed=0, dtype=np.float64, **options)
    theirs = getattr(torch.nn, name)(3, 5, dtype=torch.float64, **options)
    assert repr(ours) == repr(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    theirs.load_state_dict({k: torch.tensor(v) for k, v in ours.state_dict().items()})
    x = drawn(4, 2, 3)
    first = [drawn(*p.shape, seed=1) for p in parts(ours(x)[1])]
    given: Any = tuple(first) if len(first) > 1 else first[0]
    theirs_given: Any = tuple(map(torch.tensor, first))
    for initial, other in (
        (None, None),
        (given, theirs_given if len(first) > 1 else theirs_given[0]),
    ):
        mine, twin = tg.Tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
        ours.zero_grad()
        theirs.zero_grad()
        outputs, last = ours(mine, initial)
        outputs_, last_ = theirs(twin, other)
        total = np.sum(np.sin(outputs)) + sum(np.sum(np.cos(p)) for p in parts(last))
        total.backward()
        (outputs_.sin().sum() + sum(p.cos().sum() for p in parts(last_))).backward()
        pairs = [(outputs, outputs_), *zip(parts(last), parts(last_), strict=True)]
        pairs += [(mine.grad, twin.grad)]
        pairs += [
            (p.grad, q.grad) for p, q in zip(ours.parameters(), theirs.parameters(), strict=True)
        ]
        for a, b in pairs:
            np.testing.assert_allclose(a.numpy(), b.detach().numpy(), rtol=1e-10, atol=1e-12)
    one = x[0] if options.get("batch_first") else x[:, 0]
    for a, b in zip(parts(ours(one)[1]), parts(theirs(torch.tensor(one))[1]), strict=True):
        assert a.shape == tuple(b.shape)
        np.testing.assert_allclose(a.numpy(), b.detach().numpy(), rtol=1e-12)


@pytest.mark.parametrize("options", ATTENTION, ids=str)
def test_attention_is_pytorchs(options: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch")
    ours = nn.MultiheadAttention(8, 2, seed=0, dtype=np.float64, **options)
    theirs = torch.nn.MultiheadAttention(8, 2, dtype=torch.float64, **options)
    assert sorted(ours.state_dict()) == sorted(theirs.state_dict())
    theirs.load_state_dict({k: torch.tensor(v) for k, v in ours.state_dict().items()})
    query = drawn(4, 2, 8)
    key, value = (drawn(4, 2, options.get(k, 8), seed=1) for k in ("kdim", "vdim"))
    n, places = (4, 2) if options.get("batch_first") else (2, 4)
    hidden = np.triu(np.ones((places, places), bool), 1)
    choices: list[dict[str, Any]] = [
        {},
        {"need_weights": False},
        {"average_attn_weights": False},
        {"attn_mask": drawn(places, places)},
        {"attn_mask": drawn(2 * n, places, places)},
        {"attn_mask": hidden, "key_padding_mask": np.arange(places) + np.zeros((n, 1)) > 2},
        {"attn_mask": hidden, "is_causal": True},
    ]
    for choice in choices:
        mine, twin = tg.Tensor(query, requires_grad=True), torch.tensor(query, requires_grad=True)
        out, weights = ours(mine, key, value, **choice)
        given = {k: torch.tensor(v) if isinstance(v, np.ndarray) else v for k, v in choice.items()}
        out_, weights_ = theirs(twin, torch.tensor(key), torch.tensor(value), **given)
        np.sum(np.sin(out)).backward()
        out_.sin().sum().backward()
        pairs = [(out, out_), (mine.grad, twin.grad)]
        assert (weights is None) == (weights_ is None)
        pairs += [] if weights is None else [(weights, weights_)]
        for a, b in pairs:
            np.testing.assert_allclose(a.numpy(), b.detach().numpy(), rtol=1e-10, atol=1e-12)
    one = tuple(x[:, 0] for x in (query, key, value))
    for a, b in zip(ours(*one), theirs(*map(torch.tensor, one)), strict=True):
        np.testing.assert_allclose(a.numpy(), b.detach().numpy(), rtol=1e-12)


def test_derivatives() -> None:
    """By input and parameters, through every layer; order 2 through the shortest."""
    layers: list[Any] = [
        nn.RNN(1, 2, seed=0, dtype=np.float64),
        nn.LSTM(1, 1, seed=0, dtype=np.float64),
        nn.GRU(1, 1, bidirectional=True, seed=0, dtype=np.float64),
    ]
    for layer in layers:
        params = {name: p.numpy() for name, p in layer.named_parameters()}
        tg.gradcheck(
            lambda p, x, layer=layer: nn.functional_call(layer, p, x)[0], params, drawn(2, 1, 1)
        )
        short = type(layer)(1, 1, seed=0, dtype=np.float64)
        tg.gradcheck(lambda x, short=short: short(x)[0], drawn(2, 1, 1), order=2)
    attention = nn.MultiheadAttention(2, 1, seed=0, dtype=np.float64)
    tg.gradcheck(lambda x: attention(x, x, x, is_causal=True)[0], drawn(3, 1, 2), order=2)


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU", "attention"])
def test_replays_are_bit_equal(kind: str) -> None:
    def make() -> Twin:
        if kind == "attention":
            attention = nn.MultiheadAttention(4, 2, dropout=0.2, batch_first=True, seed=0)
            layer: Any = attention
        else:
            layer = getattr(nn, kind)(4, 3, num_layers=2, dropout=0.3, batch_first=True, seed=0)
        optimiser = tg.optim.Adam(layer.parameters(), 0.01)

        def step(x: Any) -> Any:
            optimiser.zero_grad()
            out = layer(x, x, x, is_causal=True) if kind == "attention" else layer(x)
            loss = np.mean(np.square(out[0]))
            loss.backward()
            optimiser.step()
            return loss

        return Twin(step, layer.parameters(), lambda: str(layer.generator.bit_generator.state))

    assert_twins(make, lambda k: [drawn(2, 3, 4, seed=k).astype("f4")], 5)


def test_dtypes_and_lists() -> None:
    for dtype in (np.float32, np.float64):
        layer = nn.LSTM(3, 2, seed=0, dtype=dtype)
        outputs, (h, c) = layer(drawn(4, 2, 3).astype(dtype))
        assert {outputs.dtype, h.dtype, c.dtype} == {np.dtype(dtype)}
    assert nn.GRU(1, 2, seed=0)([[[1.0]], [[2.0]]])[0].dtype == np.float32


def test_refusals() -> None:
    x = np.zeros((4, 2, 3), np.float32)
    rnn, lstm = nn.RNN(3, 5, seed=0), nn.LSTM(3, 5, seed=0)
    attention = nn.MultiheadAttention(4, 2, seed=0)
    y = np.zeros((3, 2, 4), np.float32)
    calls: list[tuple[Any, type[Exception], str]] = [
        (lambda: rnn(x[..., :2]), tg.ShapeError, r"x of shape \(4, 2, 2\).*3 features"),
        (lambda: nn.Sequential(lstm, nn.Flatten())(x), TypeError, "tuple of 3 Tensors.*outputs.0."),
        (lambda: rnn(x[:0]), tg.ShapeError, "at least one step"),
        (lambda: rnn(x, np.zeros((2, 2, 5))), tg.ShapeError, r"h0 of shape \(2, 2, 5\)"),
        (lambda: lstm(x, np.zeros((1, 2, 5))), TypeError, r"as a pair \(h0, c0\)"),
        (lambda: nn.RNN(3, 0), ValueError, r"RNN\(hidden_size=0\)"),
        (lambda: nn.RNN(), TypeError, r"^RNN\.__init__\(\) missing 2"),  # type: ignore[call-arg]
        (lambda: nn.LSTM(3), TypeError, r"^LSTM\.__init__\(\) missing 1"),  # type: ignore[call-arg]
        (lambda: nn.GRU(3, 4, layers=2), TypeError, r"^GRU\.__init__\(\) got an unexpected"),  # type: ignore[call-arg]
        (lambda: nn.RNN(3, 2, nonlinearity="sin"), ValueError, "nonlinearity"),
        (lambda: nn.MultiheadAttention(5, 2), ValueError, "num_heads that divides"),
        (lambda: attention(y, y[:2], y), tg.ShapeError, "as many keys as values"),
        (lambda: attention(y, y, y, attn_mask=np.ones((2, 3))), tg.ShapeError, "attn_mask"),
        (lambda: attention(y, y, y, attn_mask=np.ones((3, 3), int)), TypeError, "booleans"),
        (lambda: attention(y, y, y, np.ones((3, 3), bool)), tg.ShapeError, "key_padding_mask"),
    ]
    for call, error, words in calls:
        with pytest.raises(error, match=words):
            call()
