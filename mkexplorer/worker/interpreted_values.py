"""Values of a kernel in Triton's interpreter, which keeps them in NumPy arrays, and as torch has them."""

from __future__ import annotations

from typing import Any

import numpy
import torch


def handle(data: Any, dtype: Any) -> Any:
    from triton.runtime.interpreter import TensorHandle

    return TensorHandle(data, dtype)


def tensor(data: Any, dtype: Any) -> Any:
    """A value of a kernel's: a block, or a scalar, which the interpreter keeps in an array of one element."""
    import triton.language as tl

    if data.ndim == 0:
        return tl.tensor(handle(data.reshape(1), dtype), dtype)
    return tl.tensor(handle(data, dtype), tl.block_type(dtype, list(data.shape)))


def data_of(value: Any) -> Any:
    """Its array; without dimensions for a scalar, so that it takes on the shape of what it is combined with."""
    return value.handle.data if value.shape else value.handle.data.reshape(())


def as_torch(data: Any) -> torch.Tensor:
    return torch.from_numpy(numpy.array(data))


def of_torch(tensor: torch.Tensor) -> Any:
    return tensor.numpy()
