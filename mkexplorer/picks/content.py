"""What a sub-kernel is, whatever its name, its number, its place in the list and the release that wrote it down.

Two sub-kernels are the same if they are of one kind, for the same size hints and argument types, and their functions
are the same program: parsed, so that brackets and comments that a release writes otherwise do not count (torch 2.6
dropped brackets and turned the order of the list round). The GPU is told apart by ``Contents.device``.
"""

from __future__ import annotations

import ast
import hashlib
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mkexplorer.catalog import Catalog
from mkexplorer.catalog.metadata import read_metadata
from mkexplorer.catalog.model import KernelMetadata, MultiKernel

_LONGEST = 1_000_000
# Where a name or a value is loaded or stored follows from where it stands; the others are for type checkers.
_NO_CONTENT = {"ctx", "kind", "type_comment", "returns"}


@dataclass(frozen=True, slots=True)
class Contents:
    """``hashes`` has one text per sub-kernel, in index order; ``device`` is like 'cuda 90', or '' if not written."""

    hashes: tuple[str, ...]
    device: str


def contents_of(catalog: Catalog, multi_kernel: MultiKernel) -> Contents:
    """Raises `PlaceError` where the wrapper cannot be read."""
    return contents([catalog.source(multi_kernel, sub_kernel) for sub_kernel in multi_kernel.sub_kernels])


def contents(sources: Sequence[str]) -> Contents:
    """``sources`` are those of the sub-kernels, in index order."""
    metadata = [read_metadata(source) for source in sources]
    hashes = [_hash(source, each) for source, each in zip(sources, metadata, strict=True)]
    devices = {_device(each) for each in metadata}
    return Contents(tuple(hashes), devices.pop() if len(devices) == 1 else "")


def _hash(source: str, metadata: KernelMetadata) -> str:
    try:
        functions = list(_functions(source))
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        functions = []
    parts = [source.strip()]  # what is no such kernel is itself only, to the letter
    if functions and metadata.decorator:
        sizes = [str(size) for _, size in metadata.size_hints]
        types = [kind for _, kind in metadata.signature if kind != "constexpr"]
        parts = [metadata.decorator, " ".join(sizes), " ".join(types), *functions]
    return hashlib.sha256("\n".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _functions(source: str) -> Iterator[str]:
    """The Triton functions of a source: helpers, and the kernel (the one with the heuristics) under no name."""
    if len(source) > _LONGEST:
        raise ValueError("too long")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tree = ast.parse(source)
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and any(ast.unparse(each) == "triton.jit" for each in node.decorator_list):
            if len(node.decorator_list) > 1:
                node.name = ""
            node.decorator_list = []
            yield _written(node)


def _written(node: object) -> str:
    """The tree as text that, unlike `ast.dump`, is the same for every Python that mkexplorer runs on."""
    if isinstance(node, list):
        return f"[{','.join(map(_written, node))}]"
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = ((name, value) for name, value in ast.iter_fields(node) if name not in _NO_CONTENT)
    written = (f"{name}={_written(value)}" for name, value in fields if value is not None and value != [])
    return f"{type(node).__name__}({','.join(written)})"


def _device(metadata: KernelMetadata) -> str:
    device = dict(metadata.device)
    if device.get("type") is None or device.get("cc") is None:
        return ""
    return f"{device['type']} {device['cc']}"
