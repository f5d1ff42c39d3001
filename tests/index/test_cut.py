"""How sources are cut, as a release's manifest and the choice of its retrieval know it."""

import json
from dataclasses import replace

from rag_pipeline.contracts.read import read_contracts
from rag_pipeline.corpus.chunking import chunkers_of
from rag_pipeline.evaluate.choose import Chooser
from rag_pipeline.files import fingerprint
from rag_pipeline.home import Home
from rag_pipeline.index.build import build_release, recipe_of
from rag_pipeline.index.manifest import CutEntry, Manifest, read_manifest
from rag_pipeline.index.recipe import recipe_now
from tests.conftest import Workspace, files_contract
from tests.support.small_releases import NOW, recipe, release_of

PAGES = {"leave.md": "# Leave\n\nThirty days."}
WIKI = CutEntry(chunker="c", tokens=60, min_tokens=0, splitter="text")


def test_a_manifest_is_as_it_always_was_where_no_contract_says_how_to_cut(home: Home) -> None:
    built = release_of(home, PAGES).manifest
    said = json.loads(home.manifest(built.id).read_text(encoding="utf-8"))
    assert "cut" not in said and said["chunker"] == built.chunker
    assert read_manifest(home.release(built.id)) == built and built.cut == {}


def test_a_manifest_keeps_how_contracts_have_their_sources_cut(home: Home) -> None:
    plain = release_of(home, PAGES).manifest
    asked = replace(recipe_of(plain), cut={"wiki": WIKI})
    home.manifest(plain.id).unlink()  # or the release of the same content would be kept
    built = build_release(home, asked, run_id="test", now=NOW).manifest
    assert read_manifest(home.release(built.id)).cut == {"wiki": WIKI}
    assert recipe_of(built) == asked
    assert built.fingerprint == plain.fingerprint, "it is of what is served, however that was cut"
    assert Manifest.model_validate_json(built.model_dump_json()) == built


def test_the_recipe_names_the_sources_whose_contracts_say_it(workspace: Workspace) -> None:
    said = [{"property": "chunkTokens", "value": 60}, {"property": "chunkSplitter", "value": "text"}]
    workspace.contract("handbook", files_contract("pages"))
    workspace.contract("wiki", files_contract("pages", id="wiki", customProperties=said))
    contracts = read_contracts(workspace.settings.contracts)
    found, chunkers = recipe_now(workspace.settings, contracts, NOW), chunkers_of(workspace.settings, contracts)
    assert found.chunker == chunkers.default.fingerprint
    wanted = CutEntry(chunker=chunkers.of("wiki").fingerprint, tokens=60, min_tokens=0, splitter="text")
    assert found.cut == {"wiki": wanted}


def test_a_choice_of_retrieval_stands_until_a_contract_says_another_way_to_cut(home: Home) -> None:
    plain = recipe()
    chooser = Chooser(home, plain, (), None)  # type: ignore[arg-type]  # it measures nothing
    before = fingerprint(plain.model.fingerprint, plain.chunker, plain.retrieval.model_dump(mode="json"), {})
    assert chooser.made_for == before, "choices that homes hold stand"
    ways = [{}, {"wiki": WIKI}, {"handbook": WIKI}, {"wiki": WIKI.model_copy(update={"chunker": "d"})}]
    assert len({replace(chooser, recipe=replace(plain, cut=cut)).made_for for cut in ways}) == len(ways)
