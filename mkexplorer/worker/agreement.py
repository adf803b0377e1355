"""Whether sub-kernels compute the same: outputs on the same inputs, compared as their dtypes allow.

No order of a floating-point sum is the right one, so elements may differ by a few steps of the coarsest dtype that the
kernels write (a looped kernel reads back what it rounded, a persistent one does not), of the element itself and of the
mean magnitude of its tensor. Integers must be equal, but for a few roundings of 8-bit ones by one step.
"""

from __future__ import annotations

import math
from typing import Any, Callable, Iterator, NamedTuple, Sequence

# Steps of a narrow dtype that an element may be off, relative to itself and to its tensor's mean magnitude.
_STEPS_OF_ELEMENT = 4.0
_STEPS_OF_SCALE = 2.0
# For float32 and float64 sums, whose error grows with their length.
_WIDE_RELATIVE = {"torch.float32": (2e-4, 1e-4), "torch.float64": (1e-9, 1e-9)}
_TIMES_NOISE = 4.0
_SHARE_OF_ROUNDINGS = 1e-3
# Elements that are compared at once; for each of them some wide numbers are needed meanwhile.
ONE_GO = 1 << 22
BYTES_OF_AN_ELEMENT = 32

Outputs = Sequence["tuple[str, Any]"]


class Opinion(NamedTuple):
    """``agrees`` is None where there was nothing to compare with; ``problem`` says in what it differs."""

    agrees: bool | None
    problem: str = ""


def opinions(
    count: int,
    run: Callable[[int], Outputs],
    runnable: Sequence[int],
    noise: dict[str, float] | None = None,
) -> list[Opinion]:
    """What to think of each of ``count`` sub-kernels.

    ``run`` runs one on the same inputs as all others and gives its outputs by name; they may be overwritten by the
    next run. ``noise`` is the largest difference between two configurations of one sub-kernel, by output. Those that
    most others agree with are right; where there is no such majority nobody is.
    """
    found = [Opinion(None)] * count
    if len(runnable) < 2:
        return found
    first, others = runnable[0], runnable[1:]
    differences = _against(first, others, run, noise or {})
    if any(differences.values()) and len(runnable) > 2:
        return _majority(found, runnable, run, noise or {})
    for index in others:
        found[index] = Opinion(not differences[index], differences[index])
    # Of two that differ neither is known to be right.
    disputed = next(filter(None, differences.values()), "")
    found[first] = Opinion(not disputed, disputed.replace(f"sub-kernel {first}", f"sub-kernel {others[0]}"))
    return found


def _against(
    first: int, others: Sequence[int], run: Callable[[int], Outputs], noise: dict[str, float]
) -> dict[int, str]:
    """In what each of ``others`` differs from ``first``; '' where it does not."""
    reference = [(name, tensor.clone()) for name, tensor in run(first)]
    return {index: _difference(reference, run(index), first, noise) for index in others}


def _majority(
    found: list[Opinion], runnable: Sequence[int], run: Callable[[int], Outputs], noise: dict[str, float]
) -> list[Opinion]:
    differences = {
        index: _against(index, [other for other in runnable if other != index], run, noise) for index in runnable
    }
    friends = {index: [other for other in runnable if not differences[index].get(other)] for index in runnable}
    camp = max(friends.values(), key=len)
    is_majority = 2 * len(camp) > len(runnable)
    for index in runnable:
        reason = next(filter(None, (differences[other].get(index) for other in camp)), "")
        reason = reason or next(filter(None, differences[index].values()), "")
        agrees = is_majority and index in camp
        found[index] = Opinion(agrees, "" if agrees else reason)
    return found


def _difference(reference: Outputs, outputs: Outputs, first: int, noise: dict[str, float]) -> str:
    step = _coarsest_step(outputs)
    for (name, left), (_, right) in zip(reference, outputs):
        if text := difference(left, right, step, noise.get(name, 0.0)):
            return f"{name} differs from that of sub-kernel {first} {text}"
    return ""


def largest_differences(left: Outputs, right: Outputs) -> dict[str, float]:
    """By output, how far two runs are apart where both are finite; 0 for integers."""
    return {name: _largest_difference(one, other) for (name, one), (_, other) in zip(left, right)}


def _largest_difference(left: Any, right: Any) -> float:
    largest = 0.0
    if left.dtype.is_floating_point and left.numel():
        for one, other in _pieces(left, right):
            apart = (one.double() - other.double()).abs()
            largest = max(largest, float(apart.where(apart.isfinite(), apart.new_zeros(())).max()))
    return largest


