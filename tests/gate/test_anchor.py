"""The anchor of a channel: many small losses are stopped, growth is not punished, and a person or a gain moves it on."""

import json
import shutil
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from rag_pipeline.channels.audit import moves, settle
from rag_pipeline.channels.audit_rows import audit_table, channel_of
from rag_pipeline.channels.pointer import Anchor, Channel, read_channel, write_pointer
from rag_pipeline.channels.restore import restore_channel
from rag_pipeline.errors import PipelineError, PromotionRefused, ReleaseError
from rag_pipeline.evaluate.evidence_store import newest
from rag_pipeline.gate.anchor import Documents, anchor_of
from rag_pipeline.index.manifest import read_manifest
from rag_pipeline.release.promote import Promotion, judge, promote
from rag_pipeline.release.request import PromotionRequest
from rag_pipeline.release.retention import collect, kept_releases
from tests.conftest import Workspace, files_contract
from tests.support.office import Office
from tests.support.small_releases import NOW, SMALL, release_of

COUNT = 40
LENIENT = {
    "metric": "nDCG@10",
    "margin": 0.2,
    "guard_margin": None,
    "hit_to_miss_max_percent": 50,
    "anchor": {"margin": 0.2},
}
"""Of forty questions a night may lose five; all nights together may not."""


def page(number: int) -> str:
    return f"# Page\n\nmarmot{number} otter{number} badger{number}"


