"""Reads the files of one place, wherever it stands: a folder here, a bundle in ``bundle.py``.

Every path in and out is POSIX and relative to the place. A store only reads, and reads nothing outside its
place: links that leave it, FIFOs, sockets and devices are refused.
"""

from __future__ import annotations

import os
import stat as stat_bits
from collections.abc import Iterator
from typing import NamedTuple, Protocol

from .errors import PlaceError
from .model import Diagnostic, Severity

READ_LIMIT = 64 * 1024 * 1024
# torch's own folders are at most five deep; a loop of mounts must still end.
_DEEPEST = 16
_TO_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY


class FileStat(NamedTuple):
    """One file; a NamedTuple because a listing makes tens of thousands. Equal stats mean an unchanged file."""

    path: str
    size: int
    mtime_ns: int


class Store(Protocol):
    """``problems`` collects the folders that could not be listed, by path; a listing goes on without them."""

    problems: dict[str, Diagnostic]

    def files(self, folder: str = "", depth: int = _DEEPEST) -> Iterator[FileStat]:
        """The files in ``folder`` and, ``depth`` levels down, in the folders below it; sorted within each folder."""

    def names(self, folder: str) -> list[str]:
        """The names in ``folder``, sorted; none where there is no such folder."""

    def stat(self, path: str) -> FileStat: ...

    def exists(self, path: str) -> bool: ...

    def read_bytes(self, path: str, *, limit: int = READ_LIMIT) -> bytes:
        """The whole file; raises ``PlaceError`` where it is missing, unreadable or larger than ``limit`` bytes."""

    def read_head(self, path: str, size: int) -> bytes:
        """The first ``size`` bytes."""

    def read_text(self, path: str, *, limit: int = READ_LIMIT) -> str:
        """As ``read_bytes``, decoded as UTF-8; a byte that is none becomes U+FFFD."""


def too_large(path: str, limit: int) -> PlaceError:
    return PlaceError(f"{path}: larger than {limit >> 20} MiB", "Cut what you need out of it into a smaller file.")


class FolderStore:
    """The files of a folder. Links to folders are not followed; links to files only where they stay inside."""

    def __init__(self, root: str) -> None:
        self.root = os.path.realpath(root)
        self.problems: dict[str, Diagnostic] = {}
        self._known_folders: dict[str, str] = {"": self.root}

    def files(self, folder: str = "", depth: int = _DEEPEST) -> Iterator[FileStat]:
        waiting = [(folder, depth)]
        while waiting:
            current, levels = waiting.pop()
            prefix = f"{current}/" if current else ""
            inner = []
            for entry in self._entries(current):
                if entry.is_dir(follow_symlinks=False):
                    inner.append((prefix + entry.name, levels - 1))
                elif found := self._file_stat(entry, prefix + entry.name):
                    yield found
            if levels > 1:
                waiting.extend(reversed(inner))

    def names(self, folder: str) -> list[str]:
        return [entry.name for entry in self._entries(folder)]

    def stat(self, path: str) -> FileStat:
        with open(self._open(path), "rb", buffering=0) as file:
            found = os.fstat(file.fileno())
        return FileStat(path, found.st_size, found.st_mtime_ns)

    def exists(self, path: str) -> bool:
        try:
            self.stat(path)
        except PlaceError:
            return False
        return True

    def read_bytes(self, path: str, *, limit: int = READ_LIMIT) -> bytes:
        with open(self._open(path), "rb", buffering=0) as file:
            if os.fstat(file.fileno()).st_size > limit:
                raise too_large(self._shown(path), limit)
            try:
                return file.read()
            except OSError as error:
                raise self._failure(path, error) from error

    def read_head(self, path: str, size: int) -> bytes:
        with open(self._open(path), "rb", buffering=0) as file:
            try:
                return file.read(size) or b""
            except OSError as error:
                raise self._failure(path, error) from error

    def read_text(self, path: str, *, limit: int = READ_LIMIT) -> str:
        return self.read_bytes(path, limit=limit).decode("utf-8", "replace")

    def _entries(self, folder: str) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(self._folder(folder)) as entries:
                found = sorted(entries, key=lambda entry: entry.name)
        except (FileNotFoundError, NotADirectoryError):
            found = []  # gone meanwhile: a cache may be cleared while we look
        except (OSError, ValueError, PlaceError) as error:
            self.problems[folder] = Diagnostic(
                Severity.ERROR, folder, None, f"cannot list the folder: {_reason(error)}", "Check its permissions."
            )
            return []
        self.problems.pop(folder, None)
        return found

    def _file_stat(self, entry: os.DirEntry[str], path: str) -> FileStat | None:
        try:
            if entry.is_symlink() and not self._is_inside(os.path.realpath(entry.path)):
                return None
            found = entry.stat()
        except OSError:  # vanished, or a link to nothing
            return None
        if not stat_bits.S_ISREG(found.st_mode):
            return None
        return FileStat(path, found.st_size, found.st_mtime_ns)

    def _open(self, path: str) -> int:
        """A descriptor of a regular file inside the root."""
        folder, _, name = path.rpartition("/")
        if path.startswith("/") or name in {"", ".", ".."}:
            raise self._outside(path)
        full = os.path.join(self._folder(folder), name)
        try:
            descriptor = self._open_here(full)
        except (OSError, ValueError) as error:
            raise self._failure(path, error) from error
        if not stat_bits.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise PlaceError(f"{self._shown(path)}: is not a regular file", "Remove it from the place.")
        return descriptor

    def _open_here(self, full: str) -> int:
        try:
            return os.open(full, _TO_READ | os.O_NOFOLLOW)
        except OSError:
            target = os.path.realpath(full)
            if target == full:
                raise
        if not self._is_inside(target):
            raise self._outside(full)
        return os.open(target, _TO_READ | os.O_NOFOLLOW)

    def _folder(self, folder: str) -> str:
        """The absolute path of ``folder``, once it is known to stand inside the root."""
        known = self._known_folders.get(folder)
        if known is None:
            known = os.path.realpath(os.path.join(self.root, folder))
            if not self._is_inside(known):
                raise self._outside(folder)
            self._known_folders[folder] = known
        return known

    def _is_inside(self, real: str) -> bool:
        return real.startswith(self.root.rstrip("/") + "/") or real == self.root

    def _shown(self, path: str) -> str:
        return os.path.join(self.root, path)

    def _outside(self, path: str) -> PlaceError:
        return PlaceError(f"{self._shown(path)}: leads out of the place", "Open the folder that it leads to instead.")

    def _failure(self, path: str, error: Exception) -> PlaceError:
        if isinstance(error, FileNotFoundError):
            return PlaceError(f"{self._shown(path)}: no such file", "It may have been deleted meanwhile; open again.")
        return PlaceError(f"{self._shown(path)}: {_reason(error)}", "Check its permissions.")


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
