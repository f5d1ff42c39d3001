"""A process that ran a graph with little of torch still gets all of it: in one of its own, as imports are the subject."""

import subprocess
import sys

SHAPE = """
from rag_pipeline.process import prepare
prepare()
from rag_pipeline.corpus.encoders.torch_parts import torch_alone, whole_torch
torch = torch_alone()
left_out = "torch._meta_registrations" not in __import__("sys").modules
kept = torch.nn.functional.linear(torch.ones(2, 3), torch.ones(4, 3)).sum().item()
whole = whole_torch()
assert whole is torch
meta = torch.nn.functional.conv2d(torch.ones(1, 1, 5, 5, device="meta"), torch.ones(1, 1, 3, 3, device="meta"))
print(left_out, kept, tuple(meta.shape), type(torch._meta_registrations).__name__)
"""


def test_what_was_left_out_comes_back() -> None:
    done = subprocess.run([sys.executable, "-c", SHAPE], capture_output=True, text=True, check=False)
    assert done.stdout.split("\n")[0] == "True 24.0 (1, 1, 3, 3) module", done.stderr
