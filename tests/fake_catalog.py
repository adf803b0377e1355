"""A catalog for the app's tests: multi-kernels from `builders`, texts from a string, no files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

from mkexplorer.catalog import Catalog
from mkexplorer.catalog.errors import MkexplorerError
from mkexplorer.catalog.model import (
    CompiledConfig,
    Diagnostic,
    Evidence,
    KernelMetadata,
    MultiKernel,
    Origin,
    Place,
    PlaceKind,
    SubKernel,
    Wrapper,
)
from mkexplorer.catalog.store import FolderStore
from tests import builders

SOURCE = "@triton_heuristics.reduction(\n    size_hints={'x': 4096, 'r0_': 4096},\n)\ndef kernel():\n    pass\n"


class FakeCatalog:
    """Answers like `Catalog`. ``refreshed`` is what `refresh` gives: a catalog, or an error to raise."""

    def __init__(
        self,
        multi_kernels: Sequence[MultiKernel] = (),
        evidences: Sequence[Evidence | None] = (),
        *,
        source: str = SOURCE,
        diagnostics: tuple[Diagnostic, ...] = (),
        kind: PlaceKind = PlaceKind.CACHE,
    ) -> None:
        self.place = Place("/the/place", kind)
        self.store = FolderStore("/the/place")
        self.multi_kernels = tuple(multi_kernels)
        self.diagnostics = diagnostics
        self.refreshed: FakeCatalog | MkexplorerError = self
        self._source = source
        self._evidence = dict(zip((each.id for each in self.multi_kernels), evidences, strict=False))
        by_key: dict[str, list[MultiKernel]] = {}
        for each in self.multi_kernels:
            by_key.setdefault(each.wrapper_key, []).append(each)
        self._wrappers = {
            key: Wrapper(key, Origin(f"{key[1:3]}/{key}.py"), 120, own[0].graph, tuple(own), "torch 2.11")
            for key, own in by_key.items()
        }
        self.wrappers = tuple(self._wrappers.values())

    def place_wrapper(self, key: str, origin: Origin) -> None:
        """Let the wrapper ``key`` stand in ``origin``."""
        self._wrappers[key] = replace(self._wrappers[key], origin=origin)
        self.wrappers = tuple(self._wrappers.values())

    def wrapper(self, multi_kernel: MultiKernel) -> Wrapper:
        return self._wrappers[multi_kernel.wrapper_key]

    def wrapper_text(self, wrapper: Wrapper) -> str:
        return self._source

    def source(self, multi_kernel: MultiKernel, sub_kernel: SubKernel) -> str:
        return self._source

    def metadata(self, multi_kernel: MultiKernel, sub_kernel: SubKernel) -> KernelMetadata:
        return KernelMetadata(
            decorator="reduction" if sub_kernel.index == 0 else "persistent_reduction",
            size_hints=(("x", 4096), ("r0_", 4096)),
            reduction_hint="INNER",
            signature=(("in_ptr0", "*bf16"), ("xnumel", "i32")),
            loads=4 - sub_kernel.index,
            stores=1,
            reductions=2,
            mutated=(),
            persistent=sub_kernel.index > 0,
            grid_type="Grid1D",
            device=(("type", "cuda"), ("cc", 90)),
            other=(),
        )

    def kernel_path(self, sub_kernel: SubKernel) -> str | None:
        return f"{sub_kernel.kernel_file[1:3]}/{sub_kernel.kernel_file}"

    def configs(self, sub_kernel: SubKernel) -> tuple[CompiledConfig, ...]:
        return ()

    def read_stage(self, config: CompiledConfig, stage: str) -> str:
        return ""

    def evidence(self, multi_kernel: MultiKernel) -> Evidence | None:
        return self._evidence.get(multi_kernel.id)

    def refresh(self) -> FakeCatalog:
        if isinstance(self.refreshed, MkexplorerError):
            raise self.refreshed
        return self.refreshed

    @property
    def as_catalog(self) -> Catalog:
        return cast(Catalog, self)


def key(letter: str) -> str:
    return f"c{letter * 6}" + "x" * 45


def layer_norm(letter: str = "a", graph: str = "0_inference") -> MultiKernel:
    arguments = (builders.tensor(4096, 4096, dtype="torch.bfloat16"),)
    return builders.multi_kernel("aten.native_layer_norm", arguments=arguments, key=key(letter), graph=graph)


def softmax(letter: str = "b", graph: str = "1_inference", name: str = "multi_kernel_0") -> MultiKernel:
    arguments = (builders.tensor(16, 16000),)
    return builders.multi_kernel("aten._softmax", arguments=arguments, key=key(letter), graph=graph, name=name)


def two_graphs() -> FakeCatalog:
    """A layer norm whose pick is 38% too slow, and a softmax whose pick is the fastest."""
    return FakeCatalog(
        [layer_norm(), softmax()],
        [builders.evidence(0, 31.1, 22.6), builders.evidence(1, 14.5, 10.5)],
    )
