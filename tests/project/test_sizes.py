"""No file of Python, and no package, is longer than a person keeps in mind; tests' files are counted too."""

from rag_pipeline.settings import PROJECT

MOST = 300
MOST_OF_A_PACKAGE = 3_500


def test_no_file_is_longer_than_300_lines() -> None:
    files = [path for folder in ("rag_pipeline", "tests", "benchmarks") for path in (PROJECT / folder).rglob("*.py")]
    assert len(files) > 300
    lines = {path.relative_to(PROJECT).as_posix(): len(path.read_text(encoding="utf-8").splitlines()) for path in files}
    too_long = {name: count for name, count in lines.items() if count > MOST}
    assert not too_long, f"longer than {MOST} lines: {too_long}; split each by subject"


def test_no_package_is_longer_than_3500_lines_with_the_folders_in_it() -> None:
    packages = [path.parent for path in (PROJECT / "rag_pipeline").glob("*/__init__.py")]
    assert len(packages) > 20
    lines = {
        package.name: sum(len(path.read_text(encoding="utf-8").splitlines()) for path in package.rglob("*.py"))
        for package in packages
    }
    too_long = {name: count for name, count in lines.items() if count > MOST_OF_A_PACKAGE}
    assert not too_long, f"longer than {MOST_OF_A_PACKAGE:,} lines: {too_long}; find what is a subject of its own in each"
