"""Which attempts a try consists of: the product of the values that were said, each as settings that hold together.

It reads contracts and looks for models, so that what cannot be is said before anything is built. It builds nothing.
"""

import difflib
import itertools
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rag_pipeline.contracts.contract import Contract
from rag_pipeline.contracts.page import CUT_PROPERTIES
from rag_pipeline.contracts.read import read_contracts
from rag_pipeline.corpus.chunking import chunkers_of
from rag_pipeline.errors import PipelineError
from rag_pipeline.index.recipe import retrieval_of
from rag_pipeline.settings import Settings, settings_of
from rag_pipeline.variables import PREFIX

MOST = 16
"""Attempts of one try. Each builds an index, and of very many the best one is the luckiest."""

CAN_BE_TRIED = (
    "model",
    "query_prompt",
    "document_prompt",
    "device",
    "embed_backend",
    "embed_precision",
    "embed_batch",
    "chunk_tokens",
    "chunk_min_tokens",
    "retrieval",
    "hybrid_dense_weight",
    "lexical_language",
    "reranker",
    "rerank_depth",
    "contracts",
)
"""Settings by which a release, or the speed of its answers, becomes another one."""

AS_NOW = "as it is now"
"""The attempt that the others are compared with: the settings as they are."""


@dataclass(frozen=True, slots=True)
class Planned:
    """One attempt. `changed`: variable -> the value it is given; nothing for the one that the others are compared with."""

    name: str
    changed: Mapping[str, str]
    settings: Settings
    contracts: tuple[Contract, ...]


def wanted(said: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Variable -> values, from `RAG_CHUNK_TOKENS=128,256`. A comma that is part of a value is written with a backslash.

    Raises `PipelineError` for what has no value, and for a variable that is no setting, or none that can be tried.
    """
    values: dict[str, tuple[str, ...]] = {}
    for one in said:
        name, is_there, text = one.partition("=")
        variable = _known(name.strip())
        if not is_there:
            raise PipelineError(f"{one!r} has no value; write {variable}=VALUE, or more of them: {variable}=VALUE,VALUE")
        found = [part.replace("\\,", ",").strip() for part in re.split(r"(?<!\\),", text)]
        values[variable] = tuple(dict.fromkeys([*values.get(variable, ()), *found]))
    return values


def plan(settings: Settings, values: Mapping[str, Sequence[str]]) -> tuple[Planned, ...]:
    """The attempts, first the one with the settings as they are. Those that change nothing are left out.

    Raises `PipelineError` when there are none or too many, when a value cannot be, and when a model is not here.
    """
    asked = {_known(name): tuple(dict.fromkeys(found)) for name, found in values.items()}
    if empty := [name for name, found in asked.items() if not found]:
        raise PipelineError(f"{empty[0]} has no value to be tried; name one, or leave it out")
    if not asked:
        raise PipelineError("there is nothing to try; give a setting with its values, such as RAG_CHUNK_TOKENS=128,256")
    if (count := math.prod(map(len, asked.values()))) > MOST:
        raise PipelineError(
            f"{' × '.join(f'{len(found)} of {name}' for name, found in asked.items())} are {count} attempts, and {MOST} is "
            "the most; name fewer values, or try one setting after the other"
        )
    now = Planned(AS_NOW, {}, settings, read_contracts(settings.contracts))
    attempts = [now]
    for chosen in itertools.product(*asked.values()):
        one = _planned(now, dict(zip(asked, chosen, strict=True)))
        if (one.settings, one.contracts) != (now.settings, now.contracts):
            attempts.append(one)
    if len(attempts) == 1:
        raise PipelineError(
            "these values are those of the settings as they are, so there is nothing to compare; name others"
        )
    return tuple(attempts)


def _known(name: str) -> str:
    """The variable of this name. Raises `PipelineError` for one that is no setting, or none that makes another release."""
    variable, fields = name.upper(), {f"{PREFIX}{field.upper()}": field for field in Settings.model_fields}
    tried = [f"{PREFIX}{field.upper()}" for field in CAN_BE_TRIED]
    if variable in tried:
        return variable
    if variable in fields:
        raise PipelineError(f"{variable} makes no other release, so there is nothing to compare; try {', '.join(tried)}")
    close = difflib.get_close_matches(f"{PREFIX}{variable.removeprefix(PREFIX)}", tried, n=1, cutoff=0.75)
    hint = f"did you mean {close[0]}?" if close else f"these can be tried: {', '.join(tried)}"
    raise PipelineError(f"{name!r} is no setting; {hint}")


def _planned(now: Planned, changed: Mapping[str, str]) -> Planned:
    """One attempt, looked at as far as can be without building it. Raises `PipelineError` for what cannot be."""
    name = ", ".join(f"{variable}={value}" for variable, value in changed.items())
    unchanged = {field: getattr(now.settings, field) for field in Settings.model_fields}
    values = {variable.removeprefix(PREFIX).lower(): value for variable, value in changed.items()}
    settings = settings_of(unchanged | values, lambda setting: f"{PREFIX}{setting.upper()}")
    contracts = now.contracts
    if settings.contracts != now.settings.contracts:
        contracts = read_contracts(settings.contracts)
        _refuse_other_rows(now.contracts, contracts)
    chunkers_of(settings, contracts)
    retrieval_of(settings)
    return Planned(name, changed, settings, contracts)


def _refuse_other_rows(now: tuple[Contract, ...], variant: tuple[Contract, ...]) -> None:
    """Documents are those that are stored. Raises `PipelineError` for a contract by which other ones would be."""
    before, after = ({one.source: one for one in side} for side in (now, variant))
    if odd := sorted(before.keys() ^ after.keys()):
        where = variant[0].file.parent
        raise PipelineError(f"{where} and {now[0].file.parent} differ by {odd[0]}; a try needs the same sources in both")
    for source, one in after.items():
        if one.fingerprint != before[source].fingerprint:
            raise PipelineError(
                f"{one.file} accepts other rows than {before[source].file}, or keeps other things of them. A try reads the "
                f"documents that are stored, so a variant may say how they are cut ({', '.join(CUT_PROPERTIES)}) and "
                "nothing else that decides about rows; undo the rest"
            )
