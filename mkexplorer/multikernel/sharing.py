"""Who measures when several would: threads of a process, processes with one cache, ranks of one job.

Threads wait at a lock of their multi-kernel, and at one of the GPU, so that no two measurements disturb each other.
Processes wait at a lock file beside the pick, and at one of the GPU. Nobody waits for ever: whoever has waited too long
measures for himself.

Ranks that share their choice wait for the lowest of them, which tells its choice once, whether or not that is kept. The
others keep nothing that they were told. What is forced in a rank, or pinned in its cache, that rank uses. A size starts
from no neighbour's choice: when the lowest rank confirms that, later, each of the others would be somewhere else.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

from .environment import config

log = logging.getLogger("mkexplorer.multikernel")

_STEP_SECONDS = 0.01
_STORE_PREFIX = "mkexplorer/pick/"
_Found = TypeVar("_Found")
_locks: dict[str, threading.Lock] = {}


@contextlib.contextmanager
def alone_with(pick: Path) -> Iterator[None]:
    """Holds the lock of a pick file, so that of all processes with this cache one measures."""
    with _file_lock(pick.with_name(f".{pick.name}.lock")):
        yield


@contextlib.contextmanager
def alone_on(device: str) -> Iterator[None]:
    """Holds the lock of a GPU: of all this user's measurements on this machine one runs on it."""
    lock = _locks.setdefault(device, threading.Lock())
    name = f"mkexplorer-{os.getuid()}-{''.join(letter for letter in device if letter.isalnum())}.lock"
    with lock, _file_lock(Path(tempfile.gettempdir()) / name):
        yield


@contextlib.contextmanager
def _file_lock(path: Path) -> Iterator[None]:
    """An exclusive lock, which ends with its process. Where there can be none, or not in time, it goes without."""
    descriptor = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = _locked(path)
    except TimeoutError:
        log.warning("%s: another process has held this lock for %.0f s; going on without it", path, config.wait_s)
    except OSError as error:
        log.debug("no lock: %s: %s", path, error.strerror)
    try:
        yield
    finally:
        if descriptor is not None:
            with contextlib.suppress(OSError):
                path.unlink()
            os.close(descriptor)


def _locked(path: Path) -> int:
    """The lock file, locked; another one if its last holder removed it meanwhile. Raises OSError, TimeoutError."""
    until = time.monotonic() + config.wait_s
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(descriptor), os.stat(path)):
                return descriptor
        except FileNotFoundError:
            pass
        except BlockingIOError:
            if time.monotonic() >= until:
                os.close(descriptor)
                raise TimeoutError from None
            time.sleep(_STEP_SECONDS)
        except OSError:
            os.close(descriptor)
            raise
        os.close(descriptor)


@dataclass(frozen=True)
class Ranks:
    """This process among those of its job. ``store`` is that of torch.distributed, None where it is not initialised.

    Without it the ranks share by the pick file and the note beside it, so their cache has to be one folder.
    """

    rank: int
    size: int
    store: Any = None

    @property
    def decides(self) -> bool:
        return self.rank == 0

    def tell(self, key: str, index: int) -> int:
        """Lets the others know a choice: ``index``, or else the one that was told before. Needs a store.

        What was told once stands, because some of the others may use it by now.
        """
        try:
            return int(self.store.compare_set(_STORE_PREFIX + key, "", str(index)))
        except (RuntimeError, ValueError, NotImplementedError) as error:
            log.warning("the other ranks cannot be told the choice for %s: %s", key, str(error).partition("\n")[0])
            return index

    def ask(self, key: str, count: int) -> int | None:
        """The lowest rank's choice, once it has told; None where the wait was too long or its words make no sense.

        Needs a store.
        """
        try:
            self.store.wait([_STORE_PREFIX + key], timedelta(seconds=config.wait_s))
            index = int(self.store.get(_STORE_PREFIX + key))
        except (RuntimeError, ValueError) as error:
            log.warning("the lowest rank told no choice for %s: %s", key, str(error).partition("\n")[0])
            return None
        return index if 0 <= index < count else None


def ranks() -> Ranks | None:
    """The job that this process belongs to: of torch.distributed, else of what torchrun or Slurm set; None: alone."""
    found = ranks_of_torch() or _of_environment()
    return found if found is not None and found.size > 1 else None


def wait_for(pick: Path, look: Callable[[], _Found | None]) -> _Found | None:
    """What ``look`` finds of the lowest rank's choice, as soon as it does; None after as long as anybody waits.

    Where this process cannot write beside the pick file the lowest rank cannot either, so nobody waits for it.
    """
    until = time.monotonic() + (config.wait_s if _can_write_in(pick.parent) else 0.0)
    while (found := look()) is None:
        if time.monotonic() >= until:
            log.warning("%s: the lowest rank has told no choice, so this one measures for itself", pick)
            return None
        time.sleep(_STEP_SECONDS)
    return found


def _can_write_in(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK)


def ranks_of_torch() -> Ranks | None:
    """The job of torch.distributed, which may be of one rank; None where that is not initialised."""
    torch: Any = sys.modules.get("torch")  # who is in a job of torch has imported it
    if torch is None or not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return None
    # The store that was there before any collective: unlike those, it needs nobody else to be at the same place.
    store = torch.distributed.distributed_c10d._get_default_store()
    return Ranks(torch.distributed.get_rank(), torch.distributed.get_world_size(), store)


def _of_environment() -> Ranks | None:
    for rank, size in (("RANK", "WORLD_SIZE"), ("SLURM_PROCID", "SLURM_NTASKS")):
        with contextlib.suppress(KeyError, ValueError):
            return Ranks(int(os.environ[rank]), int(os.environ[size]))
    return None
