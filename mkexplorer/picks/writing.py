"""Carries out one change of a pick file, so that at every moment the old pick or the new one is there.

In this order, under ``flock`` on the evidence file: what is to be replaced is read again and compared with the plan;
the new content goes to a file of its own and to the disk; the change is entered into the evidence; the new file
takes the place of the old one; what came of it is entered. Whatever stops that in between, the pick file is whole,
and `mkexplorer.picks.evidence` tells a change that happened from one that did not.

A run time knows nothing of the lock: a program that is choosing at this moment may write after us, and is then told
of as the one who wrote last. Everything happens below folders that are held open, and follows no links.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat as stat_bits
import time
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from mkexplorer.catalog.errors import MkexplorerError
from mkexplorer.catalog.store import FolderStore, Store

from .changes import PickChange
from .evidence import SUFFIX, change_line, outcome_line
from .files import ENDING, MOST_BYTES, bundle_refusal, obstacle_in
from .model import Entry, Machine, Who

# What a killed writer may leave beside a pick: no reader takes a hidden name with this ending for a pick.
LEFTOVER = ".mkexplorer-new"
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_APPEND = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_LOCK_SECONDS = 10.0
_LOCK_STEP_SECONDS = 0.002
_ADVICE = {
    errno.ENOSPC: "Free some space on that disk, then try again.",
    errno.EDQUOT: "Your disk quota is used up: free some space, then try again.",
    errno.EROFS: "The cache is on a read-only file system; change it where it may be written.",
    errno.EACCES: "Run mkexplorer as the user whom the cache belongs to.",
    errno.EPERM: "Run mkexplorer as the user whom the cache belongs to.",
    errno.ENOENT: "The cache may have been cleared meanwhile; open it again.",
    errno.ENOTDIR: "Look at what stands in the place of the folder, a file or a link.",
    errno.ENOLCK: "This file system has no locks; change the cache on the machine that it is on.",
}


@dataclass(frozen=True, slots=True)
class Occasion:
    """One command or key press: `undo` takes all its changes back together."""

    who: Who
    machine: Machine = Machine()
    batch: str = field(default_factory=lambda: uuid.uuid4().hex)


def apply_change(store: Store, change: PickChange, occasion: Occasion) -> None:
    """Carries out ``change``. Raises `MkexplorerError` where that cannot be; the pick file is then as it was."""
    if not isinstance(store, FolderStore):
        raise bundle_refusal(change.path)
    shelf, name = _split(change.path)
    make = change.after.content is not None
    with _told(change.path), _opened(store.root, shelf, make) as folder, _locked(folder, name) as evidence:
        _change(folder, name, evidence, change, _entry(change, occasion))


def apply_changes(
    store: Store, changes: Iterable[PickChange], occasion: Occasion
) -> Iterator[tuple[PickChange, MkexplorerError | None]]:
    """Carries out one after the other, each told with what kept it from being done; one failure stops no other."""
    for change in changes:
        try:
            apply_change(store, change, occasion)
        except MkexplorerError as error:
            yield change, error
        else:
            yield change, None


def enter_measurement(store: FolderStore, entry: PickChange, occasion: Occasion) -> None:
    """Enters what was measured while the pick was ``entry.before``, and changes nothing. Raises `MkexplorerError`."""
    shelf, name = _split(entry.path)
    with _told(entry.path), _opened(store.root, shelf, True) as folder, _locked(folder, name) as evidence:
        if _read(folder, name, entry.path)[0] != entry.before.content:
            raise MkexplorerError(f"{entry.path}: changed while its measurement was being kept", "Measure again.")
        _enter(folder, evidence, _entry(entry, occasion))


def remove_leftover(store: FolderStore, path: str) -> None:
    """Removes what a killed writer left beside the pick file at ``path``, if it did. Raises `MkexplorerError`."""
    shelf, name = _split(path)
    with _told(path), _opened(store.root, shelf, False) as folder, _locked(folder, name):
        _remove(folder, leftover_name(name))


def leftover_name(name: str) -> str:
    return f".{name}{LEFTOVER}"


def _change(folder: int, name: str, evidence: int, change: PickChange, entry: Entry) -> None:
    """Everything that happens under the lock."""
    new = leftover_name(name)
    _remove(folder, new)  # of a writer that was killed: we hold the lock, so no other one is at it
    found, mode = _read(folder, name, change.path)
    if found != change.before.content or os.fstat(evidence).st_size != change.history_size:
        raise MkexplorerError(f"{change.path}: not changed, because it changed meanwhile", "Look again, then decide.")
    try:
        if change.after.content is not None:
            _write_new(folder, new, change.after.content, mode)
        _enter(folder, evidence, entry)
        _put_in_place(folder, name, evidence, entry)
    except BaseException:
        _remove(folder, new)
        raise
    _confirm(folder, name, evidence, change, entry)


def _enter(folder: int, evidence: int, entry: Entry) -> None:
    """The change in its history, on the disk, before it is made."""
    size = os.fstat(evidence).st_size
    try:
        _append(evidence, change_line(entry))
        os.fsync(evidence)
        if size == 0:
            os.fsync(folder)
    except BaseException:
        os.ftruncate(evidence, size)
        raise


def _put_in_place(folder: int, name: str, evidence: int, entry: Entry) -> None:
    try:
        if entry.after.content is not None:
            os.replace(leftover_name(name), name, src_dir_fd=folder, dst_dir_fd=folder)
        elif entry.before.content is not None:
            os.unlink(name, dir_fd=folder)
    except BaseException:
        _enter_outcome(evidence, entry, happened=False)
        raise


def _confirm(folder: int, name: str, evidence: int, change: PickChange, entry: Entry) -> None:
    """The change is made; enters that once it is sure to last, and tells what may keep it from lasting."""
    try:
        os.fsync(folder)
        _enter_outcome(evidence, entry, happened=True)
        found = _read(folder, name, change.path)[0] if change.after.content is not None else None
    except OSError as error:
        message = f"{change.path}: is changed, but the disk does not confirm it: {error.strerror}"
        raise MkexplorerError(message, "Check the disk; after a power cut the old pick may be back.") from error
    if found != change.after.content:
        message = f"{change.path}: was changed, and something else has written it since"
        raise MkexplorerError(message, "A program was choosing at this moment: wait until it is done, then try again.")


def _enter_outcome(evidence: int, entry: Entry, happened: bool) -> None:
    # Without this line a reader tells from the pick file itself; no reason to call the change failed.
    with contextlib.suppress(OSError):
        _append(evidence, outcome_line(entry.id, happened))


def _entry(change: PickChange, occasion: Occasion) -> Entry:
    return Entry(
        id=uuid.uuid4().hex,
        batch=occasion.batch,
        when=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        who=occasion.who,
        action=change.action,
        multi_kernel=change.multi_kernel,
        before=change.before,
        after=change.after,
        why=change.why,
        undoes=change.undoes,
        measured=change.measured,
        machine=replace(change.machine or occasion.machine, host=os.uname().nodename, user=_user()),
    )


def _user() -> str:
    import getpass  # seldom needed

    try:
        return getpass.getuser()
    except (KeyError, ModuleNotFoundError, OSError):
        return f"uid {os.getuid()}"


def _split(path: str) -> tuple[str, str]:
    """The shelf and the name; refuses what is no pick file of a cache."""
    shelf, _, name = path.partition("/")
    if shelf in {"", ".", ".."} or "/" in name or not name.endswith(ENDING) or "\0" in path or name == ENDING:
        raise MkexplorerError(f"{path}: is not where a cache keeps a pick file", "Report this; nothing was changed.")
    return shelf, name


@contextlib.contextmanager
def _told(path: str) -> Iterator[None]:
    """What the system refuses, in a person's words. No OSError comes here once the pick file is changed."""
    try:
        yield
    except OSError as error:
        reason = "a link stands in its way" if error.errno == errno.ELOOP else error.strerror or str(error)
        what = error.filename
        if isinstance(what, str) and what != path.rpartition("/")[2] and not what.endswith(LEFTOVER):
            reason = f"{what}: {reason}"
        advice = _ADVICE.get(error.errno or 0, "Look at what stands there, and at the disk; then try again.")
        raise MkexplorerError(f"{path}: not changed: {reason}", advice) from error


