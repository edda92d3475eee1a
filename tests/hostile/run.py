"""Fuzzing at length: mutants of all formats, each process watched from outside.

python -m tests.hostile.run --count 100000 --seed 0 [--driver random] [--keep DIR]

The driver ``atheris`` (pip install atheris) keeps what reaches new lines of the readers and goes
on from there; ``random`` draws every mutant anew, from the seed alone.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

FORMATS = ("idx", "csv", "npz", "safetensors", "checkpoint")
SECONDS = 4 * 3600  # for one process: it hangs then without using the processor


def fuzz(
    format: str, count: int, seed: int, driver: str, keep: Path
) -> tuple[int, dict[str, int], list[str]]:
    """(files judged, how they ended, failures) of one format."""
    folder = keep / format
    folder.mkdir(parents=True, exist_ok=True)
    done, totals, failures = 0, {"data": 0, "refusal": 0}, list[str]()
    while done < count:
        tally, log = folder / "tally", folder / "log"
        tally.write_text("0 0 0")
        command = [
            sys.executable,
            "-m",
            "tests.hostile.worker",
            format,
            str(count - done),
            str(seed + done),
            driver,
            str(folder),
        ]
        with open(log, "w") as out:
            try:
                code = subprocess.run(command, stdout=out, stderr=out, timeout=SECONDS).returncode
            except subprocess.TimeoutExpired:
                code = -1
        judged, data, refusals = map(int, tally.read_text().split())
        done += judged
        totals["data"] += data
        totals["refusal"] += refusals
        found = sorted(folder.glob("failure-*.txt"))
        failures += [
            f"{path.stem}: {path.read_text()}"
            for path in found
            if str(path.stem) not in "".join(failures)
        ]
        if done < count:
            culprit = next(folder.glob("hostile.*"), None)
            kept = folder / f"ended-{done}"
            if culprit is not None:
                kept.write_bytes(culprit.read_bytes())
            failures.append(f"{kept}: the process ended with {code}: {log.read_text()[-500:]}")
            if not judged:
                break
    return done, totals, failures


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "--count", type=int, default=100_000, help="mutants of all formats together"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--format", choices=FORMATS, help="one format only")
    parser.add_argument("--driver", choices=("atheris", "random"), default="random")
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--keep", type=Path, help="a folder for the files that fail")
    given = parser.parse_args()
    formats = [given.format] if given.format else list(FORMATS)
    each = -(-given.count // len(formats))
    keep = given.keep or Path(tempfile.mkdtemp())
    start = time.perf_counter()
    with ThreadPoolExecutor(given.jobs) as pool:
        futures = {
            name: pool.submit(fuzz, name, each, given.seed, given.driver, keep) for name in formats
        }
        results = {name: future.result() for name, future in futures.items()}
    for name, (done, totals, failures) in results.items():
        print(
            f"{name:12} {done:7,} files: {totals['data']:6,} read, {totals['refusal']:6,} refused, "
            f"{len(failures)} failures"
        )
        for failure in failures:
            print(f"  {failure}")
    total = sum(done for done, _, _ in results.values())
    failed = sum(len(failures) for _, _, failures in results.values())
    seconds = time.perf_counter() - start
    print(f"{total:,} files, {failed} failures, seed {given.seed}, {given.driver}, {seconds:.0f} s")
    print(f"kept in {keep}" if failed else "")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
