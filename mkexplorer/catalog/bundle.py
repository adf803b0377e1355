"""A bundle: one ``.mkx`` file, a zip of the files of a cache under their names in it, and ``manifest.json``.

Members are read in place; nothing is unpacked. A bundle comes from somebody else, so a member whose name could
lead anywhere but below the bundle, a link, an encrypted or doubled member, and sizes beyond the limits are refused.
``manifest.py`` says what the manifest holds, ``export.py`` writes bundles.
"""

from __future__ import annotations

import io
import os
import re
import stat as stat_bits
import struct
import zipfile
import zlib
from bisect import bisect_left
from collections.abc import Iterator
from functools import cached_property

from .errors import BundleError, PlaceError
from .model import Diagnostic
from .store import READ_LIMIT, FileStat, too_large

MANIFEST = "manifest.json"
MOST_MEMBERS = 400_000
MOST_BYTES = 4 * 1024**3
MOST_MEMBER_BYTES = READ_LIMIT
# Deflate cannot exceed 1032; the IR of large kernels stays below 40.
MOST_RATIO = 200
_RATIO_COUNTS_FROM = 1024 * 1024
_MOST_DIRECTORY_BYTES = 128 * 1024**2
_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
_ENCRYPTED = 0x1 | 0x40
_DRIVE = re.compile(r"[A-Za-z]:")
_DAMAGED = "The bundle is damaged or cut short; have it sent or exported again."
_NOT_OURS = "Open only bundles that `mkexplorer export` made; have it exported again."
# What zipfile is known to raise on damaged input.
_ZIP_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    OSError,
    OverflowError,
    RuntimeError,
    ValueError,
)


class BundleStore:
    """The files of a bundle; a ``Store``. Raises ``BundleError`` at once for a bundle that must not be opened."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.problems: dict[str, Diagnostic] = {}
        try:
            self._mtime_ns = os.stat(path).st_mtime_ns
            self._zip = zipfile.ZipFile(_BoundedFile(io.FileIO(path)))
        except FileNotFoundError as error:
            raise BundleError(f"{path}: no such file", "Check the path.") from error
        except _ZIP_ERRORS as error:
            raise BundleError(f"{path}: is no readable bundle: {error}", _DAMAGED) from error
        self._members = self._checked(self._zip.infolist())
        if MANIFEST not in self._members:
            raise BundleError(f"{path}: is a zip, but no bundle: it holds no {MANIFEST}", _NOT_OURS)
        self._paths = sorted(self._members)

    def files(self, folder: str = "", depth: int = 16) -> Iterator[FileStat]:
        prefix = f"{folder}/" if folder else ""
        for at in range(bisect_left(self._paths, prefix), len(self._paths)):
            path = self._paths[at]
            if not path.startswith(prefix):
                return
            if path.count("/", len(prefix)) < depth:
                yield FileStat(path, self._members[path].file_size, self._mtime_ns)

    def names(self, folder: str) -> list[str]:
        return sorted(self._folders.get(folder, ()))

    def stat(self, path: str) -> FileStat:
        return FileStat(path, self._member(path).file_size, self._mtime_ns)

    def exists(self, path: str) -> bool:
        return path in self._members

    def read_bytes(self, path: str, *, limit: int = READ_LIMIT) -> bytes:
        member = self._member(path)
        if member.file_size > limit:
            raise too_large(f"{self.path}: {path}", limit)
        data = self._read(member, limit)
        if len(data) != member.file_size:
            raise BundleError(f"{self.path}: {path} is not as long as the bundle says", _DAMAGED)
        return data

    def read_head(self, path: str, size: int) -> bytes:
        return self._read(self._member(path), size)

    def read_text(self, path: str, *, limit: int = READ_LIMIT) -> str:
        return self.read_bytes(path, limit=limit).decode("utf-8", "replace")

    @cached_property
    def _folders(self) -> dict[str, set[str]]:
        folders: dict[str, set[str]] = {}
        for path in self._paths:
            folder, slash, name = path.rpartition("/")
            while name not in (known := folders.setdefault(folder, set())):
                known.add(name)
                if not slash:
                    break
                folder, slash, name = folder.rpartition("/")
        return folders

    def _member(self, path: str) -> zipfile.ZipInfo:
        member = self._members.get(path)
        if member is None:
            raise PlaceError(f"{self.path}: holds no {path}", "Have the bundle exported again, whole.")
        return member

    def _read(self, member: zipfile.ZipInfo, size: int) -> bytes:
        """At most ``size`` bytes, whatever the member's header claims; zipfile checks the sum at its end."""
        try:
            with self._zip.open(member) as file:
                return file.read(size)
        except _ZIP_ERRORS as error:
            raise BundleError(f"{self.path}: cannot read {member.filename}: {error}", _DAMAGED) from error

    def _checked(self, members: list[zipfile.ZipInfo]) -> dict[str, zipfile.ZipInfo]:
        if len(members) > MOST_MEMBERS:
            raise BundleError(f"{self.path}: holds more than {MOST_MEMBERS} files", _NOT_OURS)
        checked: dict[str, zipfile.ZipInfo] = {}
        total = 0
        for member in members:
            total += member.file_size
            problem = _problem_of(member)
            if problem is None and member.filename in checked:
                problem = "stands in it twice"
            if problem is None and total > MOST_BYTES:
                problem = f"brings the unpacked size above {MOST_BYTES >> 30} GiB"
            if problem is not None:
                raise BundleError(f"{self.path}: {member.orig_filename!r} {problem}", _NOT_OURS)
            if not member.is_dir():
                checked[member.filename] = member
        return checked


class _BoundedFile(io.BufferedReader):
    """zipfile reads the whole directory of a zip in one go, before anything in it can be looked at."""

    def __del__(self) -> None:
        self.close()  # a store is open as long as a catalog refers to it, and nobody else knows when that ends

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > _MOST_DIRECTORY_BYTES:
            raise ValueError("its directory is too large")
        return super().read(size)


def _problem_of(member: zipfile.ZipInfo) -> str | None:
    """Why the member must not be used; None where it may."""
    if _leads_out(member.orig_filename):
        return "has a name that leads out of the bundle"
    if stat_bits.S_IFMT(member.external_attr >> 16) not in {0, stat_bits.S_IFREG, stat_bits.S_IFDIR}:
        return "is a link or a device"
    if member.flag_bits & _ENCRYPTED:
        return "is encrypted"
    if member.compress_type not in _METHODS:
        return f"is compressed in a way that bundles do not use ({member.compress_type})"
    if member.file_size > MOST_MEMBER_BYTES:
        return f"is larger than {MOST_MEMBER_BYTES >> 20} MiB"
    if member.file_size > max(_RATIO_COUNTS_FROM, MOST_RATIO * member.compress_size):
        return f"unpacks to more than {MOST_RATIO} times its size"
    return None


def _leads_out(name: str) -> bool:
    parts = name.removesuffix("/").split("/")
    return "\\" in name or "\0" in name or _DRIVE.match(name) is not None or not {"", ".", ".."}.isdisjoint(parts)
