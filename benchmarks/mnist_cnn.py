"""The main job with convolutional networks: ``python -m tinygrad_np train`` with other defaults.

python benchmarks/mnist_cnn.py                           the recipe that is quick
python benchmarks/mnist_cnn.py --recipe all --seeds 5    all of them, with and without distortions
python benchmarks/mnist_cnn.py --help                    all options
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # runs from a bare clone too

if __name__ == "__main__":
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # see tinygrad_np/__main__.py
    import tinygrad_np  # noqa: F401  # first, for Ctrl-C while the others are imported

from tinygrad_np.run import train
from tinygrad_np.run.recipes import CONVOLUTIONAL

PROGRAM = "python benchmarks/mnist_cnn.py"


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0, or 2 with one line on stderr for bad input."""
    return train.main(arguments, PROGRAM, together=CONVOLUTIONAL, default="quick")


if __name__ == "__main__":
    sys.exit(main())
