"""How far a training of the main job is, and the report after it: a bar on a terminal, or lines."""

import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any, TypeVar

from ..training.callbacks import ProgressBar, Run
from ..training.history import Epoch, History
from ..training.interrupt import Interrupt

Made = TypeVar("Made")


class Bar(ProgressBar):
    """The bar of ``fit``, which says at its end what follows: that takes seconds on large data."""

    def on_end(self, _: History) -> None:
        self._bar.set_postfix_str("measuring accuracies")
        self._bar.close()


class Lines:
    """A line for an epoch, or for so many of them that there are about twenty lines."""

    def __init__(self, images: int, epochs: int) -> None:
        self.images, self.often = images, max(epochs // 20, 1)
        self.steps = 1

    def on_start(self, run: Run) -> None:
        self.steps = run.steps_per_epoch() or 1

    def on_epoch(self, done: Epoch) -> None:
        if done.epoch % self.often:
            return
        images = self.images * len(done.step_losses) / self.steps  # it may have been broken off
        broken = "" if done.finished else ", broken off"
        print(
            f"  epoch {done.epoch:3d}{broken}  loss {done.train_loss:.4f}  accuracy "
            f"{100 * done.train_accuracy:.2f} %  validation "
            f"{100 * (done.validation_accuracy or 0):.2f} %  "
            f"{images / max(done.seconds, 1e-9):,.0f} images/s",
            flush=True,
        )


def progress(title: str, images: int, epochs: int, note: Callable[[object], None]) -> Bar | Lines:
    """What shows a training: a bar on a terminal where tqdm is installed, else lines."""
    if sys.stderr.isatty():
        try:
            return Bar(title)
        except ImportError:
            note("for a progress bar: pip install tqdm.")
    print(title)
    return Lines(images, epochs)


class Drawing(Interrupt):
    """Progress of a report's parts; while it is entered, Ctrl-C leaves those out that are to come.

    The part that is being made ends at once; what is written between two of them is finished.
    """

    def __init__(self, quiet: bool = True) -> None:
        super().__init__()
        self.quiet = quiet
        self.parts = self.done = 0
        self._inside = False
        self.bar: Any = None

    def begin(self, parts: int) -> None:
        """Show that so many parts are to come."""
        self.parts = parts
        if self.quiet:
            return
        try:
            from tqdm import tqdm
        except ImportError:
            tqdm = None
        if tqdm is not None and sys.stderr.isatty():
            self.bar = tqdm(total=parts, desc="drawing the report", unit=" parts")
        else:
            print("  drawing the report", flush=True)

    def __exit__(self, *exception: Any) -> None:
        if self.bar is not None:
            self.bar.close()
        super().__exit__(*exception)

    def part(self, name: str, make: Callable[[], Made]) -> Made | None:
        """What ``make`` gives, None where Ctrl-C came in it or before."""
        if self.asked:
            return None
        if self.bar is not None:
            self.bar.set_postfix_str(name)
        try:
            self._inside = True
            made = make()
            self._inside = False
        except KeyboardInterrupt:
            self._inside, self.asked = False, True
            return None
        self.done += 1
        if self.bar is not None:
            self.bar.update()
        return made

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self._inside:
            signal.default_int_handler(number, frame)
        super()._note(number, frame)
