"""Keys and groups that several files of `defs/` use, as they are without a prefix (`host/names.py` puts it on)."""

CHUNKS, EMBEDDINGS = ["corpus", "chunks"], ["corpus", "embeddings"]
CANDIDATE, EVALUATION = ["index", "candidate"], ["index", "evaluation"]
PRODUCTION, PRODUCTION_EVALUATION = ["index", "production"], ["index", "production_evaluation"]
KEPT_RELEASES = ["index", "kept_releases"]
CANARY_VERDICT = ["index", "canary_verdict"]

REPLICAS, ANSWERS = ["serving", "replicas"], ["serving", "answers"]

CORPUS_GROUP, EVALS_GROUP, INDEX_GROUP, SERVING_GROUP, TRAFFIC_GROUP = "corpus", "evals", "index", "serving", "traffic"
"""Groups of the graph; each source is a group of its own, named after it."""


def documents(source: str) -> list[str]:
    return [source, "documents"]


def quarantine(source: str) -> list[str]:
    return [source, "quarantine"]


def golden_set(name: str) -> list[str]:
    return ["evals", name]


def channel_key(name: str) -> list[str]:
    """The asset that moves a channel; `production` is one."""
    return ["index", name]


def traffic_key(table: str) -> list[str]:
    return [TRAFFIC_GROUP, table]
