"""Remembers what an interpreter computed, so that a place opens again without starting it.

One JSON file per interpreter in the user's cache folder. It counts only while every file of that interpreter's
torch and triton has its old size and modification time; damaged or of another version it counts as empty.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from mkexplorer.catalog.index import index_path

from .interpreter import Identity, KernelFile, PickParts

VERSION = 1
_MOST = 50_000
# Variables of these families change what an interpreter imports and how it computes.
_DECISIVE = ("PYTHON", "TORCH", "TRITON")


@dataclass(frozen=True, slots=True)
class Computed:
    """What is kept of `PickParts`: ``backends`` are (written, own), each tuple has one entry per sub-kernel."""

    path: str
    backends: tuple[tuple[str | None, str | None], ...]
    best_configs: tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class Memory:
    """``identity`` is None where nothing is remembered; ``places`` go by `content_key`."""

    identity: Identity | None = None
    places: Mapping[str, Computed] = field(default_factory=dict)


def to_remember(path: str, answer: PickParts) -> Computed:
    backends = tuple((part.written_backend, part.own_backend) for part in answer.parts)
    return Computed(path, backends, tuple(part.best_config for part in answer.parts))


def content_key(kernels: Sequence[KernelFile]) -> str:
    """The same for the same kernels in the same order, wherever they are kept."""
    digest = hashlib.sha256()
    for kernel in kernels:
        for part in (kernel.key, kernel.name, kernel.text):
            data = part.encode("utf-8", "surrogatepass")
            digest.update(b"%d:" % len(data) + data)
    return digest.hexdigest()


def memory_path(python: str, environment: Mapping[str, str]) -> Path:
    """Beside the indexes of places; another one for each interpreter and each environment that could change it."""
    decisive = sorted(item for item in environment.items() if item[0].startswith(_DECISIVE))
    digest = hashlib.sha256(os.fsencode(repr((python, decisive)))).hexdigest()
    return index_path(python).with_name(f"interpreter-{digest[:24]}.json")


def load_memory(path: Path) -> Memory:
    """Empty where there is no memory or it cannot be used."""
    try:
        record = json.loads(path.read_bytes())
        if record["version"] != VERSION:
            return Memory()
        identity = _identity(record["identity"])
        return Memory(identity, {key: _computed(entry) for key, entry in record["places"].items()})
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return Memory()


def save_memory(path: Path, memory: Memory) -> None:
    """Replaces the file in one step. Raises OSError."""
    assert memory.identity
    forgotten = max(0, len(memory.places) - _MOST)
    places = {key: list(asdict(place).values()) for key, place in islice(memory.places.items(), forgotten, None)}
    record = {"version": VERSION, "identity": asdict(memory.identity), "places": places}
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.stem)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(json.dumps(record, separators=(",", ":")))
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def is_current(identity: Identity) -> bool:
    """Whether the interpreter still consists of the files that it had."""
    return all(_stat(path) == (size, mtime_ns) for path, size, mtime_ns in identity.files)


def is_same_torch(one: Identity, other: Identity) -> bool:
    """Whether both compute the same keys: torch by the hash of its sources, triton by its files."""
    return (one.torch, one.torch_key) == (other.torch, other.torch_key) and _triton_files(one) == _triton_files(other)


def _triton_files(identity: Identity) -> list[tuple[str, int | None, int | None]]:
    return [file for file in identity.files if "triton" in file[0]]


def _stat(path: str) -> tuple[int | None, int | None]:
    try:
        found = os.stat(path)
    except OSError:
        return None, None
    return found.st_size, found.st_mtime_ns


def _identity(record: dict[str, Any]) -> Identity:
    files = tuple((path, size, mtime_ns) for path, size, mtime_ns in record["files"])
    return Identity(**record | {"gpus": tuple(record["gpus"]), "files": files})


def _computed(record: list[Any]) -> Computed:
    path, backends, best_configs = record
    return Computed(path, tuple((written, own) for written, own in backends), tuple(best_configs))
