import numpy as np
import torch

from tests.corpus.small import real_encoder, real_model

TEXTS = [("word " * length).strip() for length in (1, 300, 2, 40, 3, 150, 5, 90)] * 8 + [f"question {n}?" for n in range(60)]


def test_vectors_are_those_of_a_plain_encode_call() -> None:
    from sentence_transformers import SentenceTransformer

    plain = SentenceTransformer(str(real_model().folder), device="cpu", local_files_only=True).encode(TEXTS)
    plain = plain / np.linalg.norm(plain, axis=1, keepdims=True)
    assert np.sum(real_encoder().documents(TEXTS) * plain, axis=1).min() > 0.99999


def test_batches_beside_each_other_leave_the_callers_threads_alone() -> None:
    before = torch.get_num_threads()
    real_encoder().documents(TEXTS)
    assert torch.get_num_threads() == before


def test_many_calls_at_once_give_what_one_gives() -> None:
    """A tokenizer that is set up while another thread uses it raises `Already borrowed`."""
    from concurrent.futures import ThreadPoolExecutor

    wanted = real_encoder().queries(TEXTS)
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: real_encoder().queries(TEXTS), range(8)):
            assert np.sum(found * wanted, axis=1).min() > 0.99999
