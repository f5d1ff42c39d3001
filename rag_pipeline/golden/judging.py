"""Writing judgments into a golden set, whichever form it has. Each is in the journal before the set is changed."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

from rag_pipeline.errors import GoldenSetError
from rag_pipeline.golden import edits, journal
from rag_pipeline.golden.journal import Judgment, keep
from rag_pipeline.golden.read import FILE as GOLDEN
from rag_pipeline.golden.read import GoldenSet, read_golden_set
from rag_pipeline.golden.set_files import Edit, Edited, edit, take_back
from rag_pipeline.home import Home

GRADES = (0, 1, 2)
_WAIT_S = 30


@dataclass(frozen=True, slots=True)
class Kept:
    """A judgment as it was written, and the lines it changed."""

    judgment: Judgment
    edited: tuple[Edited, ...]


@dataclass(frozen=True, slots=True)
class Judging:
    """A golden set open for judging. `home`: where the lock lies that keeps two sessions from writing at once."""

    folder: Path
    golden: GoldenSet
    home: Home

    @classmethod
    def open(cls, folder: Path, home: Home) -> "Judging":
        """Queries that nobody judged yet are what it is for. Raises `GoldenSetError` for no such set, or a malformed one."""
        if not folder.is_dir():
            known = ", ".join(sorted(path.parent.name for path in folder.parent.glob(f"[!._]*/{GOLDEN}"))) or "none yet"
            raise GoldenSetError(
                f"{folder}: no such golden set; known: {known}. `rag golden new {folder.name}` proposes one"
            )
        return cls(folder, read_golden_set(folder, to_be_judged=True), home)

    @property
    def judges(self) -> Literal["passages", "documents"]:
        """Passages where the set quotes, documents where it does not."""
        return "passages" if any(self.golden.references.values()) else "documents"

    @property
    def _qrels(self) -> Path:
        return self.folder / "qrels" / f"{self.golden.about.split}.tsv"

    def judge(self, judgment: Judgment) -> Kept:
        """Keep a judgment: journal first, then the golden set, then the date in golden.yaml. Each write is durable.

        Raises `GoldenSetError` for a grade other than 0, 1 or 2, an unknown query, or a document the set cannot name.
        """
        source = self.golden.about.source
        if judgment.grade not in GRADES:
            raise GoldenSetError(f"grade {judgment.grade!r}: a grade is 2 (answers), 1 (helps) or 0 (does not)")
        if judgment.query not in self.golden.queries:
            raise GoldenSetError(f"query {judgment.query!r} is not in {self.folder / 'queries.jsonl'}")
        if source and not judgment.document.startswith(f"{source}/"):
            raise GoldenSetError(f"{judgment.document}: this set is about {source} alone and cannot name it")
        with self._alone():
            keep(self.folder, judgment)
            return Kept(judgment, self._write(judgment))

    def undo(self, kept: Kept, at: str) -> None:
        """Take a judgment back: the journal says so in a new line, the golden set reads as before.

        Raises `GoldenSetError` when the line was edited in between; then only the journal has changed.
        """
        with self._alone():
            keep(self.folder, replace(kept.judgment, grade=None, at=at))
            for done in reversed(kept.edited):
                if done.file.name != GOLDEN:  # somebody judged that day, even if one judgment was taken back
                    take_back(done)

    def finish_last(self) -> Judgment | None:
        """Write the last judgment of a session that was killed between journal and golden set; None if there is none.

        Told by the files' times: after every complete judgment the golden set is the younger file.
        """
        file = self.folder / journal.FILE
        last = None
        for _, one in journal.read_journal(self.folder):
            last = one or last
        written = self._qrels if self._qrels.exists() else self.folder / "queries.jsonl"
        if last is None or last.grade is None or file.stat().st_mtime_ns <= written.stat().st_mtime_ns:
            return None
        if last.query not in self.golden.queries or last.grade not in GRADES:
            return None
        with self._alone():
            return last if self._write(last) else None

    def _write(self, one: Judgment) -> tuple[Edited, ...]:
        """Idempotent: what is written already stays as it is."""
        golden = self.golden
        document = one.document.removeprefix(f"{golden.about.source}/") if golden.about.source else one.document
        changes: list[tuple[Path, Callable[[str], Edit]]] = []
        if self.judges == "passages" or not self._qrels.exists():
            reference = {"document": document, "grade": one.grade, "judge": one.judge, "date": one.at[:10]}
            if self.judges == "passages":
                reference["quote"] = one.passage
            add = partial(edits.with_reference, query=one.query, reference=reference)
            changes.append((self.folder / "queries.jsonl", add))
        if self._qrels.exists():
            raising = self.judges == "passages"
            change = partial(edits.with_grade, query=one.query, document=document, grade=one.grade or 0, only_raise=raising)
            changes.append((self._qrels, change))
        changes.append((self.folder / GOLDEN, partial(edits.with_date, date=one.at[:10])))
        return tuple(done for file, change in changes if (done := edit(file, change)))

    def _alone(self) -> AbstractContextManager[None]:
        return self.home.exclusive_golden_set(self.folder.name, wait_s=_WAIT_S)
