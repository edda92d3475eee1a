"""What the playground does with a drawn picture: guess, look inside, learn, explore."""

import math
from typing import Any

import numpy as np

from .. import nn
from ..data.digits import digits_from
from ..data.pictures import grey
from ..draw.attribution import Seen
from ..draw.explore import page_of
from ..draw.explore_arrays import described as pictured
from ..nn.turns import evaluating
from ..optim import SGD
from ..recording import Recording, trace
from ..training.features import leaf_layers, tapped
from .description import Description
from .predict import scaled

RATE = 0.01
PIXELS = 50_000  # of the picture of a layer
PRINTED = 12


class Refused(Exception):
    """What cannot be done as asked: the status of the answer, and a sentence."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class Session:
    """A network that learns from drawings; one request at a time."""

    def __init__(self, model: nn.Module, described: Description, rate: float = RATE) -> None:
        self.model, self.described = model, described
        self.model.eval()  # one example has no statistics of its own
        self.optimiser = SGD(model.parameters(), lr=rate)
        self.first = {name: value.copy() for name, value in model.state_dict().items()}
        self.last: Recording | None = None
        self.steps = 0

    def prepared(self, drawing: np.ndarray) -> tuple[np.ndarray, str]:
        """A drawing (h, w) uint8 as the network takes it (1, h·w), and what there is to say.

        Raises DataError where there is no ink.
        """
        images = digits_from(drawing)
        note = f"found {len(images)} digits: this is the first" if len(images) > 1 else ""
        image = grey(images[0], self.described.shape)
        return scaled(image[None], self.described), note

    @np.errstate(all="ignore")  # what is not finite is refused
    def guess(self, drawing: np.ndarray) -> dict[str, Any]:
        """What the network takes a drawing for, what its layers put out, what moves the guess."""
        x, note = self.prepared(drawing)
        shape = self.described.shape
        layers = leaf_layers(self.model)
        with evaluating(self.model), tapped(self.model, layers) as outputs:
            seen = Seen("playground", self.model, x, None, 1)
        logits = seen.logits[0].astype(np.float64)
        if not np.isfinite(logits).all():
            raise Refused(409, f"the network returns {logits.tolist()}; forget what was learned.")
        kinds = {name: type(module).__name__ for name, module in self.model.named_modules()}
        return {
            "guess": int(seen.guesses[0]),
            "shares": [round(float(share), 4) for share in nn.functional.softmax(logits)],
            "seen": array("what the network sees", x.reshape(shape), is_given=True),
            "saliency": array(
                f"gradient of the score of {self.described.classes[seen.guesses[0]]}",
                seen.input_gradient().reshape(shape),
            ),
            "layers": [
                array(f"{name}: {kinds[name]}", found[-1].numpy()[0])
                for name, found in outputs.items()
            ],
            "note": note,
            "steps": self.steps,
        }

    @np.errstate(all="ignore")
    def learn(self, drawing: np.ndarray, label: int) -> dict[str, Any]:
        """Take one step of the optimiser with a label, and guess again.

        A step to what is not finite is taken back and refused.
        """
        x, _ = self.prepared(drawing)
        before = {name: value.copy() for name, value in self.model.state_dict().items()}

        def step(picture: Any, label: Any) -> Any:
            loss = nn.functional.cross_entropy(self.model(picture), label)
            loss.backward()
            self.optimiser.step()
            return loss

        self.optimiser.zero_grad()
        with evaluating(self.model):
            recording = trace(step, x, np.array([label]))
        loss = float(recording.results[0].array)
        try:
            found = self.guess(drawing)
            after = self.model.state_dict().values()
            if not math.isfinite(loss) or not all(np.isfinite(v).all() for v in after):
                raise ValueError
        except (ValueError, Refused):
            self.model.load_state_dict(before)
            raise Refused(
                409, "this step led to numbers that are not finite, and was taken back; forget "
                "what was learned, or start with a smaller --lr."
            ) from None  # fmt: skip
        self.last = recording
        self.steps += 1
        return found | {"loss": round(loss, 4), "steps": self.steps}

    def forget(self) -> dict[str, Any]:
        """Go back to the weights of the beginning."""
        self.model.load_state_dict(self.first)
        self.last, self.steps = None, 0
        return {"steps": 0}

    def explore(self) -> str:
        """The explorer's page of the last step."""
        if self.last is None:
            raise Refused(409, "there is no step to explore yet; draw something and let it learn.")
        return page_of(self.last)


def array(name: str, values: np.ndarray, is_given: bool = False) -> list[Any]:
    side = math.isqrt(values.size)
    sides = {values.size} if values.ndim == 2 and side * side == values.size else set()
    shape = f"{values.dtype}{list(values.shape)}"
    return [name, shape, *pictured(values, PIXELS, sides, PRINTED, is_given)]
