"""Reads Python expressions that stand in generated code, without running them."""

from __future__ import annotations

import ast
import warnings


def parse_expression(text: str) -> ast.expr:
    """The syntax tree of ``text``, without Python's warnings about it. Raises what `ast.parse` raises."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(text, mode="eval").body
