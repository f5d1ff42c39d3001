"""What help and docs/commands.md say of a command beside its own words: examples, and what `--json` prints."""

from dataclasses import dataclass

from rag_pipeline.cli.canary_examples import CANARY


@dataclass(frozen=True, slots=True)
class Help:
    """`examples`: lines as people type them. `json`: the fields of the object, in Markdown."""

    examples: tuple[str, ...]
    json: str


HELP = {
    "init": Help(
        (
            "rag init handbook",
            "rag init handbook --from ~/pages --owner ana@example.com",
            "rag init helpdesk --from postgresql://db.example.com/helpdesk --table articles",
        ),
        "`project`, `written`, `kept`, `notes`, `next`",
    ),
    "refresh": Help(
        ("rag refresh", "rag refresh --source handbook", "rag refresh --no-promote"),
        "`run_id`, `success`, `refused` (only the gate said no, nothing else failed), `sources`, `chunks`, "
        "`texts_embedded`, `texts_reused`, `release`, `built`, `verdict`, `metrics`, `promoted`, `held` (who holds "
        "production, and why; empty when nobody does), `production`, `failed_checks`, `errors`, `says`, `stages` "
        "(`load`, `chunk`, `embed`, `build`, `evaluate`, `promote` → seconds), `seconds`",
    ),
    "query": Help(
        ('rag query "how many days of vacation do I get" --k 3', 'rag query "error E1042" --mode lexical --json'),
        "`release`, `mode`, `took_ms`, `hits`: `rank`, `chunk_id`, `document_id`, `source`, `score`, `text`, `title`, "
        "`uri`, `start`, `end`, `heading`, `metadata`",
    ),
    "answer": Help(
        ('rag answer "how many days of vacation do I get"', 'rag answer "may I fly" --channel staging --json'),
        "`release`, `mode`, `took_ms`, `refused` (why there is no answer, or null), `words` and `meaning` (how well the "
        "passages support one; null without a vector), `bounds`, `version` (that the channel names), `sentences`: `text`, "
        "`support`, `citations`: `chunk_id`, `document_id`, `quote`, `start`, `end`; `hits` (as `rag query`)",
    ),
    "answers version": Help(
        ("rag answers version",),
        "`id`, `made_of`, `kept` (ids, the latest last), `channels`: name → id, or null for whole sentences",
    ),
    "answers evaluate": Help(
        ("rag answers evaluate", "rag answers evaluate VERSION --channel staging"),
        "`version`, `release`, `figures`, `outcome`, `reasons`, `evidence`",
    ),
    "status": Help(
        ("rag status",),
        "`home`, `channels`, `anchors`, `frozen`: channel → why; `damaged_channels`, `unfinished_channels`, `sources` "
        "(with `late_because`, `values_from_the_future`), `lost_commits`: table → what, `damaged`, `clock_doubt`, "
        "`may_hold_erased` (kept releases built before the last erasure), `candidate`; `runs`: `run_id`, `job`, "
        "`status`, `since`, `started_by`, `alive` (null: not a run of this pipeline), `process`, `waiting`, `next`; "
        "`alerts` (as `rag alerts show`)",
    ),
    "releases": Help(
        ("rag releases",),
        "`releases`: `release`, `fingerprint`, `created_at`, `documents`, `chunks`, `bytes`, `channels`, `anchor_of`, "
        "`verdict` (the last word on it), `primary`: golden set → `metric`, `value`; `figures` (the same in words), "
        "`promoted_by`",
    ),
    "try": Help(
        (
            "rag try --set RAG_CHUNK_TOKENS=128,256",
            "rag try --set RAG_CHUNK_TOKENS=128,256 --set RAG_RETRIEVAL=dense,hybrid",
            "rag try --list",
        ),
        "`id`, `at`, `run_id`, `seconds`, `confidence`, `report`, `attempts`: `name`, `changed`, `retrieves`, `documents`, "
        "`chunks`, `size_bytes`, `cut_seconds`, `texts`, `embedded`, `embed_seconds`, `build_seconds`, `users`, `p50_ms`, "
        "`p95_ms`, `problem`, `golden_sets` with `primary` and `recall`: `metric`, `value`, `difference` (`mean`, `lower`, "
        "`upper`, `reads_as`); with `--list`: `tries`: `id`, `at`, `attempts`, `says`",
    ),
    "evaluate": Help(
        (
            "rag evaluate",
            "rag evaluate --release ID",
        ),
        "`release`, `mode`, `golden_sets`, `modes` (what every way to retrieve would give), `latency_ms`, `verdict`, "
        "`reasons`, `warnings`, `notes`",
    ),
    "promote": Help(
        (
            'rag promote ID --by ana --reason "good again"',
            "rag promote --from staging",
            'rag promote --answers VERSION --by ana --reason "shorter sentences"',
        ),
        "`channel`, `release`, `previous`, `moved`, `answers` (the version it names), `override`, `run_id`",
    ),
    "rollback": Help(
        ('rag rollback --by ana --reason "wrong prices"',),
        "as `rag promote`",
    ),
    "resume": Help(
        ('rag resume --by ana --reason "prices fixed"',),
        "`channel`, `release`, `run_id`",
    ),
    "anchor": Help(
        (
            "rag anchor",
            'rag anchor ID --by ana --reason "new handbook"',
        ),
        "`channel`, `anchor`: `release`, `at`, `by`, `why`; `before`, `says` (what it gains or loses against the one "
        "before)",
    ),
    "verify": Help(
        (
            "rag verify",
            "rag verify --repair",
        ),
        "`releases`: id → `intact`, `problems`; `damaged_channels`; `unfinished_channels` (a process died in the middle "
        "of a move; no damage); `taken_as_they_are`; `answer_versions`: changed or gone ones → what to do; `strays`: files "
        "below `evidence/` that no evaluation wrote, which are ignored; `tables`: table → `intact`, `problems`, `lost`; "
        "`repaired`: release → its twin, channel → its release",
    ),
    "trace": Help(
        ("rag trace CHUNK_ID",),
        "`chunk`, `document`, `row`, `contract`, `run`, `models`, `releases`; a step that is no longer known is null",
    ),
    "report": Help(
        (
            "rag report",
            "rag report --channel production",
            "rag report --serve",
        ),
        "`release`, `channel`, `verdict`, `path`",
    ),
    "contract new": Help(
        (
            "rag contract new ~/pages",
            'rag contract new "postgresql://db.example.com/shop" --table articles',
        ),
        "`source`, `file`, `looked_at`: `rows`, `unreadable`, `whole`, `says`; `columns`: `name`, `type`, `role`, "
        "`required`, `privacy`; `would_refuse`, `decide`, `next`",
    ),
    "contract check": Help(
        (
            "rag contract check",
            "rag contract check handbook --data",
        ),
        "`contracts`: file → `valid`, `problem`, with `--data` also `data`: `fits`, `problems`, `listed`, `rows`, "
        "`whole`, `refused_rows`, `refused`: reason → rows; `repeated_keys`, `unreadable`, `missing_columns`, "
        "`unknown_columns`; `broken_connectors`: name → problem",
    ),
    "contract diff": Help(
        ("rag contract diff",),
        "`compared_with`, `changed`: source → `old_version`, `new_version`, `changes` (`kind`, `field`, `message`), "
        "`needs`, `announced`; `added`, `removed`, `announced`",
    ),
    "golden new": Help(
        ("rag golden new first --queries 60",),
        "`golden_set`, `folder`, `queries`, `probes`, `sources`, `usable`, `looked_at`, `left_out`: reason → how many; "
        "`examples`: `query`, `text`, `document`; `next`",
    ),
    "golden judge": Help(
        ("rag golden judge first --by ana --limit 20", "rag golden judge first --answers"),
        "`golden_set`, `release`, `judge`, `judged`, `skipped`, `left`, `queries_looked_at`, `queries`",
    ),
    "golden probes": Help(
        ("rag golden probes first",),
        "`golden_set`, `file`, `probes`, `sources`, `made_from`: kind → how many; `examples`: `text`, `document`",
    ),
    "golden check": Help(
        ("rag golden check first",),
        "`golden_sets`: name → `queries`, `judgments`, `probes`, `to_pass_a_release`: `needed` (judged queries; null "
        "where none is asked or none would do), `says`, `small_slices`; `findings`: `level` (`error`, `warning`, "
        "`note`), `kind`, `where` (file:line), `query`, `says`",
    ),
    "golden answers": Help(
        ("rag golden answers", "rag golden answers handbook --keep", "rag golden answers --page"),
        "`release`, `bounds` and `proposed`: `meaning`, `words`; `kept`, `golden_sets`: name → `questions`, `found` (their "
        "passage was retrieved), `unanswerable`, `citations`, `valid_citations`, and as shares, or null: `refused_wrongly`, "
        "`refused_rightly`, `right_sentence`, `quote_precision`, `quote_recall`, `reference_f1`, `reference_exact`, "
        "`reference_held` (of `with_reference`); `retrieve_ms`, `answer_ms`, `p50_ms`, `p95_ms`, `usd`; `page` (`--page`)",
    ),
    "embed bench": Help(
        (
            "rag embed bench",
            "rag embed bench --way onnx/fp32",
        ),
        "`chunks`, `queries`, `margin`, `results`: `backend`, `precision`, `problem`, `texts_per_second`, `speed`, "
        "`cosine_mean`, `cosine_least`, `overlap_at_10`, `ndcg`, `change`: `mean`, `lower`, `upper`; `undecided`, `set`",
    ),
    "quarantine list": Help(
        ("rag quarantine list --source handbook",),
        "`rows`: `quarantine_id`, `source`, `item`, `row`, `kind`, `status`, `reasons`, `contract_version`, `run_id`, "
        "`first_seen_at`",
    ),
    "quarantine show": Help(
        ("rag quarantine show ID",),
        "the same, and `raw`",
    ),
    "quarantine retry": Help(
        ("rag quarantine retry handbook",),
        "`source`, `items_read`, `resolved`, `open`, `run_id`, `success`",
    ),
    "alerts show": Help(
        ("rag alerts show",),
        "`on`, `receivers`, `looked_at`, `causes`: `what`, `since`, `told`; `troubles`: `receiver`, `says`, `since`, "
        "`tries`, `again`",
    ),
    "alerts send": Help(
        ("rag refresh; rag alerts send",),
        "`sent`, `waiting`, `troubles`, `causes`",
    ),
    "alerts test": Help(("rag alerts test",), "`receivers`: receiver → `sent`, or why not"),
    "gc": Help(
        (
            "rag gc --dry-run",
            "rag gc",
        ),
        "`kept`: id → why, `removed`, `removed_bytes`, `vectors`, `query_vectors`, `table_files`, `leftovers`, "
        "`exports`, `views`, `scratch`, `reports`, `tries`, `files` (of tables, below `RAG_HOME`), `dry_run`, "
        "`clock_doubt`, `run_id`",
    ),
    "export": Help(
        (
            "rag export ~/handbook-index",
            "rag export ~/canary-index --channel canary",
        ),
        "`release`, `channel`, `path`, `files`, `bytes`",
    ),
    "serve": Help(
        (
            "rag serve",
            "rag serve --no-auth",
            "rag serve --channel production --channel staging --port 8000",
        ),
        "once it listens: `url`, `metrics` (addresses of requests and of metrics), `pid`; the log is JSON always, on stderr",
    ),
    "mcp": Help(("rag mcp",), "none: stdout belongs to the agent"),
    "key new": Help(
        (
            "rag key new --name intranet",
            "rag key new --name people-desk --reads public,hr",
            "rag key new --name tuning --may search,mode,channel:staging --days 7",
        ),
        "`key` (shown this once), `id`, `name`, `may`, `reads`, `created_at`, `expires_at`",
    ),
    "key list": Help(
        ("rag key list",),
        "`keys`: `id`, `name`, `may`, `reads`, `created_at`, `expires_at`, `revoked_at`, `state` (valid, expired, revoked)",
    ),
    "key revoke": Help(
        ("rag key revoke k_1f2e3d4c",),
        "the key as `rag key list` shows it",
    ),
    "traffic ingest": Help(
        ("rag traffic ingest",),
        "`queries` and `feedback`, each with `rows`, `known`, `segments`, `lost`, `emptied`, `damaged`, `longest_wait_s`",
    ),
    "traffic evidence": Help(("rag traffic evidence",), "`evidence` (what was served), `enough`, `reasons`"),
    "traffic queue": Help(
        ("rag traffic queue --questions 200",), "`folder`, `questions`, `of`, `strata` (name -> how many)"
    ),
    "traffic golden": Help(
        ("rag traffic golden traffic",),
        "`golden_set`, `release`, `sets` (name -> questions), `answered`, `unanswered`, `missing`, `probes`, `agreement`",
    ),
    "traffic page": Help(("rag traffic page",), "`path`, `questions`"),
    "traffic export": Help(
        ("rag traffic export /tmp/ubi", "rag traffic export /tmp/ubi --days 7"),
        "`folder`, `rows` (file -> how many)",
    ),
    "erase": Help(
        ("rag erase handbook/leave.md",),
        "`noted`, `still_stored`, `may_hold_erased`",
    ),
    "withdraw": Help(
        (
            "rag withdraw handbook/leave.md --by ana --reason 'last year it was thirty days'",
            "rag withdraw handbook/leave.md --restore --by ana --reason 'it is corrected'",
            "rag withdraw",
        ),
        "`action` (withdrawn, restored), `document_id`, `by`, `why`, `at`; without a document `withdrawn`: the same of each",
    ),
    **{name: Help(*said) for name, said in CANARY.items()},
}
"""Every command by its name."""


def epilog(command: str) -> str:
    """What stands below the help of a command, in Markdown; empty for one without examples."""
    found = HELP.get(command)
    return _examples(found.examples) if found else ""


def first_steps() -> str:
    """What stands below `rag --help`, in Markdown."""
    lines = ("rag init handbook --from ~/pages", "cd handbook", "rag refresh", 'rag query "a question"', "dg dev")
    return _examples(lines)


def _examples(lines: tuple[str, ...]) -> str:
    return "\n\n".join(["Examples:", *(f"`{line}`" for line in lines)])
