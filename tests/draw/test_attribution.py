"""What a network looks at: the maps are the gradients, and nothing of the model changes."""

from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tests.draw.pictured import drawn
from tinygrad_np import ShapeError, draw, nn

pytest.importorskip("matplotlib")
RNG = np.random.default_rng(0)
GREY, COLOUR = RNG.random((3, 1, 6, 5)), RNG.random((3, 3, 6, 5))


def shown(figure: Any) -> list[np.ndarray]:
    """Everything that is drawn as an image but the legend, in the order of drawing."""
    return [np.asarray(image.get_array()) for image in figure.axes[0].images]


def texts(figure: Any) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts]


def cnn(channels: int = 1, seed: int = 0, **options: Any) -> nn.Sequential:
    rng = np.random.default_rng(seed)
    return nn.Sequential(
        nn.Conv2d(channels, 4, 3, seed=rng, **options), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(8, 3, seed=rng, **options),
    )  # fmt: skip


class Own(nn.Module):
    """A kernel of its own, a convolution called twice, and a function that calls a layer."""

    def __init__(self) -> None:
        last = nn.Linear(30, 3, seed=2)
        self.kernel = tg.Tensor(RNG.standard_normal((1, 1, 3, 3)), requires_grad=True)
        self.shared = nn.Conv2d(1, 1, 3, padding=1, seed=1)
        self.ends = [lambda x: last(np.reshape(x, (len(x), -1)))]

    def forward(self, x: Any) -> Any:
        x = nn.functional.conv2d(x, self.kernel, padding=1)
        x = np.tanh(self.shared(np.tanh(self.shared(x))))
        return self.ends[0](x)


FLAT = nn.Sequential(nn.Linear(25, 4, seed=0), nn.Tanh(), nn.Linear(4, 3, seed=1))
CASES: dict[str, tuple[nn.Module, np.ndarray, tuple[int, ...] | None]] = {
    "convolutions": (cnn(), GREY, None),
    "colours": (cnn(3), COLOUR, None),
    "two channels": (cnn(2), COLOUR[:, :2], None),
    "no container": (Own(), GREY, None),
    "rows of pixels": (FLAT, RNG.random((3, 25)), None),
    "of a shape": (nn.Linear(30, 3, seed=0), GREY.reshape(3, 30), (6, 5)),
    "float32": (cnn(), GREY.astype(np.float32), None),
    "float64": (cnn(dtype=np.float64), GREY, None),
    "one output": (nn.Sequential(nn.Flatten(), nn.Linear(30, 1, seed=0)), GREY, None),
}


def test_saliency_is_the_gradient_of_the_class_score() -> None:
    for name, (model, x, shape) in CASES.items():
        figure = draw.saliency(model, x, shape=shape)
        images, maps = shown(figure)[::2], shown(figure)[1::2]
        guesses = tg.training.predict(model, x).argmax(axis=1)
        for image, map_, given, guess in zip(images, maps, x, guesses, strict=True):
            with tg.no_grad():
                own = tg.grad(lambda one, m=model, k=guess: m(one)[0, k])(given[None])[0]
            sizes = np.abs(own).reshape(*(given.shape if shape is None else shape))
            sizes = sizes.max(axis=0) if sizes.ndim == 3 else sizes.reshape(map_.shape)
            np.testing.assert_allclose(map_, sizes / sizes.max(), atol=1e-5, err_msg=name)
            grey = given.mean(axis=0) if len(given) == 2 else given.reshape(-1)
            if image.ndim == 2:
                np.testing.assert_allclose(image.ravel(), grey.ravel(), err_msg=name)
            else:
                np.testing.assert_array_equal(image, given.transpose(1, 2, 0), err_msg=name)
    assert drawn(figure)


def test_saliency_of_a_linear_model_is_its_weights() -> None:
    model = nn.Linear(4, 3, seed=0)
    x = np.array([[0, 100, 200, 255]], np.uint8)
    for k in range(3):
        sizes = np.abs(model.weight.numpy()[k]).reshape(2, 2)
        _, map_ = shown(draw.saliency(model, x, classes=k))
        np.testing.assert_allclose(map_, sizes / sizes.max(), rtol=1e-6)


