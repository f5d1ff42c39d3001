"""Importing torch: as little of it as runs a kept graph, or all of it with sentence-transformers."""

import importlib
from types import ModuleType

from rag_pipeline.process import import_without, import_without_gc

_NOT_FOR_GRAPHS = "torch._meta_registrations"
"""Calculates the shapes of tensors without values, for compilers and exports: a quarter of what importing torch takes."""


def torch_alone() -> ModuleType:
    """torch, to run a graph that was kept. In a process that is not prepared it is imported whole."""
    with import_without_gc("torch"), import_without(_NOT_FOR_GRAPHS):
        return importlib.import_module("torch")


def whole_torch() -> ModuleType:
    """torch, and what `torch_alone` left out of it."""
    torch = importlib.import_module("torch")
    importlib.import_module(_NOT_FOR_GRAPHS)
    return torch


def sentence_transformers() -> ModuleType:
    """sentence-transformers, upon all of torch, also where a graph was run before."""
    with import_without_gc("sentence_transformers"):
        whole_torch()
        return importlib.import_module("sentence_transformers")
