"""What the app remembers survives; what cannot be read costs nothing but itself."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from mkexplorer.tui.state import UiState, load_state, save_state, state_path


def test_it_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "state.json"
    state = UiState("nord", 0.3, 0.6, "diff", "regret", False, {"source.wrap": True})
    save_state(path, state)
    assert load_state(path) == (state, "")


def test_nothing_else_is_left_beside_it(tmp_path: Path) -> None:
    save_state(tmp_path / "state.json", UiState())
    save_state(tmp_path / "state.json", UiState(theme="nord"))
    assert [path.name for path in tmp_path.iterdir()] == ["state.json"]


def test_no_file_means_defaults_and_no_complaint(tmp_path: Path) -> None:
    assert load_state(tmp_path / "none.json") == (UiState(), "")


@pytest.mark.parametrize("damage", [b"", b"{", b"\xff\xfe\x00", b'{"theme": "nord"', b"[" * 100_000])
def test_a_damaged_file_means_defaults_and_says_which_file(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "state.json"
    path.write_bytes(damage)
    state, problem = load_state(path)
    assert state == UiState()
    assert str(path) in problem


def test_a_folder_in_its_place_is_no_failure(tmp_path: Path) -> None:
    state, problem = load_state(tmp_path)
    assert state == UiState()
    assert problem


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("theme", 3),
        ("ratio", 7.0),
        ("ratio", "half"),
        ("ratio", float("nan")),
        ("follow", "yes"),
        ("options", []),
        ("tab", None),
        ("unknown", 1),
    ],
)
def test_one_wrong_value_is_replaced_and_the_others_kept(tmp_path: Path, name: str, value: object) -> None:
    path = tmp_path / "state.json"
    path.write_text(json.dumps({**asdict(UiState(stacked_ratio=0.7)), name: value}))
    assert load_state(path) == (UiState(stacked_ratio=0.7), "")


@pytest.mark.parametrize("stored", ["[]", "3", "null"])
def test_json_that_is_no_object_means_defaults(tmp_path: Path, stored: str) -> None:
    path = tmp_path / "state.json"
    path.write_text(stored)
    assert load_state(path)[0] == UiState()


def test_options_keep_only_plain_values(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    path.write_text(json.dumps({"options": {"source.wrap": True, "x": [1], "diff.layout": "split"}}))
    assert load_state(path)[0].options == {"source.wrap": True, "diff.layout": "split"}


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "state.json"
    save_state(path, UiState(theme="nord"))

    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(OSError, match="disk full"):
        save_state(path, UiState())
    assert load_state(path)[0].theme == "nord"
    assert len(list(tmp_path.iterdir())) == 1


def test_it_stands_where_xdg_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert state_path() == tmp_path / "mkexplorer" / "state.json"
