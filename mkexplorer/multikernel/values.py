"""Users' constants and block sizes as Python's own values, as its source, and as JSON can hold them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import isfinite
from typing import Any


def plain(value: Any) -> Any:
    """A value as Python's own number or text, where that is what it stands for: numpy's, Triton's, an IntEnum's.

    A tuple or a mapping has plain values in it then.
    """
    if type(value).__name__ == "constexpr":
        return plain(value.value)
    if type(value).__module__ == "numpy" and getattr(value, "shape", None) == ():
        return value.item()
    if type(value) is tuple:
        return tuple(map(plain, value))
    if isinstance(value, Mapping):
        return {name: plain(each) for name, each in value.items()}
    if isinstance(value, str):
        return str.__str__(value)  # not that of a StrEnum or the like, which may say more
    if isinstance(value, int | float) and not isinstance(value, bool):
        return int(value) if isinstance(value, int) else float(value)
    return value


def encoded(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration as JSON can hold it: what is neither a number nor a text, such as a dtype, by its source.

    Nothing comes back from that: what is read is to be compared with what is encoded.
    """
    return {name: _encoded(plain(value)) for name, value in configuration.items()}


def literal(value: object) -> str:
    """``value`` as Python's source, where a file can hold it; else what its ``repr`` says."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key!r}: {literal(each)}" for key, each in value.items()) + "}"
    if type(value) is tuple:
        return tuple_text(map(literal, value))
    if isinstance(value, list):
        return "[" + ", ".join(map(literal, value)) + "]"
    if isinstance(value, float) and not isfinite(value):
        return f"float('{value}')"
    return repr(value)


def tuple_text(parts: Iterable[str]) -> str:
    listed = list(parts)
    return f"({listed[0]},)" if len(listed) == 1 else f"({', '.join(listed)})"


def is_literal(value: object) -> bool:
    """Whether `literal` tells it; not so of what only behaves like a tuple, whose items have names."""
    if type(value) is tuple:
        return all(map(is_literal, value))
    return type(value) in (type(None), str, int, float, bool) or is_dtype(value, "triton") or is_dtype(value, "torch")


def is_dtype(value: object, package: str) -> bool:
    return type(value).__name__ == "dtype" and type(value).__module__.partition(".")[0] == package


def _encoded(value: Any) -> Any:
    is_plain = value is None or isinstance(value, str | int) or (isinstance(value, float) and isfinite(value))
    return value if is_plain else literal(value)
