"""The figures of the last mutation run, a module, and each mutant that no test noticed and docs/mutants.md does not explain.

    python -m benchmarks.mutants            # after `mutmut run`; `make mutants` does both

Exits with 1 when a mutant survived that docs/mutants.md does not explain.
"""

import json
import sys
from collections import Counter
from pathlib import Path

from mutmut.configuration import config
from mutmut.mutation.diff_apply import get_diff_for_mutant
from mutmut.stats import status_by_exit_code
from mutmut.utils.file_utils import walk_mutatable_files

from benchmarks.mutants.survivors import PAGE, Mutant, explained

NOTICED = ("killed", "timeout", "segfault")


def mutant_of(name: str, path: Path) -> Mutant:
    lines = [line for line in get_diff_for_mutant(name, path=path).splitlines() if not line.startswith(("---", "+++"))]
    was = tuple(line[1:].strip() for line in lines if line.startswith("-"))
    becomes = tuple(line[1:].strip() for line in lines if line.startswith("+"))
    function = name.removeprefix("rag_pipeline.").partition("__mutmut_")[0].replace(".x_", ".").replace("ǁ", ".")
    return Mutant(function.replace(".x.", "."), was, becomes)


def main() -> int:
    known, open_ones = explained(PAGE.read_text(encoding="utf-8")), []
    rows, everything = [], Counter[str]()
    print("| module | mutants | refused by mypy | noticed by a test | survived | of no effect | noticed of those with one |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for path in sorted(walk_mutatable_files()):
        meta = Path("mutants", f"{path}.meta")
        if not meta.is_file():
            continue
        codes = json.loads(meta.read_text(encoding="utf-8"))["exit_code_by_key"]
        counts = Counter(status_by_exit_code[code] for code in codes.values())
        for name, code in codes.items():
            if status_by_exit_code[code] in ("survived", "no tests", "suspicious"):
                mutant = mutant_of(name, path)
                if mutant in known:
                    counts["explained"] += 1
                else:
                    open_ones.append((name, mutant))
        rows.append((str(path.relative_to(config().source_paths[0])), counts))
        everything += counts
    for name, counts in [*rows, ("all", everything)]:
        noticed = sum(counts[status] for status in NOTICED)
        same = counts["explained"]
        survived = counts["survived"] + counts["no tests"] + counts["suspicious"] - same
        share = f"{100 * noticed / (noticed + survived):.1f} %" if noticed + survived else "–"
        made = sum(counts.values()) - same
        print(f"| {name} | {made} | {counts['caught by type check']} | {noticed} | {survived} | {same} | {share} |")
    for name, mutant in open_ones:
        print(f"\n{name}\n{mutant}")
    return 1 if open_ones else 0


if __name__ == "__main__":
    sys.exit(main())
