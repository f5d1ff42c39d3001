"""Names that one file gives and another has to know, checked before a run starts.

A golden set's `source` is a contract. What `gate.yaml` demands is demanded of golden sets, and of slices of their
queries. A wrong name would be noticed hours later, by every document that is not found under it.
"""

from collections.abc import Iterator
from pathlib import Path

from rag_pipeline.contracts.read import SUFFIX
from rag_pipeline.errors import GoldenSetError, did_you_mean
from rag_pipeline.gate import policy as gate
from rag_pipeline.gate.policy import Policy, SetPolicy, read_policy
from rag_pipeline.golden.read import FILE, GoldenSet, golden_folders, read_about, read_golden_set


def check_names(evals: Path, contracts: Path) -> None:
    """Raises `GoldenSetError` with every name that is none: file, line, field, and the name that was meant.

    Also when gate.yaml is not valid, or a golden.yaml. What there is no file of is no mistake here: the gate refuses.
    """
    if not evals.is_dir():
        return
    policy = read_policy(evals) if (evals / gate.FILE).is_file() else None
    folders = [folder for folder in golden_folders(evals) if (folder / FILE).is_file()]
    sources = sorted(path.name.removesuffix(SUFFIX) for path in contracts.glob(f"*{SUFFIX}"))
    problems = [*_sources(folders, sources), *(_of_gate(policy, folders) if policy else ())]
    if problems:
        raise GoldenSetError("\n".join(problems))


def _sources(folders: list[Path], sources: list[str]) -> Iterator[str]:
    for folder in folders:
        about, document = read_about(folder)
        if about.source is not None and about.source not in sources:
            says = f"no contract is called {about.source!r}; {did_you_mean(about.source, sources)}"
            yield f"{document.where(('source',))}: source: {says}"


def _of_gate(policy: Policy, folders: list[Path]) -> Iterator[str]:
    names = {folder.name: folder for folder in folders}
    for channel, demands in policy.channels.items():
        for name, one in demands.golden_sets.items():
            at = ("channels", channel, "golden_sets", name)
            if name not in names:
                says = f"no golden set of this name has a {FILE}; {did_you_mean(name, list(names))}"
                yield f"{policy.document.where(at)}: {'.'.join(at)}: {says}"
            elif one.slices:
                yield from _slices(policy, at, one, read_golden_set(names[name]))


def _slices(policy: Policy, at: tuple[str, ...], demands: SetPolicy, golden: GoldenSet) -> Iterator[str]:
    for field, values in demands.slices.items():
        here = (*at, "slices", field)
        if field not in golden.about.slices:
            says = f"{golden.name}/{FILE} lists no such field under `slices`; {did_you_mean(field, golden.about.slices)}"
            yield f"{policy.document.where(here)}: {'.'.join(here)}: {says}"
            continue
        found = {of_query[field] for of_query in golden.slices.values() if field in of_query}
        for value in values:
            if value not in found:
                says = f"no query of {golden.name} has this value in its metadata; {did_you_mean(value, sorted(found))}"
                yield f"{policy.document.where((*here, value))}: {'.'.join((*here, value))}: {says}"
