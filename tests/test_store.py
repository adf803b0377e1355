"""A folder as a store: lists and reads what is inside, and nothing else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mkexplorer.catalog.errors import PlaceError
from mkexplorer.catalog.store import FileStat, FolderStore


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "place"
    (folder / "aa" / "deep").mkdir(parents=True)
    (folder / "aa" / "one.py").write_text("one")
    (folder / "aa" / "deep" / "two.py").write_text("two")
    (folder / "top.py").write_text("top")
    return folder


def paths(store: FolderStore, folder: str = "", depth: int = 16) -> list[str]:
    return [file.path for file in store.files(folder, depth)]


def test_lists_every_file_relative_to_the_place(root: Path) -> None:
    assert paths(FolderStore(str(root))) == ["top.py", "aa/one.py", "aa/deep/two.py"]


def test_lists_below_a_folder_and_no_deeper_than_asked(root: Path) -> None:
    store = FolderStore(str(root))
    assert paths(store, "aa") == ["aa/one.py", "aa/deep/two.py"]
    assert paths(store, "aa", depth=1) == ["aa/one.py"]


def test_a_stat_tells_a_changed_file_from_an_unchanged_one(root: Path) -> None:
    store = FolderStore(str(root))
    before = store.stat("top.py")
    assert before == FileStat("top.py", 3, (root / "top.py").stat().st_mtime_ns)
    (root / "top.py").write_text("changed")
    assert store.stat("top.py") != before


def test_a_folder_that_is_not_there_is_empty(root: Path) -> None:
    store = FolderStore(str(root))
    assert store.names("none") == []
    assert store.names("top.py") == []
    assert paths(store, "none") == []
    assert store.problems == {}


def test_a_folder_that_cannot_be_listed_is_a_problem_and_the_rest_is_listed(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scandir = os.scandir

    def refuse_deep(path: str) -> object:
        if path.endswith("deep"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    store = FolderStore(str(root))
    monkeypatch.setattr(os, "scandir", refuse_deep)
    assert paths(store) == ["top.py", "aa/one.py"]
    assert store.problems["aa/deep"].message == "cannot list the folder: Permission denied"
    monkeypatch.undo()
    assert "aa/deep/two.py" in paths(store)
    assert store.problems == {}


@pytest.mark.parametrize("path", ["../outside.py", "aa/../../outside.py", "/etc/hostname", "..", ".", "", "aa/"])
def test_no_path_leads_out_of_the_place(root: Path, path: str) -> None:
    (root.parent / "outside.py").write_text("secret")
    store = FolderStore(str(root))
    with pytest.raises(PlaceError, match="leads out of the place"):
        store.read_text(path)
    assert not store.exists(path)


def test_links_to_files_inside_are_read_and_those_that_leave_are_not(root: Path) -> None:
    (root.parent / "outside.py").write_text("secret")
    (root / "inner.py").symlink_to("aa/one.py")
    (root / "outer.py").symlink_to("../outside.py")
    (root / "broken.py").symlink_to("nothing")
    store = FolderStore(str(root))
    assert paths(store, depth=1) == ["inner.py", "top.py"]
    assert store.read_text("inner.py") == "one"
    with pytest.raises(PlaceError, match="leads out of the place"):
        store.read_text("outer.py")


def test_links_to_folders_are_not_followed(root: Path) -> None:
    outside = root.parent / "outside"
    outside.mkdir()
    (outside / "secret.py").write_text("secret")
    (root / "zz").symlink_to(outside)
    (root / "aa" / "loop").symlink_to(root)
    store = FolderStore(str(root))
    assert paths(store) == ["top.py", "aa/one.py", "aa/deep/two.py"]
    with pytest.raises(PlaceError, match="leads out of the place"):
        store.read_text("zz/secret.py")


def test_a_place_that_is_itself_a_link_opens(root: Path) -> None:
    link = root.parent / "link"
    link.symlink_to(root)
    assert FolderStore(str(link)).read_text("aa/one.py") == "one"


def test_a_fifo_is_neither_listed_nor_waited_for(root: Path) -> None:
    os.mkfifo(root / "fifo.py")
    store = FolderStore(str(root))
    assert "fifo.py" not in paths(store)
    with pytest.raises(PlaceError, match="is not a regular file"):
        store.read_bytes("fifo.py")


def test_a_folder_is_no_file(root: Path) -> None:
    with pytest.raises(PlaceError, match="is not a regular file"):
        FolderStore(str(root)).read_bytes("aa")


def test_a_vanished_file_says_so(root: Path) -> None:
    with pytest.raises(PlaceError, match=r"gone\.py: no such file") as caught:
        FolderStore(str(root)).read_bytes("gone.py")
    assert "open again" in caught.value.advice


def test_a_name_that_no_file_can_have_is_refused(root: Path) -> None:
    with pytest.raises(PlaceError):
        FolderStore(str(root)).read_bytes("a\0b")


def test_a_file_beyond_the_limit_is_refused(root: Path) -> None:
    store = FolderStore(str(root))
    (root / "big").write_bytes(b"x" * (2 << 20))
    assert len(store.read_bytes("big", limit=2 << 20)) == 2 << 20
    with pytest.raises(PlaceError, match="big: larger than 1 MiB"):
        store.read_bytes("big", limit=1 << 20)


def test_a_head_is_the_first_bytes(root: Path) -> None:
    store = FolderStore(str(root))
    assert store.read_head("aa/one.py", 2) == b"on"
    assert store.read_head("aa/one.py", 100) == b"one"


def test_bytes_that_are_no_text_are_replaced(root: Path) -> None:
    (root / "odd.py").write_bytes(b"a\xffb")
    assert FolderStore(str(root)).read_text("odd.py") == "a\N{REPLACEMENT CHARACTER}b"


def test_a_file_whose_name_is_no_text_can_be_read(root: Path) -> None:
    with open(os.fsencode(root) + b"/\xff.py", "wb") as file:
        file.write(b"odd")
    store = FolderStore(str(root))
    (name,) = [path for path in paths(store, depth=1) if path != "top.py"]
    assert store.read_bytes(name) == b"odd"
