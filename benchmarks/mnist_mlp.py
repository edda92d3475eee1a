"""The main job from a clone: ``python -m tinygrad_np train``, and ``--by-hand`` beside its options.

python benchmarks/mnist_mlp.py                    the default recipe on the embedded MNIST
python benchmarks/mnist_mlp.py --by-hand          the same with pencil-and-paper gradients
python benchmarks/mnist_mlp.py --help             all options
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # runs from a bare clone too
if __name__ == "__main__":
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # see tinygrad_np/__main__.py
    import tinygrad_np  # noqa: F401  # first, for Ctrl-C while the others are imported

from benchmarks.by_hand_training import fit_by_hand
from tinygrad_np.run import train


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0, or 2 with one line on stderr for bad input."""
    return train.main(arguments, "python benchmarks/mnist_mlp.py", fit_by_hand)


if __name__ == "__main__":
    sys.exit(main())
