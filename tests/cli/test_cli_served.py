"""`rag traffic evidence`, as people type it."""

import pytest

from rag_pipeline.traffic.evidence_store import files
from tests.support.command_line import as_json, rag
from tests.support.office import Office, office
from tests.support.served_before import demanding, few, fingerprint_of

__all__ = ["few", "office"]


def test_what_was_served_is_told_kept_and_held_against_the_policy(
    office: Office, few: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("home", "contracts", "evals"):
        monkeypatch.setenv(f"RAG_{name.upper()}", str(getattr(office.workspace.settings, name)))

    def run(*words: str) -> tuple[int, str, str]:
        return rag(monkeypatch, capsys, "traffic", "evidence", *words)

    code, out, _ = run()
    told = " ".join(out.split())
    assert code == 0 and f"{few} on canary, before production: " in told
    assert "It is not enough: too little was served" in told and "(gate.yaml:" in told
    code, out, _ = run(few, "--json")
    said = as_json(out)
    assert (code, said["enough"], said["evidence"]["release"]) == (0, False, few)
    assert len(files(office.home, fingerprint_of(office, few))) == 2
    code, _, err = run("--channel", "canary")
    assert code != 0 and "demands no traffic before canary" in " ".join(err.split())
    demanding(office, removed=True)
    assert "demands no traffic before production" in " ".join(run()[2].split())
