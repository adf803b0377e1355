"""The arguments of a call as evidence keeps them, and tensors like them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from mkexplorer.catalog.model import Argument, ScalarArgument, TensorArgument


def described(arguments: Sequence[Any], names: Mapping[int, str]) -> tuple[Argument, ...]:
    """``names`` has the parameters that receive them, by position; those that are neither are left out."""
    found: list[Argument] = []
    for position, value in enumerate(arguments):
        name = names.get(position, f"argument{position}")
        if isinstance(value, torch.Tensor):
            dtype = str(value.dtype).removeprefix("torch.")
            shape, stride, offset = tuple(value.shape), tuple(value.stride()), value.storage_offset()
            found.append(TensorArgument(name, "", dtype, shape, stride, offset))
        elif isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            found.append(ScalarArgument(name, "", value))
    return tuple(found)


@dataclass(frozen=True)
class Like:
    """What another tensor takes to be like one, without its memory."""

    shape: tuple[int, ...]
    stride: tuple[int, ...]
    dtype: Any
    device: Any


def likeness(arguments: Sequence[Any]) -> tuple[Any, ...]:
    """The arguments with a `Like` for each tensor."""
    return tuple(
        Like(tuple(value.shape), tuple(value.stride()), value.dtype, value.device)
        if isinstance(value, torch.Tensor)
        else value
        for value in arguments
    )


def alike(arguments: Sequence[Any]) -> tuple[Any, ...]:
    """The arguments with a tensor of random numbers for each `Like`; of zeros, where they are whole."""
    return tuple(_made(value) if isinstance(value, Like) else value for value in arguments)


def _made(like: Like) -> Any:
    tensor = torch.empty_strided(like.shape, like.stride, dtype=like.dtype, device=like.device)
    if not tensor.is_floating_point():
        return tensor.zero_()
    return tensor.normal_(generator=torch.Generator(like.device))  # the program's own numbers stay in their order
