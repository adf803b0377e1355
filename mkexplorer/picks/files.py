"""Reads pick files as torch's run time does (``MultiKernelCall.load_cache``, the same from 2.3 to 2.13).

It takes ``int(file.read())`` of any file that exists, links followed, and asserts that the index is in range.
"""

from __future__ import annotations

import errno
import os
import stat as stat_bits
from collections.abc import Iterator

from mkexplorer.catalog.errors import MkexplorerError, PlaceError
from mkexplorer.catalog.places import shelves
from mkexplorer.catalog.store import FolderStore, Store
from mkexplorer.catalog.users import user_name

from .evidence import SUFFIX, read_history
from .model import Action, Entry, Held, History, Pick, PickFile, PickState

ENDING = ".picked_kernel"
# Beyond this a file is nothing that a history should carry along.
MOST_BYTES = 64 * 1024
_SHOWN = 24
# What ``pathlib.Path.exists`` takes for "is not there".
_ABSENT = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EBADF}


def read_pick(store: Store, path: str, sub_kernel_count: int | None) -> Pick:
    """What the run time would make of the pick file at ``path`` (relative to the cache). Never raises for content."""
    return read_pick_file(store, path, sub_kernel_count).pick


def read_pick_file(store: Store, path: str, sub_kernel_count: int | None) -> PickFile:
    """The pick file with its history. Where nobody knows ``sub_kernel_count`` (None), any index counts as in range."""
    obstacle = find_obstacle(store, path)
    try:
        content = _content(store, path)
    except PlaceError as error:
        pick = _unreadable(store, path, error)
        history, _ = _history(store, path, None)
        return PickFile(path, Held(None, pick.state), pick, history, obstacle or pick.reason)
    # After the pick file: a change is written into the history first, so what was read is in there.
    history, problem = _history(store, path, content)
    pick = judge(path, content, sub_kernel_count, history.last)
    if content is not None and len(content) > MOST_BYTES:
        obstacle = obstacle or f"{path} is larger than {MOST_BYTES >> 10} KiB, too large for a history to keep"
    return PickFile(path, Held(content, pick.state), pick, history, obstacle or problem)


def unknown_pick_file(reason: str) -> PickFile:
    """For a multi-kernel whose pick file cannot be told: ``reason`` is its state's and keeps it from being changed."""
    return PickFile("", Held(None, PickState.UNKNOWN), Pick(PickState.UNKNOWN, reason=reason), History(), reason)


def read_histories(store: Store) -> Iterator[PickFile]:
    """Every pick of the place that has a history, whether or not its multi-kernel is known."""
    for path in evidence_paths(store):
        yield read_pick_file(store, path, None)


def evidence_paths(store: Store) -> Iterator[str]:
    """The paths of the pick files (there or not) beside which evidence stands."""
    for shelf in shelves(store):
        for name in store.names(shelf):
            if name.endswith(ENDING + SUFFIX):
                yield f"{shelf}/{name.removesuffix(SUFFIX)}"


def judge(path: str, content: bytes | None, sub_kernel_count: int | None, last: Entry | None) -> Pick:
    """The pick that a file with this ``content`` is, ``last`` being the last change that its history tells."""
    if content is None:
        return Pick(PickState.NONE, path=path, reason=_why_none(last))
    index, problem = _index(content, sub_kernel_count)
    if index is None:
        return Pick(PickState.INVALID, path=path, reason=problem)
    if last is None or last.after.content != content:
        return Pick(PickState.PICKED, index, path, _why_picked(last))
    state = last.after.state if last.after.state is PickState.PINNED else PickState.PICKED
    return Pick(state, index, path, _by(last))


def _index(content: bytes, sub_kernel_count: int | None) -> tuple[int | None, str]:
    """The index as ``int`` reads it, or None and what a program that loads it dies of."""
    try:
        index = int(content.decode())
    except ValueError:
        if not content:
            return None, "The file is empty: a program that loads it ends with ValueError."
        return None, f"The file holds {_shown(content)}, no number: a program that loads it ends with ValueError."
    if index < 0 or (sub_kernel_count is not None and index >= sub_kernel_count):
        of = "" if sub_kernel_count is None else f" of {sub_kernel_count} sub-kernels"
        return None, f"The file says {_shown(content)}{of}: a program that loads it ends with AssertionError."
    return index, ""


