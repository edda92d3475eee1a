"""Run a program of HIPS/autograd: ``python -m tinygrad_np.compat.autograd script.py``."""

import runpy
import sys
from pathlib import Path

from . import install

USAGE = "usage: python -m tinygrad_np.compat.autograd [-m MODULE | SCRIPT] [arguments …]"


def main(arguments: list[str]) -> int:
    """Run the program with this package for ``autograd``."""
    is_module = arguments[:1] == ["-m"]
    words = arguments[1:] if is_module else arguments
    if not words or words[0].startswith("-") or not (is_module or Path(words[0]).exists()):
        print(
            f"{USAGE}\n{' '.join(arguments) or 'nothing'} is no script and no module.",
            file=sys.stderr,
        )
        return 2
    install()
    sys.argv = words
    if is_module:
        sys.path.insert(0, "")
        runpy.run_module(words[0], run_name="__main__", alter_sys=True)
    else:
        sys.path.insert(0, str(Path(words[0]).parent))
        runpy.run_path(words[0], run_name="__main__")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
