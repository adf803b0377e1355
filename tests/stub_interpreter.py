"""Answers where picks are without starting a Python, and what `find_places` makes of such answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from mkexplorer.catalog import Catalog
from mkexplorer.catalog.definitions import code_hash
from mkexplorer.catalog.kernel_files import KernelFiles
from mkexplorer.picks.interpreter import Identity, Interpreter, KernelFile, Part, PickParts
from mkexplorer.picks.places import PickPlace, find_places
from mkexplorer.picks.rules import Rule, pick_path

H100 = Identity(
    python="3.12.3",
    executable="/h100/python",
    torch="2.11.0+cu130",
    triton="3.6.0",
    missing="",
    torch_key="aa",
    gpus=(),
    driver=None,
    files=(),
)

NEWEST = replace(H100, torch="2.13.0", triton="3.9.0")


class Stub(Interpreter):
    """Answers without a process: by default with keys that depend on the kernels' texts."""

    def __init__(self, identity: Identity = H100, part: Callable[[KernelFile], Part] | None = None) -> None:
        super().__init__("/stub/python")
        self.who = identity
        self.part = part or (lambda kernel: part_of(kernel))
        self.asked: list[tuple[KernelFile, ...]] = []
        self.started = 0

    def hello(self) -> Identity:
        self.started += 1
        return self.who

    def pick_parts(self, kernels: Sequence[KernelFile]) -> PickParts:
        self.asked.append(tuple(kernels))
        parts = tuple(self.part(kernel) for kernel in kernels)
        return PickParts(parts, pick_path(Rule.KEYS_AND_META, parts))


def part_of(kernel: KernelFile, backend: str | None = None, best_config: str | None = None) -> Part:
    return Part(code_hash(kernel.text), "{}", "{}", "WRITTEN" if backend else None, backend, best_config)


def unlike(kernel: KernelFile) -> Part:
    """What an interpreter answers whose triton is another one than the kernel's."""
    return part_of(kernel, backend="OTHER")


def by_id(places: Iterator[PickPlace]) -> dict[str, PickPlace]:
    return {place.multi_kernel_id: place for place in places}


def paths(catalog: Catalog, interpreter: Interpreter) -> dict[str, str | None]:
    return {place.multi_kernel_id: place.path for place in find_places(catalog, interpreter)}


def paths_computed(catalog: Catalog, part: Callable[[KernelFile], Part] | None = None) -> dict[str, str | None]:
    """What `Stub` computes, whoever wrote the cache."""
    stub = Stub(part=part)
    list(find_places(catalog, Stub(replace(H100, torch=None, missing="no torch"))))
    kernels = KernelFiles(catalog)
    return {each.id: stub.pick_parts(kernels.of(each)).path for each in catalog.multi_kernels}


def reasons(catalog: Catalog, interpreter: Interpreter) -> set[str]:
    """Of places that must all be unknown."""
    places = list(find_places(catalog, interpreter))
    assert len(places) == len(catalog.multi_kernels)
    assert all(place.path is None for place in places)
    return {place.reason for place in places}


def place_pick(cache: Path, path: str | None) -> None:
    assert path
    (cache / path).parent.mkdir(exist_ok=True)
    (cache / path).write_text("0")
