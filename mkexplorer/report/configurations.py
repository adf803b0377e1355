"""Compiled configurations and missing texts in words, and which configuration is meant where none is named."""

from __future__ import annotations

from collections.abc import Sequence

from mkexplorer.catalog.errors import MkexplorerError
from mkexplorer.catalog.model import CompiledConfig, SubKernel, Wrapper
from mkexplorer.catalog.wrapper_parser import OWN


def best_config(configs: Sequence[CompiledConfig]) -> CompiledConfig | None:
    """The one that won; where that is not known the first, whose ``won`` then says so; None where there are none."""
    return next((config for config in configs if config.won), configs[0] if configs else None)


def config_text(config: CompiledConfig) -> str:
    """'XBLOCK 1, R0_BLOCK 2048, 16 warps, 1 stage, 128 B shared'; the hash's beginning where nothing is recorded."""
    parts = [f"{name} {size}" for name, size in config.block_sizes]
    for number, noun in ((config.num_warps, "warp"), (config.num_stages, "stage")):
        if number is not None:
            parts.append(f"{number} {noun}" if number == 1 else f"{number} {noun}s")
    if config.shared_bytes is not None:
        parts.append(f"{config.shared_bytes:,} B shared")
    return ", ".join(parts) or config.hash[:8]


def nothing_compiled(wrapper: Wrapper, sub_kernel: SubKernel) -> MkexplorerError:
    if wrapper.written_by == OWN:
        advice = (
            "Triton keeps the stages of a program's own kernels in its own cache. "
            "`mkexplorer show ID --resources --target sm_90` compiles the sub-kernels and tells what they take."
        )
    else:
        advice = (
            "Triton keeps its stages in the folder `triton` of the cache directory; open that directory, or run the "
            "program once more with it in TORCHINDUCTOR_CACHE_DIR."
        )
    return MkexplorerError(f"nothing compiled of {_spoken(sub_kernel)} is in this place", advice)


def no_source(sub_kernel: SubKernel) -> MkexplorerError:
    return MkexplorerError(
        f"the source of {_spoken(sub_kernel)} is not in this wrapper",
        "The wrapper only names it, or is cut off where the source should stand.",
    )


def _spoken(sub_kernel: SubKernel) -> str:
    return f"{sub_kernel.index} {sub_kernel.kind.value} {sub_kernel.name}"
