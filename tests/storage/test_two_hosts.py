"""Two hosts, each a network namespace, and a bucket that both reach: readers follow promotions, also after an outage."""

import json
import queue
import subprocess
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from rag_pipeline.home_mark import claim_home
from tests.support.bucket_home import BucketHome
from tests.support.bucket_hosts import can_be, hosts_of
from tests.support.readers import SUBJECTS, build

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(not can_be(), reason="needs root and `ip netns`, for two hosts on one machine"),
]

READERS, MOVES = 4, 20


class Told:
    """The lines that a process says, the last one kept."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process, self.last = process, dict[str, Any]()
        self._lines: queue.Queue[dict[str, Any]] = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.last = json.loads(line)
            self._lines.put(self.last)

    def say(self, line: str) -> dict[str, Any]:
        """What it answers to a line."""
        assert self.process.stdin
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        try:
            return self._lines.get(timeout=60)
        except queue.Empty:
            self.process.kill()
            assert self.process.stderr
            raise AssertionError(self.process.stderr.read()[-3000:]) from None

    def of(self, release: str) -> int:
        """Answers of a reader from one release."""
        answers: dict[str, int] = self.last.get("answers", {})
        return sum(count for said, count in answers.items() if said.startswith(release))

    def end(self) -> None:
        assert self.process.stdin and self.process.stderr
        self.process.stdin.close()
        code = self.process.wait(120)
        assert code == 0, self.process.stderr.read()[-3000:]


def until(true: Any, seconds: float, why: str) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, why
        time.sleep(0.02)


def test_twenty_promotions_on_one_host_under_four_readers_on_another(bucket: BucketHome, tmp_path: Path) -> None:
    builder = bucket.machine("builder")
    claim_home(builder)
    releases = [build(builder.home, number) for number in range(2)]
    subjects = list(SUBJECTS[:3])
    with hosts_of(bucket, ("one", "two")) as (one, two):
        promoter = Told(one.begun("promote"))
        assert promoter.say(releases[0]) == {"moved": releases[0]}
        readers = [Told(two.begun("read", *subjects)) for _ in range(READERS)]
        until(lambda: all(reader.of(releases[0]) for reader in readers), 240, "no reader ever answered")
        for number in range(1, MOVES + 1):
            release = releases[number % 2]
            seen = [reader.of(release) for reader in readers]
            assert promoter.say(release) == {"moved": release}
            until(
                lambda seen=seen, release=release: all(
                    reader.of(release) > then for reader, then in zip(readers, seen, strict=True)
                ),
                60,
                f"a reader did not follow move {number}: {[reader.last for reader in readers]}",
            )
        # the cable of the readers' host is pulled out: they go on, and follow what they missed once it is back
        served, other = releases[MOVES % 2], releases[(MOVES + 1) % 2]
        two.cut(off=True)
        assert promoter.say(other) == {"moved": other}
        was = [reader.of(served) for reader in readers]
        until(
            lambda: all(reader.of(served) >= then + 100 for reader, then in zip(readers, was, strict=True)),
            60,
            f"a reader without a bucket stood still: {[reader.last for reader in readers]}",
        )
        behind = [reader.of(other) for reader in readers]
        two.cut(off=False)
        until(
            lambda: all(reader.of(other) > then for reader, then in zip(readers, behind, strict=True)),
            180,
            f"a reader did not come back: {[reader.last for reader in readers]}",
        )
        for one_of_them in (promoter, *readers):
            one_of_them.end()
    answers: Counter[str] = Counter()
    for reader in readers:
        answers.update(reader.last["answers"])
    assert set(answers) == {f"{release} {number}" for number, release in enumerate(releases)}, "each from one release"
    longest = max(reader.last["longest_s"] for reader in readers)
    (tmp_path / "told").write_text(json.dumps({"answers": answers, "longest_s": longest}))
    assert longest < 30, "no question waits for a bucket that does not answer"
