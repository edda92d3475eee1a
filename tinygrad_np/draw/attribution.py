"""What a network looks at: saliency by the input's gradient, Grad-CAM (extra ``plots``)."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arguments import whole
from ..autodiff.nests import leaves
from ..autodiff.tape import no_grad
from ..autodiff.tensor import Tensor
from ..autodiff.transforms import grad
from ..errors import ShapeError
from ..nn.functional import softmax
from ..nn.module import Module
from ..nn.turns import evaluating
from ..training.checks import check_model
from ..training.features import leaf_layers, tapped
from ..training.inputs import as_arrays, numbers, shapes
from .figures import WRONG, empty_figure, headed, naming
from .sheet import laid_out, pictures

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PLACES = 4  # along each side of a map: fewer show no part of a digit
Classes = int | Sequence[int] | np.ndarray | None


def saliency(
    model: Module,
    images: Any,
    classes: Classes = None,
    count: int = 10,
    title: str = "",
    names: Sequence[str] | None = None,
    shape: tuple[int, ...] | None = None,
) -> "Figure":
    """Images, and beside each how much every pixel moves the score of its class.

    That is the size of the gradient of the class's output by the pixel, in evaluation mode, the
    largest of its channels (Simonyan, Vedaldi & Zisserman 2014, section 3), as a share of the
    largest in the image. ``images`` are a batch as the model takes it, or one image without the
    axis of examples, of any real dtype; at most ``count`` are drawn. The model gives (n, classes);
    ``classes`` is the one to explain, or one for each image, None the guesses. ``names`` has one
    for each class, else it is its number; ``shape`` is one image's, (height, width) or (channels,
    height, width), where the model takes rows of pixels that are not square. The model and its
    parameters' gradients are left as they are. Raises ShapeError for other shapes, ValueError for
    classes out of range and gradients that are not finite.

    >>> model = tg.nn.Sequential(tg.nn.Flatten(), tg.nn.Linear(64, 3, seed=0))
    >>> images = np.random.default_rng(0).random((4, 8, 8))
    >>> tg.draw.saliency(model, images, classes=2).savefig("saliency.png")
    """
    seen = Seen("saliency", model, images, classes, count)
    maps = np.abs(laid_out("saliency", seen.input_gradient(), shape)).max(axis=3)
    return _drawn(seen, maps, shape, names, title, "saliency: the pixels that move the score most")


def grad_cam(
    model: Module,
    images: Any,
    layer: str | None = None,
    classes: Classes = None,
    count: int = 10,
    title: str = "",
    names: Sequence[str] | None = None,
    shape: tuple[int, ...] | None = None,
) -> "Figure":
    """Images, and beside each where a convolution found what speaks for its class: Grad-CAM.

    The map is the positive part of the layer's channels added up, each times the mean of the
    gradient of the class's output by it (Selvaraju et al. 2017, eq. 1 and 2), stretched over the
    image, as a share of its largest value. ``layer`` is a name as in ``model.named_modules()``, of
    one that puts out (n, channels, h, w); None is the last convolution that is called and whose
    map has at least 4 × 4 places (else the last), behind the layers after it that keep its shape,
    as normalisation and ReLU do. The other arguments and
    errors are those of ``saliency``; ValueError also for a model without convolutions, and for
    layers that it does not have or call.

    >>> nn = tg.nn
    >>> model = nn.Sequential(nn.Conv2d(3, 4, 3, seed=0), nn.ReLU(), nn.Flatten(),
    ...                       nn.Linear(4 * 6 * 6, 2, seed=1))
    >>> images = np.random.default_rng(0).random((2, 3, 8, 8))
    >>> tg.draw.grad_cam(model, images, layer="1").savefig("grad_cam.png")
    """
    seen = Seen("grad_cam", model, images, classes, count)
    layer, maps = seen.class_activation(layer)
    what = f"Grad-CAM of {called(model, layer)}: what speaks for the class"
    return _drawn(seen, maps, shape, names, title, what, over=True)


class Seen:
    """A model and images for it: their outputs, and gradients of one output for each."""

    def __init__(
        self, place: str, model: Module, images: Any, classes: Classes, count: int
    ) -> None:
        whole(place, "count", count)
        x, outputs = batch(place, model, images)
        self.place, self.model = place, model
        self.given, self.x = len(x), x[:count]
        if not isinstance(outputs, Tensor) or outputs.ndim != 2 or not outputs.shape[1]:
            raise ShapeError(
                f"{place}: the model returns {shapes(outputs)} for one image of shape "
                f"{x.shape[1:]}; expected one Tensor (1, classes)."
            )
        with evaluating(model), no_grad():
            self.logits = model(Tensor(self.x)).numpy()
        self.guesses: np.ndarray = self.logits.argmax(axis=1)
        self.classes = self._chosen(classes)

    def _chosen(self, classes: Classes) -> np.ndarray:
        if classes is None:
            return self.guesses
        chosen: np.ndarray = np.asarray(classes)
        n, k = self.logits.shape
        chosen = chosen[:n] if chosen.shape == (self.given,) else chosen
        if chosen.dtype.kind not in "iu" or chosen.shape not in ((), (n,)):
            raise ShapeError(
                f"{self.place}: classes of shape {chosen.shape} and dtype {chosen.dtype}; expected "
                f"an int, or as many as there are images, {self.given}."
            )
        if chosen.min() < 0 or chosen.max() >= k:
            raise ValueError(
                f"{self.place}: classes from {chosen.min()} to {chosen.max()}; the model has "
                f"outputs 0 to {k - 1}."
            )
        return np.broadcast_to(chosen, n)

    def _gradient(self, scores: Callable[[Any], Any], at: np.ndarray) -> np.ndarray:
        """That of the sum of each image's own score; raises ValueError where it is not finite."""
        own = (np.arange(len(self.classes)), self.classes)
        score = grad(lambda variable: np.sum(scores(variable)[own]))
        with evaluating(self.model), no_grad():
            found: np.ndarray = score(at)
        if not np.isfinite(found).all():
            raise ValueError(
                f"{self.place}: the gradients are not all finite; train to a finite loss, and give "
                "images that are finite."
            )
        return found

    def input_gradient(self) -> np.ndarray:
        """The gradient of each image's class score by the image, in the batch's shape."""
        return self._gradient(self.model, self.x)

    def class_activation(self, layer: str | None) -> tuple[str, np.ndarray]:
        """The layer's name and its map for each image, (n, h, w): eq. 1 and 2 of Grad-CAM."""
        leaves_too = leaf_layers(self.model) if layer is None else []
        outputs = image_layers(self.place, self.model, self.x, layer, leaves_too)
        if layer is None:
            order, own = list(outputs), convolutions(self.model)
            sizes = {i: outputs[name][-1].shape[2:] for i, name in enumerate(order) if name in own}
            order = order[max([i for i in sizes if min(sizes[i]) >= PLACES] or sizes) :]
            like = outputs[order[0]][-1].shape
            layer = [name for name in order if outputs[name][-1].shape == like][-1]
        values, calls = outputs[layer][-1], len(outputs[layer])

        def through(added: Any) -> Any:
            def last(taken: list[Any]) -> Any:
                return taken[-1] + added if len(taken) == calls else taken[-1]

            with tapped(self.model, [layer], last):
                return self.model(Tensor(self.x))

        slopes = self._gradient(through, np.zeros_like(values))
        weighted = slopes.mean(axis=(2, 3), keepdims=True) * values
        return layer, np.maximum(weighted.sum(axis=1), 0)


