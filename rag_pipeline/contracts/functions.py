"""Rules over several columns: named functions in `checks.py` beside the contracts.

Such a function takes nothing and returns a polars expression over the contract's columns, which is true for a row that keeps
the rule (or null: nothing to judge). The first line of its docstring is the reason that a refused row carries.
"""

import hashlib
import importlib.util
import inspect
from collections.abc import Callable
from functools import cache
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

import polars as pl

from rag_pipeline.errors import ContractError

FILE = "checks.py"


def row_rule(folder: Path, name: str) -> tuple[pl.Expr, str]:
    """The expression and the message of a named function.

    Raises `ContractError` when there is no such file or function, or it gives no expression.
    """
    path = folder / FILE
    functions = _functions(path)
    if name not in functions:
        known = ", ".join(sorted(functions)) or "none yet"
        raise ContractError(f"{path}: no function {name!r}; known: {known}")
    try:
        expression = functions[name]()
    except Exception as error:  # the owner's own code
        raise ContractError(f"{path}: {name}() raised {type(error).__name__}: {error}") from error
    if not isinstance(expression, pl.Expr):
        raise ContractError(f"{path}: {name}() returns a {type(expression).__name__}, not a polars expression")
    says = (inspect.getdoc(functions[name]) or "").strip().splitlines()
    return expression, says[0].rstrip(".") if says else f"breaks {name}"


def source_of(path: Path) -> str:
    """Fingerprint of the file, so that rows are judged again when a rule in it changes."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def _functions(path: Path) -> dict[str, Callable[[], object]]:
    if not path.is_file():
        raise ContractError(f"{path}: no such file; rules of type custom are functions in it")
    module = _module(path, path.read_bytes())
    return {
        name: value
        for name, value in vars(module).items()
        if not name.startswith("_") and inspect.isfunction(value) and value.__module__ == module.__name__
    }


@cache
def _module(path: Path, code: bytes) -> ModuleType:
    module = importlib.util.module_from_spec(ModuleSpec("rag_contract_checks", loader=None, origin=str(path)))
    try:
        exec(compile(code, str(path), "exec"), vars(module))
    except SyntaxError as error:
        raise ContractError(f"{path}:{error.lineno or 1}: not valid Python: {error.msg}") from error
    except Exception as error:  # the owner's own code
        raise ContractError(f"{path}: cannot be loaded: {type(error).__name__}: {error}") from error
    return module
