"""What `rag golden new`, `probes` and `check` print for people and scripts."""

import math
from itertools import groupby
from typing import TYPE_CHECKING, Any

from rag_pipeline.terminal import Printer, one_line

if TYPE_CHECKING:
    from rag_pipeline.gate.enough import Enough
    from rag_pipeline.golden.hygiene import Checked
    from rag_pipeline.golden.made_probes import Made
    from rag_pipeline.golden.new_set import NewSet


def show_new(made: "NewSet", wanted: int, steps: list[str]) -> None:
    from rag_pipeline.golden.known_items import A_DOCUMENT
    from rag_pipeline.golden.new_set import reasons

    printer = Printer()
    of = ", ".join(f"{count} of {source}" for source, count in made.sources.items())
    fewer = f", of the {wanted} asked for" if len(made.chosen) < wanted else ""
    printer.say(f"{made.folder} has {len(made.chosen)} queries{fewer}: {of}.")
    most = f", {A_DOCUMENT} a document at most" if len(made.chosen) - made.of_words < min(wanted, made.usable) else ""
    printer.say(f"{made.usable:,} of {made.looked_at:,} titles and headings are usable{most}.")
    printer.say(f"Left out: {reasons(made.left_out)}.")
    if made.of_words:
        printer.say(f"That is too few, so {made.of_words} queries are of words that few documents have.")
    for one in made.chosen[:3]:
        printer.say(f"  “{one_line(one.text)}” → {one_line(one.document)}")
    if made.probes:
        printer.say(f"{len(made.probes)} probes, which nobody judges, lie beside them (probes.jsonl).")
    printer.say(
        "A machine made it: its queries use the documents' own words, so the gate holds them against floors only, and "
        "against none until gate.yaml names the set. Delete the lines no user would ask, reword others (queries.jsonl; "
        "judgments are in qrels/test.tsv). Then:",
    )
    for step in steps:
        printer.say(f"  {step}")


def show_probes(made: "Made", wanted: int) -> None:
    printer = Printer()
    of = ", ".join(f"{count} of {source}" for source, count in made.sources.items())
    kinds = {"title": "titles", "heading": "headings", "terms": "rare words"}
    made_from = ", ".join(f"{count} from {kinds[kind]}" for kind, count in made.made_from.most_common())
    fewer = f", of the {wanted} asked for" if len(made.probes) < wanted else ""
    printer.say(f"{made.file} has {len(made.probes)} probes{fewer}: {of}; {made_from}.")
    for one in made.probes[:3]:
        printer.say(f"  “{one_line(one.text)}”")
    if len(made.probes) < wanted:
        printer.say(
            "The documents yield no more. Add questions of your own where the gate asks for more (gate.yaml: probes)."
        )
    printer.say("Nobody judges them. Questions of real users are better: add them to the file yourself.")


def told(checked: "Checked", enough: "Enough | None") -> dict[str, Any]:
    findings = [{name: getattr(one, name) for name in one.__slots__} for one in checked.findings]
    able: dict[str, Any] = {"needed": None, "says": "", "small_slices": []}
    if enough:
        needed = enough.needed if enough.needed != math.inf else None
        able = {"needed": needed, "says": enough.says, "small_slices": list(enough.slices)}
    sizes = {"queries": checked.queries, "judgments": checked.judgments, "probes": checked.probes}
    return {**sizes, "to_pass_a_release": able, "findings": findings}


_SHOWN = 10
"""How many findings of one kind are shown; the rest is given as a number."""


def show_checked(checked: "Checked", enough: "Enough | None") -> None:
    printer = Printer()
    counts = [f"{sum(one.level == level for one in checked.findings)} {level}s" for level in ("error", "warning")]
    holds = f"{checked.queries} queries, {checked.judgments} judgments, {checked.probes} probes"
    printer.say(f"{checked.name}: {holds}: {', '.join(counts)}", style="bold")
    for says in (enough.says.removeprefix(f"{checked.name}: "), *enough.slices) if enough else ():
        printer.say(f"  {says}")
    levels, kinds = ("error", "warning", "note"), [one.kind for one in checked.findings]
    ordered = sorted(checked.findings, key=lambda one: (levels.index(one.level), kinds.index(one.kind)))
    for (level, kind), group in groupby(ordered, key=lambda one: (one.level, one.kind)):
        found = list(group)
        printer.say(f"  {level}: {kind.replace('_', ' ')}" + (f" ({len(found)})" if len(found) > 1 else ""))
        for one in found[:_SHOWN]:
            query = f" {one.query}:" if one.query else ""
            printer.say(f"    {one.where}:{query} {one.says}")
        if len(found) > _SHOWN:
            printer.say(f"    and {len(found) - _SHOWN} more; --json lists all")
