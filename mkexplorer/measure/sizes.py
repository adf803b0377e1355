"""The values of the symbolic sizes in a multi-kernel's calls, from the surest source that has them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from mkexplorer.catalog import Catalog
from mkexplorer.catalog.model import CallSite, MultiKernel, ScalarArgument, Size
from mkexplorer.catalog.symbols import OpenSymbol, compiled_sizes, evaluate

_LARGEST_SIZE = 2**40
_NAME = re.compile(r"[A-Za-z_]\w*")


def symbols_of(multi_kernel: MultiKernel) -> frozenset[str]:
    """The names of the sizes that its calls leave open."""
    return frozenset().union(*map(_symbols, multi_kernel.calls))


class Sizes:
    """The values of symbols: as asked for, else as compiled, else the largest that a kernel's size hints allow."""

    def __init__(self, catalog: Catalog, multi_kernel: MultiKernel, asked: Mapping[str, int]) -> None:
        """Raises `PlaceError`."""
        self._catalog = catalog
        self._multi_kernel = multi_kernel
        is_open = any(isinstance(size, str) for call in multi_kernel.calls for size in _sizes_of(call))
        compiled = compiled_sizes(catalog.wrapper_text(catalog.wrapper(multi_kernel))) if is_open else {}
        self._hinted: dict[str, int] = {}
        # The surest first.
        self._sources: tuple[tuple[Mapping[str, int], str], ...] = (
            (asked, "as asked"),
            (compiled, "as compiled"),
            (self._hinted, "the most its size hints allow"),
        )

    def of(self, size: Size | float, call: CallSite) -> int | float:
        """Raises `OpenSymbol`, `ValueError`."""
        while True:
            try:
                return evaluate(size, self._known)
            except OpenSymbol as symbol:
                hinted = self._hint(str(symbol), call)
                if hinted is None:
                    raise
                self._hinted[str(symbol)] = hinted

    def integer(self, size: Size, call: CallSite) -> int:
        value = self.of(size, call)
        if not isinstance(value, int) or not 0 <= value <= _LARGEST_SIZE:
            raise ValueError(f"{size!r} would be {value}")
        return value

    def notes(self, call: CallSite) -> Iterator[str]:
        """Which values were taken for the symbols of a call, and from where."""
        for symbol in sorted(_symbols(call)):
            for values, how in self._sources:
                if symbol in values:
                    yield f"{symbol} = {values[symbol]}, {how}"
                    break

    @property
    def _known(self) -> dict[str, int]:
        return {symbol: value for values, _ in reversed(self._sources) for symbol, value in values.items()}

    def _hint(self, symbol: str, call: CallSite) -> int | None:
        """A number of elements that rests on this symbol alone is at most its size hint, a power of two."""
        metadata = self._catalog.metadata(self._multi_kernel, self._multi_kernel.sub_kernels[0])
        hints = {f"{name}numel": hint for name, hint in metadata.size_hints}
        for argument in call.arguments:
            hint = hints.get(argument.name)
            if isinstance(argument, ScalarArgument) and isinstance(argument.value, str) and hint:
                found = _largest(argument.value, symbol, self._known, hint)
                if found:
                    return found
        return None


def _largest(expression: str, symbol: str, known: Mapping[str, int], limit: int) -> int:
    """The largest value of ``symbol`` for which ``expression`` does not exceed ``limit``, as it grows; 0 for none."""
    low, high = 0, limit
    try:
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (
                (middle, high) if evaluate(expression, {**known, symbol: middle}) <= limit else (low, middle - 1)
            )
        depends = low and evaluate(expression, {**known, symbol: low}) != evaluate(expression, {**known, symbol: 0})
    except (OpenSymbol, ValueError):
        return 0
    return low if depends else 0


def _symbols(call: CallSite) -> set[str]:
    return {name for size in _sizes_of(call) if isinstance(size, str) for name in _NAME.findall(size)}


def _sizes_of(call: CallSite) -> Iterator[Size | float]:
    for argument in call.arguments:
        if isinstance(argument, ScalarArgument):
            yield argument.value
        else:
            yield from (*(argument.shape or ()), *(argument.stride or ()), argument.offset)
