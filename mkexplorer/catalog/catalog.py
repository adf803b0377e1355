"""Opens a place and answers what it holds. Everything else in this package is behind these two names."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from .artifacts import ArtifactIndex
from .bundle import BundleStore
from .errors import MkexplorerError, PlaceError, UnknownId
from .index import ParsedFile, index_path, load_index, save_index
from .manifest import Manifest, read_manifest
from .metadata import read_metadata
from .model import (
    CompiledConfig,
    Diagnostic,
    Evidence,
    KernelMetadata,
    MultiKernel,
    Origin,
    Place,
    PlaceKind,
    Severity,
    SubKernel,
    Wrapper,
)
from .places import default_place, detect, open_store, wrapper_candidates
from .sass import disassemble
from .store import FileStat, Store
from .texts import read_wrapper, read_wrappers
from .wrapper_parser import ID_LETTERS, parse_wrapper

# Places of one of these kinds are small or change as a whole: remembering their files would not pay.
_NOT_INDEXED = (PlaceKind.BUNDLE, PlaceKind.WRAPPER)
_CANDIDATES_SHOWN = 6
_TEXTS_KEPT = 16


def open_catalog(place: str | Path | None = None) -> Catalog:
    """Opens a cache directory, wrapper, debug directory, log or bundle; by default torch's own cache of this user.

    Nothing in it is executed. Files that cannot be used become diagnostics; raises `PlaceError` (or its
    subclass `BundleError`) where nothing can be opened at all.
    """
    found = detect(Path(place) if place is not None else default_place())
    store = open_store(found)
    remembered = {} if found.kind in _NOT_INDEXED else load_index(index_path(found.path))
    files = _read_files(store, found, remembered)
    if found.kind not in _NOT_INDEXED:
        _remember(found, remembered, files)
    return Catalog(found, store, files, _manifest(store))


@dataclass(frozen=True, eq=False)
class Catalog:
    """All that one place holds. ``files`` is what was parsed, by path relative to the place.

    ``manifest`` is what a bundle says about itself; None for any other place.
    """

    place: Place
    store: Store
    files: Mapping[str, ParsedFile]
    manifest: Manifest | None

    @cached_property
    def wrappers(self) -> tuple[Wrapper, ...]:
        """One per generated module that has multi-kernels; copies of the same module count once."""
        by_key: dict[str, Wrapper] = {}
        for file in self.files.values():
            for wrapper in file.wrappers:
                by_key.setdefault(wrapper.key, wrapper)
        letters = _letters_needed(by_key)
        if letters == ID_LETTERS:
            return tuple(by_key.values())
        return tuple(_with_letters(wrapper, letters) for wrapper in by_key.values())

    @cached_property
    def multi_kernels(self) -> tuple[MultiKernel, ...]:
        """In the order in which torch compiled their graphs, then in the order of the wrapper.

        Of a bundle those that were exported: its wrappers are whole, also where only some of them were chosen.
        """
        ordered = sorted(self.wrappers, key=_compile_order)
        found = (multi_kernel for wrapper in ordered for multi_kernel in wrapper.multi_kernels)
        if self.manifest is None:
            return tuple(found)
        return tuple(each for each in found if (each.wrapper_key, each.name) in self.manifest.evidence)

    @cached_property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        found = list(self.store.problems.values())
        for file in self.files.values():
            found += file.diagnostics
        for wrapper in self.wrappers:
            found += wrapper.diagnostics
        return tuple(found)

    def find(self, text: str) -> MultiKernel:
        """The multi-kernel whose id begins so; raises `UnknownId` where none or more than one does.

        The part before the slash may be any prefix of the wrapper's key, the part behind it of the name.
        """
        key, _, name = text.strip().partition("/")
        candidates = [
            multi_kernel
            for multi_kernel in self.multi_kernels
            if multi_kernel.wrapper_key.startswith(key) and multi_kernel.name.startswith(name)
        ]
        exact = [multi_kernel for multi_kernel in candidates if multi_kernel.name == name]
        if len(exact) == 1 or len(candidates) == 1:
            return (exact or candidates)[0]
        if not candidates:
            raise UnknownId(f"no multi-kernel has the id {text!r}", "`mkexplorer list` of this place shows the ids.")
        shown = ", ".join(multi_kernel.id for multi_kernel in candidates[:_CANDIDATES_SHOWN])
        more = ", …" if len(candidates) > _CANDIDATES_SHOWN else ""
        raise UnknownId(f"{text!r} fits {len(candidates)} multi-kernels: {shown}{more}", "Give more of the id.")

    def wrapper(self, multi_kernel: MultiKernel) -> Wrapper:
        return self._by_key[multi_kernel.wrapper_key]

    def wrapper_text(self, wrapper: Wrapper) -> str:
        """The generated module; raises `PlaceError` if it has vanished meanwhile."""
        text = self._texts.get(wrapper.origin)
        if text is None:
            text = read_wrapper(self.store, self.place, wrapper.origin)
            if wrapper.origin.ordinal is None:
                return text
            while len(self._texts) >= _TEXTS_KEPT:
                self._texts.pop(next(iter(self._texts)), None)
            self._texts[wrapper.origin] = text
        return text

    def source(self, multi_kernel: MultiKernel, sub_kernel: SubKernel) -> str:
        """The Triton source of a sub-kernel as it stands in the wrapper; empty where the wrapper does not define it."""
        if sub_kernel.source.first == 0:
            return ""
        lines = self.wrapper_text(self.wrapper(multi_kernel)).split("\n")
        return "\n".join(lines[sub_kernel.source.first - 1 : sub_kernel.source.last]) + "\n"

    def metadata(self, multi_kernel: MultiKernel, sub_kernel: SubKernel) -> KernelMetadata:
        return read_metadata(self.source(multi_kernel, sub_kernel))

    def kernel_path(self, sub_kernel: SubKernel) -> str | None:
        """Path of the kernel's own file, relative to the place, or None where the place does not have it."""
        if not sub_kernel.kernel_file:
            return None
        path = f"{sub_kernel.kernel_file[1:3]}/{sub_kernel.kernel_file}"
        return path if self.store.exists(path) else None

    def configs(self, sub_kernel: SubKernel) -> tuple[CompiledConfig, ...]:
        """Every compiled configuration that the place has of a sub-kernel."""
        return self._artifacts.configs(sub_kernel)

    def read_stage(self, config: CompiledConfig, stage: str) -> str:
        """The text of 'ttir', 'ttgir', 'llir', 'ptx' or 'sass'; raises `MkexplorerError` where there is none."""
        paths = dict(config.stages)
        path = paths.get("cubin" if stage == "sass" else stage)
        if path is None:
            kept = ", ".join(paths) or "nothing"
            raise MkexplorerError(f"{config.folder} holds no {stage}", f"It holds {kept}.")
        if stage == "sass":
            return disassemble(self.store.read_bytes(path))
        return self.store.read_text(path)

    def evidence(self, multi_kernel: MultiKernel) -> Evidence | None:
        """What the place recorded of a multi-kernel's pick: timings, resources, versions; None where nothing is."""
        if self.manifest is None:
            return None
        return self.manifest.evidence.get((multi_kernel.wrapper_key, multi_kernel.name))

    def refresh(self) -> Catalog:
        """The place as it is now; this same catalog if nothing changed, else one that shares what did not."""
        store = open_store(self.place)
        files = _read_files(store, self.place, self.files)
        if files == self.files and store.problems == self.store.problems:
            return self
        return Catalog(self.place, store, files, _manifest(store))

    @cached_property
    def _by_key(self) -> Mapping[str, Wrapper]:
        return {wrapper.key: wrapper for wrapper in self.wrappers}

    @cached_property
    def _artifacts(self) -> ArtifactIndex:
        return ArtifactIndex(self.store)

    @cached_property
    def _texts(self) -> dict[Origin, str]:
        """The texts read last: finding one in a log of hundreds of megabytes again would take seconds."""
        return {}


