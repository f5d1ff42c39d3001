"""The account of words over files that nobody here wrote: what is handed on, what is told, what it costs.

    python benchmarks/account.py [--most 150] FOLDER …

Takes HTML, PDF, DOCX files from the folders, evenly spread over each kind. The files that docs/performance.md
tells of: Debian's packages python3.11-doc, octave-doc, gnuplot-doc, docbook-xsl-doc-pdf and texlive-latex-base-doc
(`apt-get download`, `dpkg-deb -x`), the test folders of Debian's source package pandoc and of the sdist python-docx.
"""

import argparse
import time
from collections import Counter
from pathlib import Path

from rag_pipeline.errors import Unreadable
from rag_pipeline.extraction import parsing
from rag_pipeline.extraction.account import Account
from rag_pipeline.extraction.kinds import ODS, PARSED, XLSX


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("folders", nargs="+", type=Path)
    arguments.add_argument("--most", type=int, default=150, help="files of a kind")
    given = arguments.parse_args()
    files: dict[str, list[Path]] = {}
    for folder in given.folders:
        for file in sorted(folder.rglob("*")):
            if file.is_file() and not file.is_symlink() and file.suffix.lower() in PARSED:
                files.setdefault(PARSED[file.suffix.lower()], []).append(file)
    for kind, found in files.items():
        chosen = found if len(found) <= given.most else [found[n * len(found) // given.most] for n in range(given.most)]
        measure(kind, chosen)


def measure(kind: str, files: list[Path]) -> None:
    total, refused, lacking, parse_s, account_s = Account(), Counter[str](), [], 0.0, 0.0
    for file in files:
        content = file.read_bytes()
        try:
            begun = time.process_time()
            if kind in (XLSX, ODS):  # whose second reading guards the first
                parsing.documents(content, kind)
            else:
                parsing.parse(content, kind)
            parsed = time.process_time()
            account = parsing.documents(content, kind)[0].account
            parse_s += parsed - begun
            account_s += time.process_time() - parsed - (parsed - begun)
        except Unreadable as error:
            refused[str(error).partition("(")[0].strip()] += 1
            continue
        if account is None:
            refused["no account"] += 1
            continue
        total = total.plus(account)
        if account.lost or account.silent:
            lacking.append((account.percent, file.name, account.says))
    read = len(files) - refused.total()
    handed_on = 100 * (1 - sum(total.lost.values()) / total.shown)
    print(f"\n{kind}: {read} of {len(files)} files read, {total.shown:,} words shown, {handed_on:.2f} % handed on")
    print(f"  pages {total.pages:,}, without text {total.silent:,}; refused: {dict(refused)}")
    print(f"  told: {total.says or 'nothing'}; missed: {total.missing:,} words")
    above = sum(percent > 5 for percent, _, _ in lacking)
    print(f"  above 5 %: {above} files; CPU time to parse {parse_s:.1f} s, for the account {account_s:.1f} s")
    for percent, name, says in sorted(lacking, reverse=True)[:8]:
        print(f"    {percent:5.1f} % {name}: {says}")


if __name__ == "__main__":
    main()