def pages(*emptied: int, found: Iterable[int] = range(COUNT), more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Every question has its page; of those that are emptied nothing is left that answers it."""
    texts = {f"{number:02}.md": "# Page\n\nnothing" if number in emptied else page(number) for number in found}
    return texts | {f"{name}.md": text for name, text in (more or {}).items()}


def at(night: int) -> datetime:
    return NOW + timedelta(days=night)


class Nights(Office):
    """A corpus of forty pages, a question each, and a policy under which a lost answer passes."""

    def night(self, number: int, texts: dict[str, str], **how: object) -> str:
        """Build and measure a release of this night."""
        release = release_of(self.home, texts, now=at(number)).manifest.id
        self.evaluate(release, at(number))
        return release

    def move(self, release: str, night: int, **how: object) -> Promotion:
        said = {"by": "nightly", "why": "refresh", **how}
        return promote(self.inputs(at(night)), PromotionRequest(release, **said), run_id="run")  # type: ignore[arg-type]

    @property
    def channel(self) -> Channel:
        found = read_channel(self.home, "production")
        assert found
        return found

    @property
    def anchor(self) -> Anchor:
        found = anchor_of(self.home, "production", settle(self.home, "production"))
        assert found
        return found


@pytest.fixture(scope="module")
def first_night(tmp_path_factory: pytest.TempPathFactory) -> Nights:
    workspace = Workspace(tmp_path_factory.mktemp("anchored") / "pipeline")
    workspace.root.mkdir()
    workspace.contract("handbook", files_contract(workspace.pages({})))
    workspace.golden("animals", {f"marmot{one} otter{one} badger{one}": [f"handbook/{one:02}.md"] for one in range(COUNT)})
    workspace.policy({"animals": {"floors": {}, "not_worse": LENIENT}}, sources_within_sla=False)
    nights = Nights(workspace, "")
    nights.first = nights.night(0, pages())
    nights.move(nights.first, 0)
    return nights


@pytest.fixture
def nights(first_night: Nights, tmp_path: Path) -> Nights:
    shutil.copytree(first_night.workspace.root, tmp_path / "copy")
    return Nights(Workspace(tmp_path / "copy"), first_night.first)


def test_the_first_release_that_is_promoted_is_the_anchor_and_its_documents_are_written_down(nights: Nights) -> None:
    anchor = nights.channel.anchor
    assert anchor and (anchor.release, anchor.by, anchor.why) == (
        nights.first,
        "nightly",
        "the first release that was promoted",
    )
    [row] = moves(nights.home, "production")
    assert channel_of(row, "production").anchor == anchor
    evidence = newest(nights.home, anchor.fingerprint)
    assert evidence and anchor.evidence == evidence.seal == nights.channel.evidence
    told = nights.home.anchor(anchor.fingerprint).read_text(encoding="ascii").split()
    assert len(told) == COUNT
    assert "handbook/07.md" in Documents(told)
    assert "handbook/77.md" not in Documents(told)
    assert "07.md" not in "".join(told), "a document's name may be a person's"


def test_small_losses_of_many_nights_are_stopped_although_each_night_passes_beside_the_one_before(nights: Nights) -> None:
    served = [nights.first]
    for night in range(1, 8):
        release = nights.night(night, pages(*range(night)))
        verdict, evidence = judge(nights.inputs(at(night)), release)
        assert evidence and evidence.compared_with == served[-1]
        if not verdict.passed:
            break
        nights.move(release, night)
        served.append(release)
    gone = collect(nights.home, keep=1, days=30, model=SMALL.fingerprint, now=at(night))
    assert nights.first in [one.id for one in gone.removed]
    assert not nights.home.release(nights.first).exists(), "the anchor needs no release"
    assert judge(nights.inputs(at(night)), release)[0] == verdict
    assert 2 < len(served) < 6, "some small losses pass, and they end"
    assert [one.line for one in verdict.reasons] == ["gate.yaml:11"]
    says = verdict.reasons[0].message
    assert "small losses of many nights add up: animals: nDCG@10 -0.1" in says
    assert f"against the anchor {nights.first}, accepted" in says
    assert f"{night} lost their answer" in says
    assert nights.anchor.release == nights.first

    with pytest.raises(PromotionRefused):
        nights.move(release, night)
    nights.move(release, night, override=True, by="ana", why="these pages are old")
    assert nights.channel.action == "overridden"
    assert (nights.anchor.release, nights.anchor.by, nights.anchor.why) == (release, "ana", "these pages are old")
    later = nights.night(night + 1, pages(*range(night + 1)))
    assert judge(nights.inputs(at(night + 1)), later)[0].passed, "small losses are counted from there on"


def test_growth_is_not_punished(nights: Nights) -> None:
    """New pages that nobody judged and that repeat the words of questions push the judged ones down."""
    new = {f"x{one}": page(one) + f" marmot{one} otter{one} badger{one}" for one in range(30)}
    release = nights.night(1, pages(more=new))
    verdict, evidence = judge(nights.inputs(at(1)), release)
    assert evidence and evidence.golden_sets["animals"].metrics["nDCG@10"] < 0.99, "the plain figures fall"
    [note] = verdict.anchor
    assert "nDCG@10 +0.0000 against the anchor" in note


def test_documents_that_vanish_count_against_the_anchor_until_their_judgments_are_taken_out(nights: Nights) -> None:
    left = range(COUNT - 2)
    served = nights.night(1, pages(found=left))
    verdict, _ = judge(nights.inputs(at(1)), served)
    assert any("2 of 40 judgments (5.0 %) lost their document or passage" in one.message for one in verdict.reasons)
    nights.workspace.golden("animals", {f"marmot{one} otter{one} badger{one}": [f"handbook/{one:02}.md"] for one in left})
    nights.evaluate(served, at(1))
    assert judge(nights.inputs(at(1)), served)[0].passed


def test_a_gain_that_is_shown_moves_the_anchor_by_itself(nights: Nights) -> None:
    nights.move(bad := nights.night(1, pages(*range(15))), 1, override=True, by="ana", why="a bad week")
    assert nights.anchor.release == bad
    good = nights.night(2, pages())
    nights.move(good, 2)
    assert nights.anchor.release == good
    assert nights.anchor.why.startswith(f"shown to be better than {bad}: animals: nDCG@10 +0.3")
    assert "over 40 queries, lower bound +0." in nights.anchor.why


def test_a_person_names_the_anchor_and_the_row_tells_what_it_costs(nights: Nights) -> None:
    nights.move(worse := nights.night(1, pages(0, 1)), 1)
    assert nights.anchor.release == nights.first
    inputs = nights.inputs(at(1))

    def name(release: str, **who: str) -> Channel:
        said = {"by": "ana", "why": "two old pages", **who}
        return inputs.anchor("production").name(release, run_id="r", now=at(1), **said)

    for who in ({"by": " "}, {"why": ""}):
        with pytest.raises(PipelineError, match=r"needs a name \(by\) and a reason \(why\)"):
            name(worse, **who)
    with pytest.raises(ReleaseError, match="nope"):
        name("nope")
    unmeasured = release_of(nights.home, pages(5), now=at(2)).manifest.id
    with pytest.raises(
        ReleaseError, match=rf"there is no evidence on it that counts; `rag evaluate --release {unmeasured}`"
    ):
        name(unmeasured)
    before = nights.channel
    done = name(worse)
    assert (done.release, done.sequence, done.action) == (before.release, before.sequence + 1, "anchored")
    assert nights.channel == done
    assert (nights.anchor.release, nights.anchor.why) == (worse, "two old pages")
    [says] = done.reasons
    assert says == f"animals: nDCG@10 -0.0500 against the anchor before, {nights.first}, over 40 queries"
    with pytest.raises(ReleaseError, match="is the anchor of production already"):
        name(worse)


def test_a_rollback_from_the_anchor_itself_goes_back_to_the_anchor_before(nights: Nights) -> None:
    nights.move(second := nights.night(1, pages(more={"more": "# More\n\nmore"})), 1)
    nights.move(bad := nights.night(2, pages(*range(10))), 2, override=True, by="ben", why="good enough")
    assert nights.anchor.release == bad
    nights.evaluate(second, at(3))
    nights.move(second, 3, named=True, withdraw=True, by="ana", why="it is not")
    assert nights.channel.release == second
    assert nights.anchor.release == nights.first, "what it was when that release was promoted"


def test_the_anchor_comes_back_with_the_channel_and_a_rollback_from_another_release_leaves_it(nights: Nights) -> None:
    nights.move(nights.night(1, pages(0)), 1)
    true = nights.home.channel("production").read_bytes()
    edited = json.loads(true)
    edited["anchor"] = edited["anchor"] | {"release": nights.channel.release}
    nights.home.channel("production").write_text(json.dumps(edited), encoding="utf-8")
    with pytest.raises(ReleaseError, match="was not written by this pipeline"):
        settle(nights.home, "production")
    restore_channel(nights.home, "production")
    assert nights.home.channel("production").read_bytes() == true
    [_, row] = sorted(audit_table(nights.home).scan().collect().to_dicts(), key=lambda one: one["sequence"])
    for forged in (None, row["anchor"].replace("nightly", "somebody")):
        with pytest.raises(ReleaseError, match="its seal does not match"):
            channel_of(row | {"anchor": forged}, "production")
    nights.evaluate(nights.first, at(2))
    nights.move(nights.first, 2, named=True, withdraw=True, by="ana", why="wrong")
    assert nights.channel.release == nights.anchor.release == nights.first


def test_an_anchor_whose_evidence_is_gone_refuses_until_a_person_names_another(nights: Nights) -> None:
    nights.move(nights.night(1, pages(0)), 1)
    for path in nights.home.evidence_on(nights.anchor.fingerprint).iterdir():
        path.unlink()
    release = nights.night(2, pages(1))
    verdict, _ = judge(nights.inputs(at(2)), release)
    assert verdict.outcome == "could not be evaluated"
    assert "the evidence it was accepted on is gone or was changed" in verdict.reasons[-1].message
    assert "`rag anchor RELEASE --by NAME --reason WHY`" in verdict.reasons[-1].message


def of_an_older_pipeline(nights: Nights) -> None:
    """As if the channel had been moved before there were anchors: in the rows and in the file."""
    table = audit_table(nights.home)
    rows = [
        channel_of(row, "production").model_copy(update={"anchor": None})
        for row in reversed(moves(nights.home, "production"))
    ]
    shutil.rmtree(table.path)
    shutil.rmtree(nights.home.anchors)
    from rag_pipeline.channels.audit_rows import record

    for row in rows:
        record(nights.home, "production", row)
    write_pointer(nights.home, "production", rows[-1])


def test_a_home_from_before_anchors_is_held_against_its_first_release_that_is_left(nights: Nights) -> None:
    nights.move(second := nights.night(1, pages(0)), 1)
    of_an_older_pipeline(nights)
    assert nights.channel.anchor is None
    assert nights.anchor.release == nights.first
    kept = {one.manifest.id: one.because for one in kept_releases(nights.home, 1)}
    assert "anchor of production" in kept[nights.first], "until the next move writes its documents down"
    first = nights.home.release(nights.first)
    first.rename(first.with_name("away"))
    assert nights.anchor.release == second, "of the first nobody knows any more what it held"
    first.with_name("away").rename(first)
    release = nights.night(2, pages(1))
    nights.move(release, 2)
    assert nights.channel.anchor and nights.channel.anchor.release == nights.first
    assert nights.home.anchor(nights.channel.anchor.fingerprint).is_file()
    assert "anchor of production" not in str([one.because for one in kept_releases(nights.home, 1)])


def test_questions_judged_or_worded_anew_since_are_left_out(nights: Nights) -> None:
    asked = {f"marmot{one} otter{one} badger{one}": [f"handbook/{one:02}.md"] for one in range(1, COUNT)}
    asked = {"otter0 badger0": ["handbook/00.md"]} | asked  # the same id asks something else by now
    new = {f"badger{one} otter{one}": [f"handbook/{one:02}.md"] for one in range(30)}
    nights.workspace.golden("animals", asked | new)
    release = nights.night(1, pages(0))
    [note] = judge(nights.inputs(at(1)), release)[0].anchor
    assert "over 39 queries" in note
    assert read_manifest(nights.home.release(release))
