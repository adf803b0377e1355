"""What a generated module imports. It is the only part of this package that needs torch to be imported at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from .compiling import AsyncCompile
from .grids import Grid, compile_grid

__all__ = [
    "AsyncCompile",
    "assert_size_stride",
    "empty_strided_cpu",
    "empty_strided_cuda",
    "get_raw_stream",
    "grid",
    "rand_strided",
]


def grid(*expressions: str) -> Callable[[Mapping[str, Any]], Grid]:
    """The launch grid of all sub-kernels of a call; each evaluates it with its own block sizes."""
    return compile_grid(expressions)


def get_raw_stream(device: int) -> int:
    """The handle of the stream on which the device's work is queued now."""
    return int(torch.cuda.current_stream(device).cuda_stream)


def assert_size_stride(tensor: torch.Tensor, size: Sequence[int], stride: Sequence[int]) -> None:
    """Sizes of dimensions of one element are compared, their strides mean nothing. Raises `AssertionError`."""
    is_same = tuple(tensor.shape) == tuple(size) and all(
        mine == wanted for mine, wanted, length in zip(tensor.stride(), stride, size, strict=True) if length > 1
    )
    assert is_same, (
        f"expected size {tuple(size)}, stride {tuple(stride)}; "
        f"got size {tuple(tensor.shape)}, stride {tuple(tensor.stride())}"
    )


def empty_strided_cuda(size: Sequence[int], stride: Sequence[int], dtype: torch.dtype) -> torch.Tensor:
    return torch.empty_strided(size, stride, dtype=dtype, device="cuda")


def empty_strided_cpu(size: Sequence[int], stride: Sequence[int], dtype: torch.dtype) -> torch.Tensor:
    return torch.empty_strided(size, stride, dtype=dtype, device="cpu")


def rand_strided(size: Sequence[int], stride: Sequence[int], device: str, dtype: torch.dtype) -> torch.Tensor:
    """Normal values where the dtype has such, zeros otherwise (an index that is zero is inside any tensor)."""
    length = 1 + sum((each - 1) * step for each, step in zip(size, stride, strict=True)) if 0 not in size else 0
    values = torch.randn(length, device=device) if dtype.is_floating_point else torch.zeros(length, device=device)
    return values.to(dtype).as_strided(size, stride)
