"""What kind of place a path is, and which of its files may hold wrappers."""

from __future__ import annotations

import getpass
import os
import re
import stat as stat_bits
import tempfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from .bundle import BundleStore
from .errors import PlaceError
from .model import Place, PlaceKind
from .store import FileStat, FolderStore, Store
from .texts import LOG_LIMIT, OUTPUT_CODE, count_modules, plain_log, starts_as_module

_SAMPLE = "h100-torch2.11.mkx"
# code_hash's second and third letter; .best_config files are named by hex digits instead, in the same folders.
_SHELF = re.compile(r"[a-z2-7]{2}\Z")
_ON_SHELF = re.compile(r"c[a-z2-7]{51}\.|[0-9a-f]{64}\.")
_CACHE_FOLDERS = {"fxgraph", "aotautograd", "triton"}
_OUTPUT_CODE = "output_code.py"
_DEBUG_FOLDER = "torch_compile_debug"
_DEBUG_DEPTH = 5
_TRACE_LOG = re.compile(r"dedicated_log_torch_trace_.*\.log\Z")
_MOST_LOOKED_AT = 20_000
# What a file is shows here, or else in all of it: TORCH_LOGS goes to stderr, after whatever the program said before.
_HEAD = 16 * 1024 * 1024
_TRACE_LINE = re.compile(rb'[VDIWEC]\d{4} \d\d:\d\d:\d\d\.\d+ \d+ [^\n]*?\] \{"')
_ADVICE = (
    "Give an Inductor cache directory, a generated wrapper (output_code.py), a torch_compile_debug directory, "
    "a TORCH_LOGS=output_code text, a TORCH_TRACE log or a .mkx bundle."
)


def default_place() -> Path:
    """``MKEXPLORER_CACHE_DIR``, where `mkexplorer.multikernel` keeps what it generates; else where torch's cache is.

    That is found as ``torch._inductor.runtime.cache_dir_utils.cache_dir`` finds it for this user.
    """
    named = os.environ.get("MKEXPLORER_CACHE_DIR") or os.environ.get("TORCHINDUCTOR_CACHE_DIR")
    if named is not None:
        return Path(os.path.abspath(named))
    try:
        user = getpass.getuser()
    except (KeyError, ModuleNotFoundError, OSError):
        user = f"uid_{os.getuid()}"
    return Path(tempfile.gettempdir()) / ("torchinductor_" + re.sub(r'[\\/:*?"<>|]', "_", user))


def sample_path() -> Path:
    """The recorded cache that comes with mkexplorer: package data in a wheel, ``samples/`` in a checkout."""
    for path in _sample_paths():
        if path.is_file():
            return path
    raise PlaceError(f"{_SAMPLE}: the sample is missing from this installation", "Install mkexplorer again.")


def is_sample(path: str) -> bool:
    return Path(path) in _sample_paths()


def _sample_paths() -> tuple[Path, ...]:
    package = Path(__file__).resolve().parents[1]
    return package / "_samples" / _SAMPLE, package.parent / "samples" / _SAMPLE


def detect(path: str | Path) -> Place:
    """What stands at ``path``; raises ``PlaceError`` where it is nothing that mkexplorer reads."""
    absolute = os.path.abspath(path)
    try:
        mode = os.stat(absolute).st_mode
    except (OSError, ValueError) as error:
        raise _unreachable(absolute, error) from error
    if stat_bits.S_ISDIR(mode):
        return _detect_folder(absolute)
    if stat_bits.S_ISREG(mode):
        return Place(absolute, _kind_of_file(absolute))
    raise PlaceError(f"{absolute}: is neither a file nor a directory", _ADVICE)


def open_store(place: Place) -> Store:
    """The files of the place; that of a wrapper which stands in a cache is the whole cache, with its artifacts."""
    if place.kind is PlaceKind.BUNDLE:
        return BundleStore(place.path)
    return FolderStore(_root_and_file(place)[0])


