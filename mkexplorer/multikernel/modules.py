"""Generated modules as files: in a cache that is laid out as Inductor's, under the hash of their text."""

from __future__ import annotations

import contextlib
import importlib.util
import linecache
import logging
import os
import re
import sys
import tempfile
import types
from pathlib import Path

from mkexplorer.catalog.definitions import code_hash
from mkexplorer.catalog.places import default_place

from .codegen import GeneratedModule, wrapper_text
from .environment import config
from .errors import MultiKernelError
from .sources import kernel_text, run_module_text

PICK_ENDING = ".picked_kernel"
_ON_SHELF = re.compile(r"c([a-z2-7]{2})[a-z2-7]{49}\.py\Z")
_log = logging.getLogger("mkexplorer.multikernel")


def key_of(text: str) -> str:
    """The key of a generated module: of its text without white space around it, as torch computes it."""
    return code_hash(text)


def path_of(key: str, cache: Path, ending: str = ".py") -> Path:
    return cache / key[1:3] / f"{key}{ending}"


def default_cache() -> Path:
    """What the program has set in `config`, else what ``mkexplorer`` opens by itself."""
    return Path(os.path.abspath(config.cache_dir)) if config.cache_dir else default_place()


def cache_of(file: str | Path) -> Path:
    """The cache in which a generated file stands; the default one for a file that stands in none."""
    path = Path(os.path.abspath(file))
    found = _ON_SHELF.match(path.name)
    return path.parents[1] if found and found[1] == path.parent.name else default_cache()


def write_source(text: str, cache: Path) -> Path:
    """Puts ``text`` where its key says, at once or not at all.

    What stands there already stays, as with torch, even if somebody has edited it; but for an empty file, which a
    machine that went down may leave. Raises `MultiKernelError` where the cache cannot be written.
    """
    path = path_of(key_of(text), cache)
    content = f"{text.strip()}\n".encode("utf-8", "surrogatepass")
    try:
        if _is_there(path):
            return path
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, content)
    except OSError as error:
        raise MultiKernelError(
            f"{path}: cannot be written: {error.strerror}", "Set MKEXPLORER_CACHE_DIR to a directory that can be."
        ) from error
    return path


def write_module(module: GeneratedModule, cache: str | Path | None = None) -> Path:
    """Writes what a module is generated from, with the files of its sub-kernels and of what runs its multi-kernels.

    Returns the module's path; `load_module` imports it.
    """
    folder = Path(os.path.abspath(cache)) if cache is not None else default_cache()
    for multi_kernel in {id(call.multi_kernel): call.multi_kernel for call in module.calls}.values():
        for sub_kernel in multi_kernel.sub_kernels:
            write_source(kernel_text(sub_kernel), folder)
        write_source(run_module_text(multi_kernel), folder)
    return write_source(wrapper_text(module, str(folder)), folder)


def load_source(text: str, cache: Path) -> types.ModuleType:
    """Writes and imports a generated module; a cache that cannot be written costs a warning and nothing else."""
    try:
        return load_module(write_source(text, cache))
    except MultiKernelError as error:
        _log.warning("%s", error)
    # Triton reads a kernel's source through `inspect`, which finds it in here under a name that is no file's.
    name = f"<{key_of(text)}>"
    source = f"{text.strip()}\n"
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    module = types.ModuleType(key_of(text))
    module.__file__ = name
    exec(compile(source, name, "exec"), module.__dict__)
    return module


def load_module(path: str | Path) -> types.ModuleType:
    """Imports the generated module at ``path``, anew with every call."""
    path = Path(path)
    specification = importlib.util.spec_from_file_location(path.stem, path)
    if specification is None or specification.loader is None:
        raise MultiKernelError(f"{path}: is no Python file", "Give a module that mkexplorer.multikernel generated.")
    module = importlib.util.module_from_spec(specification)
    # `inspect` looks up a function's module by its name.
    sys.modules[path.stem] = module
    try:
        specification.loader.exec_module(module)
    except FileNotFoundError as error:
        raise MultiKernelError(f"{path}: there is no such file", "The cache may have been cleared.") from error
    return module


def replace_file(path: Path, content: bytes) -> None:
    """Writes a file whole or not at all, with the access that new files get. Raises OSError."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}.", suffix=".tmp")
    try:
        with open(descriptor, "wb") as file:
            file.write(content)
        os.chmod(name, 0o666 & ~_umask())
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def _is_there(path: Path) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return path.stat().st_size > 0
    return False


def _umask() -> int:
    """Python tells the process's mask only by setting it, which other threads would notice; Linux tells it so."""
    with contextlib.suppress(OSError):
        found = re.search(r"^Umask:\s*([0-7]+)$", Path("/proc/self/status").read_text(), re.MULTILINE)
        if found:
            return int(found[1], 8)
    return 0o022