def convolved(x: np.ndarray, layer: nn.Conv2d) -> np.ndarray:
    """A convolution without padding, by its definition: (c, h, w) to (o, h', w')."""
    weight, bias = layer.weight.numpy(), layer.bias.numpy()  # type: ignore[union-attr]
    high, wide = weight.shape[2:]
    out = np.empty((len(weight), x.shape[1] - high + 1, x.shape[2] - wide + 1))
    for i in range(out.shape[1]):
        for j in range(out.shape[2]):
            out[:, i, j] = np.sum(weight * x[:, i : i + high, j : j + wide], axis=(1, 2, 3)) + bias
    return out


def test_grad_cam_is_that_of_the_paper() -> None:
    """Equations 1 and 2 of Selvaraju et al. 2017 with gradients by hand."""
    made = {"dtype": np.float64}
    model = nn.Sequential(
        nn.Conv2d(3, 2, 3, seed=0, **made), nn.ReLU(), nn.Flatten(),
        nn.Linear(24, 4, seed=1, **made),
    )  # fmt: skip
    head = model[3].weight.numpy()
    for k in (0, 3):
        figure, before = (draw.grad_cam(model, COLOUR, layer, classes=k) for layer in (None, "0"))
        for i, x in enumerate(COLOUR):
            put_out = convolved(x, model[0])
            slopes = head[k].reshape(2, 4, 3)  # of the output of ReLU
            for found, values, own in (
                (figure, np.maximum(put_out, 0), slopes),  # ReLU keeps the shape: it is the default
                (before, put_out, slopes * (put_out > 0)),
            ):
                weighted = own.mean(axis=(1, 2))[:, None, None] * values
                expected = np.maximum(weighted.sum(axis=0), 0)
                map_ = shown(found)[3 * i + 2]
                np.testing.assert_allclose(map_, expected / (expected.max() or 1), atol=1e-12)
    assert drawn(figure)
    assert figure.get_suptitle() == "Grad-CAM of 1 ReLU: what speaks for the class"


@pytest.mark.parametrize(
    ("size", "chosen"), [(16, "3 ReLU"), (10, "1 ReLU"), (6, "5 AdaptiveAvgPool2d")]
)
def test_grad_cam_is_of_a_map_of_at_least_four_by_four_places(size: int, chosen: str) -> None:
    model = nn.Sequential(
        nn.Conv2d(1, 2, 3, stride=2, seed=0), nn.ReLU(), nn.Conv2d(2, 2, 2, seed=1), nn.ReLU(),
        nn.Conv2d(2, 3, 1, stride=2, seed=2), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
    )  # fmt: skip
    figure = draw.grad_cam(model, RNG.random((2, 1, size, size)))
    assert figure.get_suptitle() == f"Grad-CAM of {chosen}: what speaks for the class"


def test_grad_cam_of_a_layer_that_is_called_twice_is_that_of_its_last_call() -> None:
    model = Own()
    figure = draw.grad_cam(model, GREY, "shared", classes=0)
    assert figure.get_suptitle() == "Grad-CAM of shared Conv2d: what speaks for the class"
    last = model.ends[0]
    for i, x in enumerate(GREY):
        first = nn.functional.conv2d(x[None], model.kernel, padding=1)
        values = np.asarray(model.shared(np.tanh(model.shared(first))).numpy())
        with tg.no_grad():
            slope = np.mean(tg.grad(lambda a: last(np.tanh(a))[0, 0])(values))
        expected = np.maximum(slope * values[0, 0], 0)
        np.testing.assert_allclose(
            shown(figure)[3 * i + 2], expected / (expected.max() or 1), atol=1e-6
        )


def test_guesses_and_classes_are_told() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 3, seed=0))
    model[1].weight.data[...] = np.array([[9, 0, 0, 0], [0, 9, 0, 0], [0, 0, 9, 0]])
    x = np.eye(4)[:3].reshape(3, 2, 2)
    for classes, expected in (
        (None, ["0, 100 % sure", "1, 100 % sure", "2, 100 % sure"]),
        (1, ["0, 100 % sure\nmap of 1", "1, 100 % sure", "2, 100 % sure\nmap of 1"]),
        ([0, 2, 2], ["0, 100 % sure", "1, 100 % sure\nmap of 2", "2, 100 % sure"]),
    ):  # fmt: skip
        assert texts(draw.saliency(model, x, classes)) == expected
    figure = draw.saliency(model, x, [1, 1, 2], count=2, title="zoo", names=["ant", "bee", "cow"])
    assert texts(figure) == ["ant, 100 % sure\nmap of bee", "bee, 100 % sure"]
    title = "zoo\nsaliency: the pixels that move the score most\n2 of 3 images"
    assert figure.get_suptitle() == title
    assert figure.axes[1].get_ylabel() == "share of the largest"
    one = nn.Sequential(nn.Flatten(), nn.Linear(4, 1, seed=0))
    one[1].weight.data[...] = 0
    assert texts(draw.saliency(one, x[:1])) == ["0 everywhere", "score 0"]