@contextlib.contextmanager
def _opened(root: str, shelf: str, make: bool) -> Iterator[int]:
    """The folder of the pick file, made where the run time would make it; no link leads to it."""
    outer = os.open(root, _FOLDER)
    try:
        if make:
            with contextlib.suppress(FileExistsError):
                os.mkdir(shelf, dir_fd=outer)
                os.fsync(outer)
        inner = os.open(shelf, _FOLDER, dir_fd=outer)
    finally:
        os.close(outer)
    try:
        yield inner
    finally:
        os.close(inner)


@contextlib.contextmanager
def _locked(folder: int, name: str) -> Iterator[int]:
    """The evidence file, locked for this change; one that was made for it and never got an entry goes again."""
    evidence = name + SUFFIX
    descriptor = _lock(folder, evidence)
    try:
        yield descriptor
    finally:
        if os.fstat(descriptor).st_size == 0:
            _remove(folder, evidence)
        os.close(descriptor)


def _lock(folder: int, evidence: str) -> int:
    deadline = time.monotonic() + _LOCK_SECONDS
    while time.monotonic() < deadline:
        descriptor = os.open(evidence, _APPEND, 0o666, dir_fd=folder)
        try:
            found = os.fstat(descriptor)
            if problem := obstacle_in(found, evidence):
                raise MkexplorerError(f"{evidence}: {problem}", "Nothing was changed, since no history can be kept.")
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_still(folder, evidence, found):
                return descriptor
        except BlockingIOError:
            time.sleep(_LOCK_STEP_SECONDS)
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
    message = f"{evidence}: another mkexplorer has been changing this pick for {_LOCK_SECONDS:.0f} s"
    raise MkexplorerError(message, "Wait for it, or end it if it hangs; nothing was changed.")


