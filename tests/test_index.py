"""What is remembered of a place comes back as it was, or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mkexplorer.catalog.index import ParsedFile, index_path, load_index, parser_version, save_index
from mkexplorer.catalog.model import Diagnostic, Origin, Severity
from mkexplorer.catalog.wrapper_parser import parse_wrapper

from .conftest import recorded_wrappers


def parsed(path: Path) -> ParsedFile:
    name = f"{path.parent.name}/{path.name}"
    problem = Diagnostic(Severity.WARNING, name, 3, "odd", "look")
    return ParsedFile(name, 10, 20, (parse_wrapper(path.read_text(), Origin(name)),), (problem,))


@pytest.mark.parametrize("path", recorded_wrappers(), ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_wrapper_of_any_release_comes_back_equal(path: Path, tmp_path: Path) -> None:
    files = {"a": parsed(path)}
    files = {file.path: file for file in files.values()}

    save_index(tmp_path / "index.json", files)

    assert load_index(tmp_path / "index.json") == files


def test_a_broken_wrapper_comes_back_with_its_diagnostics(tmp_path: Path) -> None:
    text = recorded_wrappers()[0].read_text()
    wrapper = parse_wrapper(text[: text.index("async_compile.wait(")], Origin("x.py"))
    files = {"x.py": ParsedFile("x.py", 1, 2, (wrapper,))}

    save_index(tmp_path / "index.json", files)

    assert load_index(tmp_path / "index.json")["x.py"].wrappers[0].diagnostics == wrapper.diagnostics != ()


def test_files_without_a_wrapper_are_remembered_too(tmp_path: Path) -> None:
    files = {"ab/cab.py": ParsedFile("ab/cab.py", 7, 8)}

    save_index(tmp_path / "deep" / "index.json", files)

    assert load_index(tmp_path / "deep" / "index.json") == files


@given(
    st.binary(max_size=200)
    | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(
        lambda value: json.dumps({"parser": parser_version(), "files": value}).encode()
    )
)
def test_a_damaged_index_counts_as_empty(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("index") / "index.json"
    path.write_bytes(data)

    assert all(isinstance(file, ParsedFile) for file in load_index(path).values())


def test_an_index_that_another_parser_made_counts_as_empty(tmp_path: Path) -> None:
    save_index(tmp_path / "i", {"a": ParsedFile("a", 1, 2)})
    record = json.loads((tmp_path / "i").read_text())
    (tmp_path / "i").write_text(json.dumps({**record, "parser": "another"}))

    assert load_index(tmp_path / "i") == {}


def test_who_has_no_home_has_no_index(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr("os.path.expanduser", lambda path: path)

    path = index_path("/a")
    assert load_index(path) == {}
    with pytest.raises(OSError, match="Not a directory|exists"):
        save_index(path, {})


def test_no_index_is_an_empty_one(tmp_path: Path) -> None:
    assert load_index(tmp_path / "none") == {}


def test_each_place_has_an_index_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    assert index_path("/a").parent == tmp_path / "mkexplorer"
    assert index_path("/a") != index_path("/b")
