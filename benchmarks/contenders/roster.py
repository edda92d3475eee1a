"""Who takes part, and in which module and class; modules are imported where they are needed."""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.contenders.contender import Contender, Task
from benchmarks.contenders.tuned import Choice


@dataclass(frozen=True)
class Entry:
    """A line of the roster.

    ``distributions`` are what pip calls what it needs, ``tolerance`` is how far its first losses
    may be from the hand-written ones.
    """

    name: str
    title: str
    module: str
    kind: str
    distributions: tuple[str, ...] = ()
    tolerance: float = 1e-4
    tuned: bool = False

    @property
    def peer(self) -> bool:
        """Whether it is another library that computes gradients."""
        return bool(self.distributions)

    def build(self, task: Task, choice: Mapping[str, Any] | None) -> Contender:
        """The contender; ImportError without its library, CannotExpressError for other tasks."""
        kind = getattr(importlib.import_module(f"benchmarks.contenders.{self.module}"), self.kind)
        contender: Contender = kind(task, Choice(**(choice or {}))) if self.tuned else kind(task)
        return contender


HAND = "hand"
PRODUCTS = "products"
EAGER = "eager"
REPLAY = "replay"
OTHER_EPS = 1e-3  # Adam with its eps before the correction of √v, as in section 2 of the paper

ROSTER: dict[str, Entry] = {
    entry.name: entry
    for entry in [
        Entry(HAND, "hand-written, tuned", "tuned", "Tuned", tuned=True),
        Entry(PRODUCTS, "matrix products alone", "tuned", "Products", tuned=True),
        Entry("plain", "plain NumPy", "in_numpy", "Plain"),
        Entry(EAGER, "tinygrad_np eager", "in_tinygrad_np", "Eager"),
        Entry(REPLAY, "tinygrad_np replayed", "in_tinygrad_np", "Replayed"),
        Entry("fused", "tinygrad_np fused", "in_tinygrad_np", "Fused", ("llvmlite",)),
        Entry("torch", "PyTorch eager", "in_torch", "TorchEager", ("torch",)),
        Entry("torch-compile", "torch.compile", "in_torch", "TorchCompiled", ("torch",)),
        Entry("jax", "JAX jit", "in_jax", "JaxJit", ("jax", "jaxlib")),
        Entry("autograd", "HIPS/autograd", "in_autograd", "Autograd", ("autograd",)),
        Entry("mygrad", "MyGrad", "in_mygrad", "MyGrad", ("mygrad",)),
        Entry("sklearn", "scikit-learn", "in_sklearn", "Sklearn", ("scikit-learn",), OTHER_EPS),
        Entry("keras", "Keras (JAX)", "in_keras", "Keras", ("keras", "jax"), OTHER_EPS),
    ]
}
