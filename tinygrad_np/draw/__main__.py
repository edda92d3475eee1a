"""``python -m tinygrad_np.draw``: the command ``python -m tinygrad_np draw``."""

import sys

from ..run.draw import main

if __name__ == "__main__":
    sys.exit(main())
