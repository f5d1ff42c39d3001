"""Rules over several columns of a row, which the contracts beside this file name.

Each function takes nothing and returns a polars expression over the contract's columns that is true for a row that
keeps the rule. The first line of its docstring is what is said of a row that breaks it.
"""

import polars as pl


def package_holds_module() -> pl.Expr:
    """the package is not the first part of the module's name"""
    return pl.col("module").str.split(".").list.first() == pl.col("package")