def test_one_image_is_a_batch_of_one() -> None:
    for model, x in ((cnn(), GREY), (cnn(3), COLOUR), (FLAT, RNG.random((3, 25)))):
        whole, alone = draw.saliency(model, x[:1]), draw.saliency(model, x[0])
        for a, b in zip(shown(whole), shown(alone), strict=True):
            np.testing.assert_array_equal(a, b)
        assert len(shown(draw.saliency(model, x))) == 6
        assert len(shown(draw.saliency(model, tg.Tensor(x)))) == 6


def test_integers_are_taken_in_the_dtype_of_the_model() -> None:
    whole = (255 * GREY).astype(np.uint8)
    usual = shown(draw.grad_cam(cnn(), 1.0 * whole))[2::3]
    for dtype in (np.uint8, np.int64, np.float16, np.float32):
        maps = shown(draw.grad_cam(cnn(), whole.astype(dtype)))[2::3]
        for map_, expected in zip(maps, usual, strict=True):
            np.testing.assert_allclose(map_, expected, atol=2e-3)


def test_channels_are_found_first_and_last() -> None:
    x = RNG.random((2, 3, 3, 3))
    model = nn.Sequential(nn.Flatten(), nn.Linear(27, 2, seed=0))
    np.testing.assert_array_equal(shown(draw.saliency(model, x))[0], x[0].transpose(1, 2, 0))
    rows = draw.saliency(model, x.reshape(2, 27), shape=(3, 3, 3))
    np.testing.assert_array_equal(shown(rows)[0], x[0].transpose(1, 2, 0))
    last = draw.saliency(
        nn.Linear(24, 2, seed=0), x.reshape(-1)[:48].reshape(2, 24), shape=(2, 4, 3)
    )
    np.testing.assert_array_equal(shown(last)[0], x.reshape(-1)[:24].reshape(2, 4, 3))


def test_colours_outside_0_to_1_fill_the_range() -> None:
    images = shown(draw.saliency(cnn(3), 4 * COLOUR - 2))[::2]
    for image, given in zip(images, 4 * COLOUR - 2, strict=True):
        low, high = min(given.min(), 0), max(given.max(), 1)
        np.testing.assert_allclose(image, (given.transpose(1, 2, 0) - low) / (high - low))


def test_the_model_is_left_as_it_is() -> None:
    """In training mode, with gradients, running statistics and a generator for dropout."""
    generator = np.random.default_rng(3)
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3, seed=0), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.5, seed=generator),
        nn.Flatten(), nn.Linear(48, 3, seed=1),
    )  # fmt: skip
    np.mean(model(GREY) ** 2).backward()
    model[2].eval()

    def state() -> dict[str, Any]:
        found: dict[str, Any] = {"drawn": str(generator.bit_generator.state)}
        found["numpy"] = str(np.random.get_state()[1])  # type: ignore[index]
        for name, module in model.named_modules():
            found[f"{name} attributes"] = sorted(vars(module))
            found[f"{name} mode"] = module.training
        for name, tensor in model.named_tensors():
            found[name] = tensor.numpy().tolist()
            found[f"{name} grad"] = None if tensor.grad is None else tensor.grad.numpy().tolist()
            found[f"{name} object"] = id(tensor), id(tensor.grad)
        return found

    before = state()
    for draw_it in (draw.saliency, draw.grad_cam, lambda m, x: draw.feature_maps(m, x[0])):
        first, second = (shown(draw_it(model, GREY)) for _ in range(2))
        for a, b in zip(first, second, strict=True):
            np.testing.assert_array_equal(a, b)
        assert state() == before
    draw.filters(model)
    for wrong in ({"layer": "5"}, {"layer": "nope"}, {"classes": 7}):
        with pytest.raises(ValueError):
            draw.grad_cam(model, GREY, **wrong)  # type: ignore[arg-type]
    with pytest.raises(ShapeError):
        draw.saliency(model, RNG.random((3, 2, 6, 5)))
    assert state() == before