def has_nan(outputs: Outputs) -> bool:
    floats = [tensor for _, tensor in outputs if tensor.dtype.is_floating_point and tensor.numel()]
    return any(bool(piece.float().isnan().any()) for tensor in floats for piece, _ in _pieces(tensor, tensor))


def difference(left: Any, right: Any, coarsest_step: float, noise: float = 0.0) -> str:
    """In how many elements two tensors differ, and by how much; '' if they agree. NaN equals NaN."""
    if not left.numel():
        return ""
    if not left.dtype.is_floating_point:
        return _of_integers(left, right)
    relative, absolute = _tolerances(left.dtype, coarsest_step)
    wide = _wide(left.dtype)
    scale = _scale(left, wide)
    counts, worst = [], []
    for one, other in _pieces(left, right):
        one, other = one.to(wide), other.to(wide)
        apart = (one - other).abs()
        allowed = one.abs().maximum(other.abs()) * relative + scale * absolute + _TIMES_NOISE * noise
        is_near = apart.isfinite() & (apart <= allowed)
        is_bad = ~(is_near | (one == other) | (one.isnan() & other.isnan()))
        far = apart.where(is_bad, apart.new_zeros(())).nan_to_num(nan=math.inf, posinf=math.inf)
        counts.append(is_bad.sum())
        worst.append(far.max())
    bad, largest = _total_and_largest(counts, worst)
    if not bad:
        return ""
    return f"in {bad} of {left.numel()} elements, by up to {largest:.3g} (mean magnitude {float(scale):.3g})"


def _of_integers(left: Any, right: Any) -> str:
    import torch

    counts, worst = [], []
    for one, other in _pieces(left, right):
        # Unsigned ones of more than 8 bits can do little themselves.
        one, other = one.to(torch.int64), other.to(torch.int64)
        is_bad = one != other
        # Of 64 bits a difference may overflow; it only has to be told from 0 and 1.
        apart = (one - other).abs()
        counts.append(is_bad.sum())
        worst.append(apart.max())
    bad, largest = _total_and_largest(counts, worst)
    is_rounding = left.dtype.itemsize == 1 and largest <= 1 and bad <= _SHARE_OF_ROUNDINGS * left.numel()
    if not bad or is_rounding:
        return ""
    return f"in {bad} of {left.numel()} elements, by up to {largest:.0f}"


def _total_and_largest(counts: list[Any], worst: list[Any]) -> tuple[int, float]:
    """Of tensors of one element each, waiting for the device once."""
    import torch

    values = torch.stack([each.to(torch.float64) for each in counts + worst]).tolist()
    return int(sum(values[: len(counts)])), float(max(values[len(counts) :]))


def _coarsest_step(outputs: Outputs) -> float:
    return max((_step(tensor.dtype) for _, tensor in outputs if tensor.dtype.is_floating_point), default=0.0)


def _step(dtype: Any) -> float:
    import torch

    return float(torch.finfo(dtype).eps)


def _tolerances(dtype: Any, coarsest_step: float) -> tuple[float, float]:
    """Relative to the element, and to the mean magnitude of its tensor."""
    relative, absolute = _WIDE_RELATIVE.get(str(dtype), (0.0, 0.0))
    if str(dtype) not in _WIDE_RELATIVE or coarsest_step > _step(dtype) * 2:
        step = max(coarsest_step, _step(dtype))
        relative, absolute = max(relative, _STEPS_OF_ELEMENT * step), max(absolute, _STEPS_OF_SCALE * step)
    return relative, absolute


def _wide(dtype: Any) -> Any:
    import torch

    return torch.float64 if dtype is torch.float64 else torch.float32


def _scale(tensor: Any, wide: Any) -> Any:
    """The mean magnitude of the finite elements, as a tensor of one element."""
    import torch

    total = torch.zeros((), dtype=torch.float64, device=tensor.device)
    count = torch.zeros((), dtype=torch.float64, device=tensor.device)
    for piece, _ in _pieces(tensor, tensor):
        values = piece.to(wide)
        is_finite = values.isfinite()
        total += values.abs().where(is_finite, values.new_zeros(())).sum(dtype=torch.float64)
        count += is_finite.sum()
    return (total / count.clamp(min=1)).to(wide)


def _pieces(left: Any, right: Any) -> Iterator[tuple[Any, Any]]:
    """Both tensors in pieces along their first dimension, so that wide copies of large ones need little memory."""
    if left.dim() == 0 or left.numel() <= ONE_GO:
        yield left, right
        return
    rows = max(1, ONE_GO * left.shape[0] // left.numel())
    yield from zip(left.split(rows), right.split(rows))
