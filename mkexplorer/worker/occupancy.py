"""How full a multiprocessor gets with one kernel, from what the kernel takes and what NVIDIA's architectures have."""

from __future__ import annotations

from typing import NamedTuple

_WARP_SIZE = 32
_PARTITIONS = 4  # of a multiprocessor; each has its own registers and runs its own warps
_REGISTERS = 65536
_REGISTER_UNIT = 256  # registers are given to a warp in pieces of this size
_KIB = 1024


class Limits(NamedTuple):
    """Of one multiprocessor. Shared memory in bytes: all that blocks can have, what each block takes on top of its own,
    and the piece size in which it is given out."""

    warps: int
    blocks: int
    shared: int
    shared_of_block: int
    shared_unit: int


# Compute capability (90 is 9.0): the table "technical specifications per compute capability" of the CUDA C++
# programming guide; the pieces are those of the occupancy header that comes with CUDA.
_LIMITS = {
    70: Limits(64, 32, 96 * _KIB, 0, 256),
    72: Limits(64, 32, 96 * _KIB, 0, 256),
    75: Limits(32, 16, 64 * _KIB, 0, 256),
    80: Limits(64, 32, 164 * _KIB, _KIB, 128),
    86: Limits(48, 16, 100 * _KIB, _KIB, 128),
    87: Limits(48, 16, 164 * _KIB, _KIB, 128),
    89: Limits(48, 24, 100 * _KIB, _KIB, 128),
    90: Limits(64, 32, 228 * _KIB, _KIB, 128),
    100: Limits(64, 32, 228 * _KIB, _KIB, 128),
    103: Limits(64, 32, 228 * _KIB, _KIB, 128),
    120: Limits(48, 24, 100 * _KIB, _KIB, 128),
    121: Limits(48, 24, 100 * _KIB, _KIB, 128),
}


def limits_of(kind: str, architecture: object) -> Limits | None:
    """None for what is not in the table."""
    return _LIMITS.get(architecture) if kind == "cuda" and isinstance(architecture, int) else None


def occupancy(limits: Limits, warps: int, registers: int, shared: int) -> float:
    """Resident warps ÷ the most that there can be; 0.0 where not even one block fits.

    ``warps`` and ``shared`` (bytes) are of a block, ``registers`` of a thread.
    """
    warp_registers = _up(registers * _WARP_SIZE, _REGISTER_UNIT) or _REGISTER_UNIT
    by_registers = _REGISTERS // _PARTITIONS // warp_registers * _PARTITIONS // warps
    block_shared = _up(shared + limits.shared_of_block, limits.shared_unit)
    by_shared = limits.shared // block_shared if block_shared else limits.blocks
    blocks = min(limits.blocks, limits.warps // warps, by_registers, by_shared)
    return blocks * warps / limits.warps


def _up(number: int, unit: int) -> int:
    return -(-number // unit) * unit