def wrapper_candidates(store: Store, place: Place) -> Iterator[FileStat]:
    """The files that may hold wrappers, those that are cheapest to read first."""
    if file := _root_and_file(place)[1]:
        yield store.stat(file)
        return
    if place.kind is PlaceKind.DEBUG:
        files = store.files(depth=_DEBUG_DEPTH)
        yield from (file for file in files if file.path.rpartition("/")[2] == _OUTPUT_CODE)
        return
    if place.kind is PlaceKind.TRACE:
        yield from (file for file in store.files(depth=1) if _TRACE_LOG.match(file.path))
        return
    for shelf in shelves(store):
        yield from (file for file in store.files(shelf, depth=1) if file.path.endswith(".py"))
    # Ahead-of-time compilation leaves its tuning code here, under a temporary file's name.
    yield from (file for file in store.files(depth=1) if re.match(r"tmp.*\.py\Z", file.path))
    yield from store.files("fxgraph")


def shelves(store: Store) -> Iterator[str]:
    """The two-letter folders over which torch spreads the files of a cache."""
    return filter(_SHELF.match, store.names(""))


def _root_and_file(place: Place) -> tuple[str, str]:
    """The folder that a place's paths are relative to, and the place's own file in it ('' for a folder or bundle)."""
    if place.kind is PlaceKind.BUNDLE or os.path.isdir(place.path):
        return place.path, ""
    folder, name = os.path.split(os.path.realpath(place.path))
    cache, shelf = os.path.split(folder)
    if place.kind is PlaceKind.WRAPPER and _ON_SHELF.match(name) and name[1:3] == shelf:
        return cache, f"{shelf}/{name}"
    return folder, name


def _detect_folder(path: str) -> Place:
    try:
        names = sorted(os.listdir(path))
    except OSError as error:
        raise _unreachable(path, error) from error
    if os.path.basename(path) == _DEBUG_FOLDER:
        return Place(path, PlaceKind.DEBUG)
    if _DEBUG_FOLDER in names:
        return Place(os.path.join(path, _DEBUG_FOLDER), PlaceKind.DEBUG)
    store = FolderStore(path)
    if not names or path == str(default_place()) or _is_cache(store, names):
        return Place(path, PlaceKind.CACHE)
    if any(map(_TRACE_LOG.match, names)):
        return Place(path, PlaceKind.TRACE)
    looked_at = islice(store.files(depth=_DEBUG_DEPTH), _MOST_LOOKED_AT)
    if any(file.path.rpartition("/")[2] == _OUTPUT_CODE for file in looked_at):
        return Place(path, PlaceKind.DEBUG)
    raise PlaceError(f"{path}: holds nothing that torch.compile generated", _ADVICE)


def _is_cache(store: FolderStore, names: list[str]) -> bool:
    if not _CACHE_FOLDERS.isdisjoint(names):
        return True
    return any(_ON_SHELF.match(name) for shelf in filter(_SHELF.match, names) for name in store.names(shelf))


def _kind_of_file(path: str) -> PlaceKind:
    folder, name = os.path.split(os.path.realpath(path))
    store = FolderStore(folder)
    head = store.read_head(name, _HEAD)
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")) or path.endswith(".mkx"):
        return PlaceKind.BUNDLE
    if _TRACE_LINE.match(head):
        return PlaceKind.TRACE
    kind = _kind_of_text(path, head)
    if kind is None and len(head) == _HEAD:
        kind = _kind_of_text(path, store.read_bytes(name, limit=LOG_LIMIT))
    if kind is None:
        raise PlaceError(f"{path}: holds no code that torch.compile generated", _ADVICE)
    return kind


def _kind_of_text(path: str, data: bytes) -> PlaceKind | None:
    if OUTPUT_CODE in data:
        return PlaceKind.LOG
    data = plain_log(data)
    modules = count_modules(data)
    if modules <= 1 and (path.endswith(".py") or starts_as_module(data)):
        return PlaceKind.WRAPPER
    return PlaceKind.LOG if modules else None


def _unreachable(path: str, error: OSError | ValueError) -> PlaceError:
    if isinstance(error, FileNotFoundError):
        advice = (
            "Compile something first, or name another place. " + _ADVICE if path == str(default_place()) else _ADVICE
        )
        return PlaceError(f"{path}: no such file or directory", advice)
    return PlaceError(f"{path}: {getattr(error, 'strerror', None) or error}", "Check its permissions.")
