"""No file of Python is longer than a person keeps in mind, tests and what they are built from included."""

from rag_pipeline.settings import PROJECT

MOST = 300


def test_no_file_is_longer_than_300_lines() -> None:
    files = [path for folder in ("rag_pipeline", "tests", "benchmarks") for path in (PROJECT / folder).rglob("*.py")]
    assert len(files) > 300
    lines = {path.relative_to(PROJECT).as_posix(): len(path.read_text(encoding="utf-8").splitlines()) for path in files}
    too_long = {name: count for name, count in lines.items() if count > MOST}
    assert not too_long, f"longer than {MOST} lines: {too_long}; split each by subject"