def batch(place: str, model: Module, images: Any) -> tuple[np.ndarray, Any]:
    """Images as a batch of floats, and what the model gives for the first in evaluation mode.

    One image gets an axis of examples: where the model does not take the first entry as one.
    Integers get the dtype of the model.
    """
    check_model(place, model)
    x = as_arrays(numbers("images", images, model))
    if not isinstance(x, np.ndarray) or x.dtype.kind == "c" or not x.ndim or not x.size:
        given = shapes(x) + (f" and dtype {x.dtype}" if isinstance(x, np.ndarray) else "")
        raise ShapeError(
            f"{place}: images of {given}; expected one array of real numbers, a batch (n, ...) or "
            "one image."
        )
    if x.dtype.kind != "f":
        floats = (t.dtype for _, t in model.named_tensors() if t.dtype.kind == "f")
        x = x.astype(next(floats, np.float32))
    problem: Exception | None = None
    for tried in (x, x[None]) if x.ndim > 1 else (x[None],):
        try:
            with evaluating(model), no_grad():
                outputs = model(Tensor(tried[:1]))
        except (ValueError, TypeError, IndexError) as error:
            problem = problem or error
            continue
        parts = [part for part in leaves(outputs) if isinstance(part, Tensor)]
        if parts and all(part.shape[:1] == (1,) for part in parts):
            return tried, outputs
    raise problem or ShapeError(
        f"{place}: the model returns {shapes(outputs)} for images of shape {x.shape}; expected one "
        "row for each image."
    )


def called(model: Module, name: str) -> str:
    """A layer as titles have it: its name and its kind."""
    return f"{name} {type(dict(model.named_modules())[name]).__name__}".strip()


def convolutions(model: Module) -> dict[str, Tensor]:
    """Weights of four axes by the name of the module that has them, in order of definition."""
    modules = [name for name, _ in model.named_modules()]
    found: dict[str, Tensor] = {}
    for name, tensor in model.named_tensors():
        if tensor.ndim == 4:
            owners = [m for m in modules if not m or name.startswith(f"{m}.")]
            found.setdefault(max(owners, key=len), tensor)
    return found


