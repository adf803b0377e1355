"""What a compiled kernel of NVIDIA's takes, read out of the ELF file itself: nothing is loaded, no GPU is asked."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

_MAGIC = b"\x7fELF\x02\x01"
_SECTION = struct.Struct("<IIQQQQIIQQ")
_ENTRY = struct.Struct("<BBH")
_OF_SYMBOL = struct.Struct("<II")
_GENERAL = ".nv.info"
# How an entry of that section is laid out, and what it says; NVIDIA's names are EIFMT_… and EIATTR_….
_SIZED = 0x04
_FRAME_SIZE = 0x11
_REGISTER_COUNT = 0x2F


class Usage(NamedTuple):
    """Per thread: registers, and bytes of local memory on the stack, which is where registers spill to."""

    registers: int
    local_bytes: int


def usage(cubin: bytes) -> Usage:
    """The most that any function in the file takes: a kernel's own count covers what it calls.

    Raises ValueError where the file does not say.
    """
    found: dict[int, int] = {}
    try:
        for name, content in _sections(cubin):
            if name == _GENERAL:
                for attribute, value in _entries(content):
                    found[attribute] = max(value, found.get(attribute, 0))
        return Usage(found[_REGISTER_COUNT], found.get(_FRAME_SIZE, 0))
    except (struct.error, IndexError, KeyError, ValueError) as error:
        raise ValueError(f"the compiled file does not tell its registers: {error!r}") from error


def _sections(cubin: bytes) -> Iterator[tuple[str, bytes]]:
    if not cubin.startswith(_MAGIC):
        raise ValueError("no 64-bit ELF file")
    (start,) = struct.unpack_from("<Q", cubin, 40)
    size, count, of_names = struct.unpack_from("<HHH", cubin, 58)
    headers = [_SECTION.unpack_from(cubin, start + index * size) for index in range(count)]
    names = headers[of_names][4]
    for header in headers:
        name = names + header[0]
        yield (
            cubin[name : cubin.index(b"\0", name)].decode("utf-8", "replace"),
            cubin[header[4] : header[4] + header[5]],
        )


def _entries(content: bytes) -> Iterator[tuple[int, int]]:
    """(attribute, value) of the entries that tell a number of a symbol."""
    position = 0
    while position < len(content):
        layout, attribute, size = _ENTRY.unpack_from(content, position)
        position += _ENTRY.size
        if layout != _SIZED:
            continue
        if size == _OF_SYMBOL.size:
            yield attribute, _OF_SYMBOL.unpack_from(content, position)[1]
        position += size
