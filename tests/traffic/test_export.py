"""What OpenSearch's tools get: the names of UBI, and nothing that is not in the tables."""

import json
import stat
from datetime import timedelta
from pathlib import Path

import pytest

from rag_pipeline.errors import PipelineError
from rag_pipeline.home import Home
from rag_pipeline.traffic.export import export_ubi
from rag_pipeline.traffic.ingest import ingest
from rag_pipeline.traffic.rows import KEY
from tests.support.asked_rows import NOW, asked, segment, verdict


def test_queries_and_verdicts_have_the_names_of_ubi(home: Home, tmp_path: Path) -> None:
    rows = [asked(number) for number in range(3)]
    segment(home, rows, 1)
    segment(
        home, [verdict(rows[2]["query_id"], object_id=f"{1:032x}", action_name="not_useful", reason="stale")], 2, "feedback"
    )
    for kind in KEY:
        ingest(home, kind, NOW + timedelta(hours=1), days=90)
    assert export_ubi(home, tmp_path / "ubi") == {"ubi_queries.jsonl": 3, "ubi_events.jsonl": 1}
    queries = [json.loads(line) for line in (tmp_path / "ubi" / "ubi_queries.jsonl").read_text().splitlines()]
    assert [one["query_id"] for one in queries] == [row["query_id"] for row in rows]
    assert queries[2]["user_query"] == "how do I copy folder 2"
    assert queries[2]["query_response_hit_ids"] == rows[2]["query_response_hit_ids"]
    assert queries[2]["query_attributes"]["mode"] == "dense"
    [event] = [json.loads(line) for line in (tmp_path / "ubi" / "ubi_events.jsonl").read_text().splitlines()]
    assert (event["action_name"], event["query_id"]) == ("not_useful", rows[2]["query_id"])
    assert event["event_attributes"]["object"]["object_id"] == f"{1:032x}"
    assert stat.S_IMODE((tmp_path / "ubi" / "ubi_queries.jsonl").stat().st_mode) == 0o600
    with pytest.raises(PipelineError, match=r"ubi_queries\.jsonl exists and is not overwritten"):
        export_ubi(home, tmp_path / "ubi")