def _shown(content: bytes) -> str:
    text = content.decode("utf-8", "replace")
    return repr(text) if len(text) <= _SHOWN else f"{text[:_SHOWN]!r}…"


def _by(entry: Entry) -> str:
    what = {Action.PICK: "picked", Action.PIN: "pinned", Action.CLEAR: "cleared", Action.UNDO: "put back"}[entry.action]
    whom = f" by {entry.machine.user}" if entry.machine.user else ""
    why = f": {entry.why}" if entry.why else ""
    return f"{what}{whom} on {entry.when[:16].replace('T', ' ')} UTC{why}"


def _why_picked(last: Entry | None) -> str:
    if last is None or last.after.state is not PickState.PINNED:
        return ""
    return f"Something else wrote the file after {last.after.index} was {_by(last)}."


def _why_none(last: Entry | None) -> str:
    if last is None:
        return ""
    if last.after.content is None:
        return _by(last)
    return f"The file was deleted by something else after it was {_by(last)}."


def _history(store: Store, path: str, content: bytes | None) -> tuple[History, str]:
    """The history beside ``path``, and what keeps more from being added to it."""
    evidence = path + SUFFIX
    try:
        data = _content(store, evidence)
    except PlaceError as error:
        return History(problems=(error.message,)), f"its history cannot be read: {error.message}"
    return read_history(data or b"", content), find_obstacle(store, evidence)


def _content(store: Store, path: str) -> bytes | None:
    """None where there is no such file, which is also what a link to nothing is to torch."""
    if not isinstance(store, FolderStore):
        return store.read_bytes(path) if store.exists(path) else None
    try:
        return store.read_bytes(path)
    except PlaceError as error:
        if isinstance(error.__cause__, FileNotFoundError | NotADirectoryError):
            return None
        try:
            os.stat(os.path.join(store.root, path))
        except OSError as absent:
            if absent.errno in _ABSENT:
                return None
        raise


def _unreadable(store: Store, path: str, error: PlaceError) -> Pick:
    if not isinstance(store, FolderStore):
        return Pick(PickState.UNKNOWN, path=path, reason=error.message)
    try:
        mode = os.stat(os.path.join(store.root, path)).st_mode
    except OSError:
        mode = 0
    if stat_bits.S_ISDIR(mode):
        reason = "A directory stands in its place: a program that loads it ends with IsADirectoryError."
        return Pick(PickState.INVALID, path=path, reason=reason)
    if isinstance(error.__cause__, OSError) or not stat_bits.S_ISREG(mode):
        return Pick(PickState.INVALID, path=path, reason=error.message)
    return Pick(PickState.UNKNOWN, path=path, reason=error.message)


_NEVER_CHANGED = "a bundle is never changed"


def bundle_refusal(what: str) -> MkexplorerError:
    return MkexplorerError(f"{what}: {_NEVER_CHANGED}", "Change the cache that it was made from.")


def find_obstacle(store: Store, path: str) -> str:
    """Why the file at ``path`` must not be replaced: a link, no file, another owner, a bundle; '' where it may."""
    if not isinstance(store, FolderStore):
        return _NEVER_CHANGED
    shelf, _, _ = path.partition("/")
    for each in (shelf, path):
        try:
            found = os.lstat(os.path.join(store.root, each))
        except OSError:
            return ""  # it is not there, or whoever changes it will be told why not
        if problem := obstacle_in(found, each, folder=each == shelf):
            return problem
    return ""


def obstacle_in(found: os.stat_result, path: str, folder: bool = False) -> str:
    """As `find_obstacle`, for a shelf (``folder``) or a file that ``found`` is the ``lstat`` of."""
    if stat_bits.S_ISLNK(found.st_mode):
        return f"{path} is a symbolic link, and what it leads to may belong to something else"
    if folder:
        return "" if stat_bits.S_ISDIR(found.st_mode) else f"{path} is no folder"
    if not stat_bits.S_ISREG(found.st_mode):
        return f"{path} is no ordinary file"
    if found.st_uid != os.geteuid():
        return f"{path} belongs to the user {user_name(found.st_uid)}, and this is {user_name(os.geteuid())}"
    return ""
