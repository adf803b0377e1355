"""What a sub-kernel's ``@triton_heuristics`` decorator says, read from its source without running it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping

from .definitions import parameters_of
from .expressions import parse_expression
from .model import KernelMetadata

_DECORATOR = re.compile(r"^@triton_heuristics\.(\w+)\(", re.MULTILINE)
_JIT = re.compile(r"^@triton\.jit", re.MULTILINE)
_LONGEST = 1_000_000
# Python refuses to print very long integers; torch writes none that does not fit a machine word.
_INTEGER_BITS = 64
# Keywords that have a field of their own in KernelMetadata.
_SHOWN = frozenset({"signature", "device", "num_load", "num_store", "num_reduction", "mutated_arg_names"})
_SHOWN |= {"persistent_reduction", "grid_type"}

_Value = str | int | float | bool | None | list["_Value"] | dict["str | int", "_Value"]


def read_metadata(source: str) -> KernelMetadata:
    """Metadata of the kernel in ``source`` (torch 2.3 to 2.13); empty where the decorator is missing or broken."""
    name, keywords = _decorator(source)
    triton_meta = _mapping(keywords.get("triton_meta"))
    inductor_meta = _mapping(keywords.get("inductor_meta"))
    hint = keywords.get("reduction_hint")
    mutated = inductor_meta.get("mutated_arg_names")
    return KernelMetadata(
        decorator=name,
        size_hints=_size_hints(keywords.get("size_hints")),
        reduction_hint=hint.rpartition(".")[2] if isinstance(hint, str) else None,
        signature=_signature(_mapping(triton_meta.get("signature")), parameters_of(source)),
        loads=_integer(inductor_meta.get("num_load")),
        stores=_integer(inductor_meta.get("num_store")),
        reductions=_integer(inductor_meta.get("num_reduction")),
        mutated=tuple(map(str, mutated)) if isinstance(mutated, list) else (),
        persistent=_boolean(inductor_meta.get("persistent_reduction")),
        grid_type=_text(inductor_meta.get("grid_type")),
        device=tuple((str(key), _plain(value)) for key, value in _device(triton_meta.get("device")).items()),
        other=tuple(_other(triton_meta, inductor_meta)),
    )


def _decorator(source: str) -> tuple[str, Mapping[str, _Value]]:
    begin = _DECORATOR.search(source)
    end = _JIT.search(source, begin.end()) if begin else None
    if begin is None or end is None or end.start() - begin.start() > _LONGEST:
        return "", {}
    try:
        tree = parse_expression(source[begin.start() + 1 : end.start()].strip())
        if not isinstance(tree, ast.Call):
            return begin[1], {}
        return begin[1], {keyword.arg: _value(keyword.value) for keyword in tree.keywords if keyword.arg}
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return begin[1], {}


def _value(node: ast.expr) -> _Value:
    """Literals as themselves, ``Call(a=1)`` as a mapping of its keywords, any other expression as its text."""
    match node:
        case ast.Constant(value=int() as value) if value.bit_length() > _INTEGER_BITS:
            return hex(value)
        case ast.Constant(value=str() | bool() | int() | float() | None as value):
            return value
        case ast.List(elts=items) | ast.Tuple(elts=items) | ast.Set(elts=items):
            return [_value(item) for item in items]
        case ast.Dict(keys=keys, values=values):
            return {_key(key): _value(value) for key, value in zip(keys, values, strict=True) if key is not None}
        case ast.Call(args=[], keywords=keywords) if keywords:
            return {keyword.arg: _value(keyword.value) for keyword in keywords if keyword.arg}
        case _:
            return ast.unparse(node)


def _key(node: ast.expr) -> str | int:
    if isinstance(node, ast.Constant) and isinstance(node.value, str | int):
        return node.value
    return ast.unparse(node)


def _signature(written: Mapping[str | int, _Value], parameters: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Torch up to 2.5 numbers the parameters instead of naming them."""
    named = (
        (parameters[key] if isinstance(key, int) and 0 <= key < len(parameters) else key, written[key])
        for key in written
    )
    return tuple((str(name), str(kind)) for name, kind in named)


def _mapping(value: _Value) -> Mapping[str | int, _Value]:
    return value if isinstance(value, dict) else {}


def _device(value: _Value) -> Mapping[str | int, _Value]:
    """``DeviceProperties(type='cuda', …)``; torch 2.3 writes the bare device index."""
    return value if isinstance(value, dict) else {} if value is None else {"index": value}


def _size_hints(value: _Value) -> tuple[tuple[str, int], ...]:
    """Powers of two per range tree; torch up to 2.5 writes them as a list: x (y, z) first, the reduction last."""
    if isinstance(value, dict):
        return tuple((str(name), size) for name, size in value.items() if isinstance(size, int))
    if not isinstance(value, list):
        return ()
    names = [*"xyz"[: len(value) - 1], "r"]
    return tuple((name, size) for name, size in zip(names, value, strict=False) if isinstance(size, int))


def _other(*metas: Mapping[str | int, _Value]) -> Iterable[tuple[str, str]]:
    for meta in metas:
        for key, value in meta.items():
            if key not in _SHOWN:
                yield str(key), value if isinstance(value, str) else repr(value)


def _integer(value: _Value) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _boolean(value: _Value) -> bool | None:
    return value if isinstance(value, bool) else None


def _text(value: _Value) -> str | None:
    return value if isinstance(value, str) else None


def _plain(value: _Value) -> str | int | None:
    return value if isinstance(value, str | int) or value is None else repr(value)
