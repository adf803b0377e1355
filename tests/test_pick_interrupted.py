"""A change that is stopped at any system call leaves the old pick or the new one, and its history tells which."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from itertools import count
from pathlib import Path

import pytest

from mkexplorer.catalog.errors import MkexplorerError
from mkexplorer.picks.model import PickState
from mkexplorer.picks.orphans import find_leftovers
from mkexplorer.picks.writing import remove_leftover
from tests import system_calls
from tests.pick_cache import NAME, PATH, PickCache

# What stands in the cache before, the action, and the file's content before and after.
SCENES = [
    pytest.param(b"0", (), "pin", b"0", b"1", id="pin over a pick"),
    pytest.param(None, (), "pin", None, b"1", id="pin where there is none"),
    pytest.param(b"0", ("pin",), "clear", b"1", None, id="clear a pin"),
    pytest.param(b"0", ("pin",), "undo", b"1", b"0", id="undo a pin"),
    pytest.param(b"0", ("clear",), "undo", None, b"0", id="undo a clear"),
]


def scene(root: Path, content: bytes | None, done: tuple[str, ...]) -> PickCache:
    cache = PickCache(root, content)
    for action in done:
        system_calls.act(root, action)
    return cache


@pytest.mark.parametrize(("content", "done", "action", "old", "new"), SCENES)
def test_killed_before_any_system_call(
    tmp_path: Path, content: bytes | None, done: tuple[str, ...], action: str, old: bytes | None, new: bytes | None
) -> None:
    template = scene(tmp_path / "template", content, done)
    out = tmp_path / "out"
    out.mkdir()
    subprocess.run(
        [sys.executable, "-m", "tests.system_calls", str(template.root), str(out), action],
        cwd=Path(__file__).parents[1],
        check=True,
        timeout=120,
    )
    calls = [(out / f"{number}.call").read_text() for number in range(len(list(out.glob("*.call"))))]
    assert {"open", "flock", "write", "half of a write", "fsync", "close"} <= set(calls)
    kept = len(template.read().history.entries)
    for number, call in enumerate(calls):
        check_after_kill(PickCache(out / str(number), None), old, new, kept, f"killed before {number}: {call}")
    assert PickCache(out / str(len(calls)), None).content() == new, "the walk did not reach the end"


def check_after_kill(cache: PickCache, old: bytes | None, new: bytes | None, kept: int, where: str) -> None:
    found = cache.read()
    happened = [entry for entry in found.history.entries if entry.happened]
    assert found.held.content in (old, new), where
    assert (len(happened) == kept + 1) == (found.held.content == new), where
    if len(happened) > kept:
        assert found.pick.state is happened[-1].after.state, where
    assert len(found.history.problems) <= 1, where
    leftovers = find_leftovers(cache.store)
    assert leftovers in [(), (PATH,)], where
    for path in leftovers:
        remove_leftover(cache.store, path)
    assert set(cache.names) <= {NAME, f"{NAME}.json"}, where
    cache.pin(1 if found.pick.index == 0 else 0)
    assert cache.read().pick.state is PickState.PINNED, where
    assert len([entry for entry in cache.read().history.entries if entry.happened]) == len(happened) + 1, where


def test_the_next_change_removes_what_a_killed_writer_left(tmp_path: Path) -> None:
    cache = PickCache(tmp_path)
    (cache.shelf / f".{NAME}.mkexplorer-new").write_bytes(b"1")
    cache.pin(1)
    assert cache.names == [NAME, f"{NAME}.json"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES])
@pytest.mark.parametrize(("content", "done", "action", "old", "new"), SCENES)
def test_refused_at_any_system_call(
    tmp_path: Path,
    content: bytes | None,
    done: tuple[str, ...],
    action: str,
    old: bytes | None,
    new: bytes | None,
    number: int,
) -> None:
    """The disk is full, or access is denied, from some call on, or for that one only."""
    for lasting in (False, True):
        for call in count():
            cache = scene(tmp_path / f"{lasting} {call}", content, done)
            reached, error = fail_at(cache, action, call, number, lasting)
            if not reached:
                assert call > 10
                break
            if error is None:
                assert cache.content() == new, "only the outcome may go missing without a word"
            else:
                assert ("not changed" in error.message) == (cache.content() == old)
                assert ("is changed, but" in error.message) == (cache.content() == new)
                assert error.advice
            found = cache.read()
            happened = [entry for entry in found.history.entries if entry.happened]
            assert found.held.content in (old, new)
            assert (len(happened) == len(done) + 1) == (found.held.content == new)
            assert len(found.history.problems) <= lasting  # not even the end of a torn line can be cut off then


def fail_at(
    cache: PickCache, action: str, call: int, number: int, lasting: bool
) -> tuple[bool, MkexplorerError | None]:
    """Does the action while that call (and all later ones) fail: whether it came to it, and to what error."""
    seen = count()
    reached = False
    change = cache.plan(action)

    def step(name: str) -> None:
        nonlocal reached
        if name not in ("close", "fstat"):
            at = next(seen)
            if at == call or (lasting and at > call):
                reached = True
                raise OSError(number, os.strerror(number))

    with pytest.MonkeyPatch.context() as patch:
        system_calls.watch(step, lambda: step("half of a write"), patch.setattr)
        try:
            cache.apply(change)
        except MkexplorerError as error:
            return reached, error
    return reached, None


def test_a_refused_pin_of_what_is_picked_leaves_it_picked(tmp_path: Path) -> None:
    """Here the file holds the same before and after, and only the history tells."""
    for call in count():
        cache = PickCache(tmp_path / str(call), b"1")
        reached, error = fail_at(cache, "pin", call, errno.ENOSPC, lasting=False)
        if not reached:
            break
        refused = error is not None and "not changed" in error.message
        assert cache.read().pick.state is (PickState.PICKED if refused else PickState.PINNED)