def image_layers(
    place: str, model: Module, x: np.ndarray, layer: str | None, others: Sequence[str] = ()
) -> dict[str, list[np.ndarray]]:
    """All that a layer puts out, (n, channels, h, w), by name in the order of the last calls.

    None stands for the convolutions, with those of the ``others`` that put out images.
    """
    own = list(convolutions(model)) if layer is None else [layer]
    with tapped(model, list(dict.fromkeys([*own, *others]))) as taken, evaluating(model), no_grad():
        model(Tensor(x))
    outputs = {name: [as_arrays(each) for each in every] for name, every in taken.items()}
    fit = {name: every for name, every in outputs.items() if _are_images(every[-1], len(x))}
    if any(name in fit for name in own):
        return fit
    if layer is None:
        raise ValueError(
            f"{place}: {type(model).__name__} has no convolution; give layer=, the name of one "
            "that puts out (n, channels, h, w), or use tg.draw.saliency."
        )
    given = shapes(outputs[layer][-1]) if layer in outputs else "nothing, as it is not called"
    raise ShapeError(f"{place}: layer {layer!r} puts out {given}; expected (n, channels, h, w).")


def _are_images(output: Any, n: int) -> bool:
    return isinstance(output, np.ndarray) and output.ndim == 4 and len(output) == n


def _drawn(
    seen: Seen,
    maps: np.ndarray,
    shape: tuple[int, ...] | None,
    names: Sequence[str] | None,
    title: str,
    what: str,
    over: bool = False,
) -> "Figure":
    """Pairs of an image and its map, or the image under it, in one picture; two pairs a row."""
    name = naming(seen.place, names, seen.logits.shape[1])
    shown = pictures(laid_out(seen.place, seen.x, shape))
    n, (high, wide) = len(shown), shown.shape[1:3]
    columns, tall = min(n, 2), high / wide
    rows, inch = -(-n // columns), 1.35 if columns > 1 else 1.8  # the width of an image, which is 1
    across = 2.2  # of a pair
    down = tall + (0.26 + 0.18 * bool((seen.classes != seen.guesses).any())) / inch
    heading = headed(title, what)
    heading += f"\n{n} of {seen.given:,} images" if n < seen.given else ""
    tops = 0.2 * (heading.count("\n") + 1)
    figure = empty_figure(inch * across * columns + 0.9, inch * down * rows + tops + 0.1)
    from matplotlib.colors import LinearSegmentedColormap  # after what says that it is missing
    from matplotlib.patches import Rectangle

    axes = figure.subplots()
    shades = LinearSegmentedColormap.from_list("over", [f"{WRONG}00", f"{WRONG}e0"])
    for i, (image, map_) in enumerate(zip(shown, maps, strict=True)):
        left, low = i % columns * across, -(i // columns) * down
        places = [(at, at + 1, low - tall, low) for at in (left, left + 1.05)]
        for extent in places[: 1 + over]:
            axes.imshow(image, cmap="gray_r", extent=extent)
        drawn = axes.imshow(
            map_ / (map_.max() or 1), vmin=0, vmax=1, extent=places[1],
            cmap=shades if over else "inferno", interpolation="bilinear" if over else "nearest",
        )  # fmt: skip
        if not map_.any():
            axes.text(
                left + 1.55, low - tall, "0 everywhere", fontsize=8, color="#999", ha="center",
                va="bottom",
            )  # fmt: skip
        for at, *_ in places:
            frame = Rectangle((at, low - tall), 1, tall, fill=False, color="#bbb", clip_on=False)
            axes.add_patch(frame)
        text = _said(seen, i, name)
        axes.text(left + 1.02, low + 0.03, text, ha="center", va="bottom", fontsize=9)
    axes.set(xlim=(0, (columns - 1) * across + 2.05), ylim=(-tall - down * (rows - 1), down - tall))
    axes.set_axis_off()
    bar = figure.colorbar(drawn, ax=axes, fraction=0.04, pad=0.02, aspect=30)
    bar.set_label("share of the largest", fontsize=9)
    figure.suptitle(heading, fontsize=11)
    return figure


def _said(seen: Seen, i: int, name: Callable[[int], str]) -> str:
    """The guess and how sure it is, or the one score there is; and the class of the map."""
    if seen.logits.shape[1] == 1:
        return f"score {seen.logits[i, 0]:.3g}"
    guess, of = name(seen.guesses[i]), name(seen.classes[i])
    sure = 100 * float(softmax(seen.logits[i].astype(np.float64)).max())
    other = f"\nmap of {of}" if seen.classes[i] != seen.guesses[i] else ""
    return f"{guess}, {sure:.0f} % sure{other}"
