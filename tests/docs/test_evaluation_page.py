"""docs/evaluation.md lists every metric that a golden set may name, and no other."""

import re

from rag_pipeline.metrics.definitions import METRICS
from rag_pipeline.metrics.spans import SPAN_METRICS
from rag_pipeline.settings import PROJECT

PAGE = (PROJECT / "docs/evaluation.md").read_text(encoding="utf-8")


def test_the_table_of_metrics_is_the_registry() -> None:
    table = PAGE.split("## What is measured")[1].split("\n\n")[1]
    listed = [name for row in table.splitlines() for name in re.findall(r"`(\w+)@\w+`", row.split("|")[1])]
    assert len(listed) == len(set(listed)), "a metric stands in the table twice"
    assert set(listed) == {*METRICS, *SPAN_METRICS}