def lost() -> nn.Module:
    model = cnn()
    model[4].weight.data[...] = np.nan
    return model


class Two(nn.Module):
    """A network of two outputs."""

    def __init__(self) -> None:
        self.unused, self.body = nn.Conv2d(1, 1, 3, seed=0), cnn()

    def forward(self, x: Any) -> Any:
        return self.body(x), x


REFUSED: list[tuple[Any, type[Exception], str]] = [
    (lambda: draw.grad_cam(FLAT, RNG.random((3, 25))), ValueError,
     "grad_cam: Sequential has no convolution; give layer=, .* or use tg.draw.saliency"),
    (lambda: draw.grad_cam(FLAT, RNG.random((3, 25)), "0"), ShapeError,
     r"layer '0' puts out shape \(3, 4\); expected \(n, channels, h, w\)"),
    (lambda: draw.grad_cam(cnn(), GREY, "9"), ValueError, "there is no layer '9'; the model has"),
    (lambda: draw.grad_cam(nn.Sequential(Two(), lambda both: both[0]), GREY, "0.unused"),
     ShapeError, "layer '0.unused' puts out nothing, as it is not called"),
    (lambda: draw.saliency(Two(), GREY), ShapeError,
     r"the model returns shapes \(1, 3\), \(1, 1, 6, 5\) for one image of shape \(1, 6, 5\)"),
    (lambda: draw.saliency(nn.Conv2d(1, 1, 3, seed=0), GREY), ShapeError,
     r"returns shape \(1, 1, 4, 3\) for one image .* expected one Tensor \(1, classes\)"),
    (lambda: draw.saliency(cnn(), COLOUR), ShapeError, r"conv2d: x of shape \(1, 3, 6, 5\)"),
    (lambda: draw.saliency(nn.Linear(30, 3, seed=0), GREY.reshape(3, 30)), ShapeError,
     r"30 values of shape \(30,\) are no image of shape \(30,\); give shape="),
    (lambda: draw.saliency(FLAT, RNG.random((3, 25)), shape=(4, 6)), ShapeError,
     r"25 values of shape \(25,\) are no image of shape \(4, 6\)"),
    (lambda: draw.saliency(FLAT, RNG.random((3, 25)), shape=5), ShapeError,  # type: ignore
     r"are no image of shape \(5,\)"),
    (lambda: draw.saliency(cnn(), GREY, classes=3), ValueError,
     "classes from 3 to 3; the model has outputs 0 to 2"),
    (lambda: draw.saliency(cnn(), GREY, classes=[0, -1, 2]), ValueError, "classes from -1 to 2"),
    (lambda: draw.saliency(cnn(), GREY, classes=[0, 1]), ShapeError,
     r"classes of shape \(2,\) and dtype int64; expected an int, or as many .* images, 3"),
    (lambda: draw.saliency(cnn(), GREY, classes=1.0), ShapeError, "dtype float64"),  # type: ignore
    (lambda: draw.saliency(cnn(), GREY, names=["a"]), ShapeError, "1 names for 3 classes"),
    (lambda: draw.saliency(cnn(), GREY[:0]), ShapeError, "expected one array of real numbers"),
    (lambda: draw.saliency(cnn(), 1j * GREY), ShapeError, "dtype complex128; expected one array"),
    (lambda: draw.saliency(cnn(), [["a"]]), TypeError, "images"),
    (lambda: draw.saliency(cnn(), GREY, count=0), ValueError, r"saliency\(count=0\)"),
    (lambda: draw.saliency(nn.Conv2d, GREY), TypeError, "Module"),  # type: ignore[arg-type]
    (lambda: draw.saliency(lost(), GREY), ValueError, "gradients are not all finite; train to a"),
    (lambda: draw.grad_cam(lost(), GREY), ValueError, "gradients are not all finite"),
]  # fmt: skip


def test_what_is_refused() -> None:
    for call, error, message in REFUSED:
        with pytest.raises(error, match=message):
            call()