def _is_still(folder: int, name: str, found: os.stat_result) -> bool:
    """Whether the locked file is the one that stands there: it may have been removed while we waited for it."""
    try:
        return os.path.samestat(found, os.stat(name, dir_fd=folder, follow_symlinks=False))
    except FileNotFoundError:
        return False


def _read(folder: int, name: str, path: str) -> tuple[bytes | None, int]:
    """What the pick file holds (None: there is none) and its permission bits."""
    try:
        descriptor = os.open(name, _READ, dir_fd=folder)
    except FileNotFoundError:
        return None, 0
    try:
        found = os.fstat(descriptor)
        problem = obstacle_in(found, path)
        content = b"" if problem else os.read(descriptor, MOST_BYTES + 1)
    finally:
        os.close(descriptor)
    if problem:
        raise MkexplorerError(f"{path}: not changed: {problem}", "Put that right yourself, then try again.")
    return content, stat_bits.S_IMODE(found.st_mode)


def _write_new(folder: int, name: str, content: bytes, mode: int) -> None:
    """A new file with ``content``, on the disk, with the ``mode`` of the one that it is to replace (0: the usual)."""
    descriptor = os.open(name, _CREATE, 0o666, dir_fd=folder)
    try:
        if mode:
            os.fchmod(descriptor, mode)
        if os.write(descriptor, content) != len(content):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _append(evidence: int, line: bytes) -> None:
    """One more line, whole or not at all; one that a killed writer tore is ended first."""
    size = os.fstat(evidence).st_size
    torn = size > 0 and os.pread(evidence, 1, size - 1) != b"\n"
    data = b"\n" + line if torn else line
    try:
        if os.write(evidence, data) != len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    except BaseException:
        os.ftruncate(evidence, size)
        raise


def _remove(folder: int, name: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name, dir_fd=folder)
