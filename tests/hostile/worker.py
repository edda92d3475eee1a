"""One process of `run`: judges so many mutants of one format.

It writes how many were judged after each, so that whoever started it knows when it did not end of
its own accord. Arguments: format, count, seed, driver, folder.
"""

import os
import resource
import sys
from pathlib import Path
from random import Random
from typing import Any

MEMORY = 2 << 30  # of addresses: a reader that takes more ends here
READERS = ["tinygrad_np.data", "tinygrad_np.training", "zipfile", "gzip"]


class Worker:
    def __init__(self, format: str, count: int, folder: Path) -> None:
        from tests.hostile import corpus, judge, mutate

        self.format, self.count, self.folder = format, count, folder
        self.judge, self.mutate, self.failure = (
            judge.Judge(format, folder, True),
            mutate.mutant,
            judge.Failure,
        )
        self.files = [file.content for file in corpus.files(format) if len(file.content) < 5000]
        self.whole = [
            f.content for f in corpus.files(format) if f.refusal is None and len(f.content) < 5000
        ]
        self.done = self.failed = 0
        self.tally = os.open(folder / "tally", os.O_WRONLY)

    def start(self, random: Random) -> bytes:
        return random.choice(self.whole if random.random() < 0.6 else self.files)

    def judge_one(self, content: bytes) -> None:
        if self.done >= self.count:
            return
        try:
            self.judge.judge(content)
        except self.failure as error:
            self.failed += 1
            if self.failed <= 50:
                name = f"failure-{self.done}-{os.getpid()}"
                (self.folder / name).write_bytes(content)
                (self.folder / f"{name}.txt").write_text(str(error)[:2000])
        self.done += 1
        found = self.judge.found
        text = f"{self.done} {found['data']} {found['refusal']}"
        os.pwrite(self.tally, text.ljust(40).encode(), 0)


def at_random(worker: Worker, seed: int) -> None:
    numbers = Random(seed)
    while worker.done < worker.count:
        random = Random(numbers.getrandbits(64))
        worker.judge_one(worker.mutate(worker.format, worker.start(random), random))


def with_atheris(worker: Worker, count: int, seed: int, folder: Path) -> None:
    import atheris

    def changed(content: bytes, most: int, number: int) -> bytes:
        random = Random(number)
        start = content if len(content) > 1 else worker.start(random)
        return worker.mutate(worker.format, start, random)[:most]

    begin = folder / "begin"
    begin.mkdir(exist_ok=True)
    for i, content in enumerate(worker.files):
        (begin / str(i)).write_bytes(content)
    options: list[Any] = [
        f"-runs={count}",
        f"-seed={seed + 1}",
        "-max_len=8192",
        "-rss_limit_mb=0",
        "-timeout=300",
    ]
    atheris.Setup([sys.argv[0], *options, str(begin)], worker.judge_one, custom_mutator=changed)
    atheris.Fuzz()


def main() -> None:
    format, count, seed, driver, folder = sys.argv[1:]
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    if driver == "atheris":
        import atheris

        with atheris.instrument_imports(include=READERS):
            worker = Worker(format, int(count), Path(folder))
        with_atheris(worker, int(count), int(seed), Path(folder))
    else:
        at_random(Worker(format, int(count), Path(folder)), int(seed))


if __name__ == "__main__":
    main()
