"""How far a training of the main job is, and the report after it: a bar on a terminal, or lines."""

import signal
import sys
import time
from collections.abc import Callable
from types import FrameType
from typing import Any, TypeVar

from ..training.callbacks import Run
from ..training.history import Epoch, History, Progress
from ..training.interrupt import Interrupt

Made = TypeVar("Made")


class Bar:
    """Progress: a bar on a terminal where tqdm is installed, else lines; nothing if quiet."""

    def __init__(
        self, title: str, images: int, epochs: int, quiet: bool, note: Callable[[object], None]
    ) -> None:
        self.quiet = quiet
        self.seen = 0
        self.before = 0
        self.shown = 0.0
        self.images = images
        self.epochs = epochs
        self.bar: Any = None
        if quiet:
            return
        try:
            from tqdm import tqdm
        except ImportError:
            note("for a progress bar: pip install tqdm.")
        else:
            if sys.stderr.isatty():
                self.bar = tqdm(total=images * epochs, desc=title, unit=" images", unit_scale=True)
                return
        print(title)

    def on_start(self, run: Run) -> None:
        """A training that is resumed has its first steps behind it."""
        self.seen = run.done * self.images // (run.steps_per_epoch() or 1)
        self.before = self.seen - self.seen % max(self.images, 1)

    def on_step(self, now: Progress) -> None:
        """One batch is done."""
        self.seen += now.images
        if self.bar is None or time.perf_counter() - self.shown < 0.1:
            return
        self.shown = time.perf_counter()
        self.bar.update(self.seen - self.bar.n)
        accuracy = "" if now.accuracy != now.accuracy else f", accuracy {100 * now.accuracy:.1f} %"
        self.bar.set_postfix_str(f"epoch {now.epoch}, loss {now.loss:.3f}{accuracy}")

    def on_epoch(self, done: Epoch) -> None:
        """One epoch is done."""
        often = max(self.epochs // 20, 1)
        if self.quiet or self.bar is not None or done.epoch % often:
            return
        images = self.seen - self.before  # of this epoch, which may have been broken off
        self.before = self.seen
        rate = images / max(done.seconds, 1e-9)
        broken = "" if done.finished else ", broken off"
        print(
            f"  epoch {done.epoch:3d}{broken}  loss {done.train_loss:.4f}  accuracy "
            f"{100 * done.train_accuracy:.2f} %  validation "
            f"{100 * (done.validation_accuracy or 0):.2f} %  {rate:,.0f} images/s",
            flush=True,
        )

    def on_end(self, _: History) -> None:
        """What follows takes seconds on large data."""
        if self.bar is not None:
            self.bar.set_postfix_str("measuring accuracies")

    def close(self) -> None:
        """The run is over."""
        if self.bar is not None:
            self.bar.update(self.seen - self.bar.n)
            self.bar.close()


class Drawing(Interrupt):
    """Progress of a report's parts; while it is entered, Ctrl-C leaves those out that are to come.

    The part that is being made ends at once; what is written between two of them is finished.
    """

    def __init__(self, parts: int, quiet: bool = True) -> None:
        super().__init__()
        self.parts = parts
        self.quiet = quiet
        self.done = 0
        self._inside = False
        self.bar: Any = None

    def __enter__(self) -> "Drawing":
        super().__enter__()
        if self.quiet:
            return self
        try:
            from tqdm import tqdm
        except ImportError:
            tqdm = None
        if tqdm is not None and sys.stderr.isatty():
            self.bar = tqdm(total=self.parts, desc="drawing the report", unit=" parts")
        else:
            print("  drawing the report", flush=True)
        return self

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