def _manifest(store: Store) -> Manifest | None:
    return read_manifest(store) if isinstance(store, BundleStore) else None


def _read_files(store: Store, place: Place, known: Mapping[str, ParsedFile]) -> dict[str, ParsedFile]:
    """Parses what is new or changed and keeps the rest, in the order in which the place lists its files."""
    files: dict[str, ParsedFile] = {}
    for stat in wrapper_candidates(store, place):
        before = known.get(stat.path)
        if before is not None and before.size == stat.size and before.mtime_ns == stat.mtime_ns:
            files[stat.path] = before
        else:
            files[stat.path] = _read_file(store, place, stat)
    return files


def _read_file(store: Store, place: Place, stat: FileStat) -> ParsedFile:
    try:
        found = read_wrappers(store, place, stat.path)
    except PlaceError as error:
        problem = Diagnostic(Severity.ERROR, stat.path, None, error.message, error.advice)
        return ParsedFile(*stat, diagnostics=(problem,))
    return ParsedFile(*stat, wrappers=tuple(parse_wrapper(each.text, each.origin, each.module) for each in found))


def _remember(place: Place, before: Mapping[str, ParsedFile], files: Mapping[str, ParsedFile]) -> None:
    if files == before:
        return
    try:
        save_index(index_path(place.path), files)
    except OSError:
        # Only speed is lost; a read-only home must not keep anybody from looking at a cache.
        return


def _compile_order(wrapper: Wrapper) -> tuple[float, str, str]:
    """By the number of the AOT id ('17_inference'), forward before backward; wrappers without one come last."""
    if wrapper.graph is None:
        return (float("inf"), "", wrapper.origin.path)
    number = wrapper.graph.aot_id.partition("_")[0]
    phase = {"forward": "0", "inference": "0"}.get(wrapper.graph.phase or "", "1")
    return (int(number) if number.isdecimal() and len(number) < 10 else float("inf"), phase, wrapper.key)


def _letters_needed(keys: Iterable[str]) -> int:
    """How many letters tell all keys apart, at least `ID_LETTERS`."""
    ordered = sorted(keys)
    shared = (len(os.path.commonprefix(pair)) for pair in zip(ordered, ordered[1:], strict=False))
    return max(ID_LETTERS, 1 + max(shared, default=0))


def _with_letters(wrapper: Wrapper, letters: int) -> Wrapper:
    key = wrapper.key[:letters]
    return replace(
        wrapper,
        multi_kernels=tuple(replace(each, id=f"{key}/{each.name}") for each in wrapper.multi_kernels),
    )
