"""What torch would load the sub-kernels of a multi-kernel from."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from .catalog import Catalog
from .definitions import KernelDefinition, code_hash, find_kernels, literal_source
from .errors import MkexplorerError
from .model import MultiKernel

# The kernel itself; functions that it calls (for a scan, say) are jitted too and stand above it.
_HEURISTICS = re.compile(r"^@triton_heuristics\.", re.MULTILINE)
_FUNCTION = re.compile(r"^@triton\.jit(?:\([^\n]*\))?\s*\ndef (\w+)\(", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class KernelFile:
    """What torch loads a sub-kernel from: the stem of its file, the function in it, and the file's text."""

    key: str
    name: str
    text: str


class KernelFiles:
    """Reads one wrapper after the other; a wrapper's text is kept until another one's is asked for."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._key = ""
        self._text = ""
        self._kernels: Mapping[str, KernelDefinition] = {}

    def definition(self, multi_kernel: MultiKernel) -> str:
        """The statement that defines the multi-kernel. Raises `PlaceError`."""
        self._read(multi_kernel)
        span = multi_kernel.definition
        return "\n".join(self._text.split("\n")[span.first - 1 : span.last])

    def of(self, multi_kernel: MultiKernel) -> list[KernelFile]:
        """Raises `MkexplorerError` where a source is missing."""
        self._read(multi_kernel)
        return [self._kernel_file(sub_kernel.name) for sub_kernel in multi_kernel.sub_kernels]

    def _read(self, multi_kernel: MultiKernel) -> None:
        if self._key != multi_kernel.wrapper_key:
            self._text = self._catalog.wrapper_text(self._catalog.wrapper(multi_kernel))
            self._kernels = find_kernels(self._text)[0]
            self._key = multi_kernel.wrapper_key

    def _kernel_file(self, name: str) -> KernelFile:
        kernel = self._kernels.get(name)
        if kernel is None:
            raise MkexplorerError(f"its wrapper does not define {name}", "open the whole cache")
        # Line breaks at both ends count: the key holds the line on which the function begins.
        source = literal_source(self._text[kernel.source_start : kernel.source_end])
        key = code_hash(source)
        text = self._kept(f"{key[1:3]}/{key}.py") or source
        decorator = _HEURISTICS.search(text)
        function = decorator and _FUNCTION.search(text, decorator.end())
        if not function:
            raise MkexplorerError(f"the source of {name} has no kernel of torch's", "compile the program again")
        return KernelFile(key, function[1], text)

    def _kept(self, path: str) -> str:
        """The kernel's own file, where the cache has it: torch does not overwrite it, so an edited one counts."""
        store = self._catalog.store
        try:
            return store.read_bytes(path).decode() if store.exists(path) else ""
        except UnicodeDecodeError as error:
            raise MkexplorerError(f"{path}: {error.reason}", "remove the file, and torch writes it again") from error
