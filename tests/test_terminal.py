"""The app in a real terminal: opens the sample, filters, diffs, quits, and leaves the terminal as it was."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mkexplorer.catalog.places import sample_path
from mkexplorer.tui.state import load_state, state_path

TMUX = shutil.which("tmux")
WAIT_S = 30.0

pytestmark = pytest.mark.skipif(TMUX is None, reason="tmux is not installed")


class Terminal:
    """A shell in a tmux pane of its own server."""

    def __init__(self, folder: Path, width: int, height: int) -> None:
        self._socket = str(folder / "tmux")
        size = ("-x", str(width), "-y", str(height))
        self._tmux("-f", "/dev/null", "new-session", "-d", *size, "env", "-u", "COLUMNS", "-u", "LINES", "PS1=$ ", "sh")
        self._tmux("set-option", "-s", "escape-time", "0")
        self.until(lambda text: text.startswith("$"))

    def close(self) -> None:
        self._tmux("kill-server")

    def _tmux(self, *arguments: str) -> str:
        command = [str(TMUX), "-S", self._socket, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=WAIT_S).stdout

    def keys(self, *keys: str) -> None:
        self._tmux("send-keys", *keys)

    def type(self, text: str) -> None:
        self._tmux("send-keys", "-l", text)

    def line(self, text: str) -> None:
        self.type(text)
        self.keys("Enter")

    @property
    def text(self) -> str:
        return self._tmux("capture-pane", "-p")

    def flag(self, name: str) -> str:
        """What tmux knows of the pane: 'alternate_on', 'cursor_flag', 'mouse_any_flag' …"""
        return self._tmux("display-message", "-p", f"#{{{name}}}").strip()

    def until(self, condition: Callable[[str], bool]) -> str:
        deadline = time.monotonic() + WAIT_S
        while not condition(text := self.text):
            assert time.monotonic() < deadline, f"never came true; the terminal:\n{text}"
            time.sleep(0.05)
        return text

    def shows(self, wanted: str) -> str:
        return self.until(lambda text: wanted in text)


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    opened = Terminal(tmp_path, 120, 40)
    yield opened
    opened.close()


def test_the_sample_is_opened_filtered_compared_and_left(terminal: Terminal, tmp_path: Path) -> None:
    before, after = tmp_path / "before", tmp_path / "after"
    terminal.line(f"stty -g > {before}; clear")
    terminal.line(f"{sys.executable} -m mkexplorer --sample; echo left with $? $(stty -g > {after})")
    terminal.shows("41 multi-kernels")
    assert terminal.flag("alternate_on") == "1"

    terminal.type("/")
    terminal.type("layer 4096x4096")
    text = terminal.shows("1 of 41")
    assert "layer_norm 4096×4096 bf16 ⚠ +38%" in text
    assert "softmax" not in "".join(line[:50] for line in text.splitlines()[2:])
    terminal.keys("Enter")
    terminal.shows("d Diff")

    terminal.type("d")
    text = terminal.shows("- 0 looped")
    assert "+ 1 persistent" in text
    terminal.shows("+ @triton_heuristics.persistent_reduction(")

    terminal.type("q")
    text = terminal.shows("left with 0")
    assert "Traceback" not in text
    assert "mkexplorer   the sample" not in text
    flags = {name: terminal.flag(name) for name in ("alternate_on", "cursor_flag", "mouse_any_flag", "keypad_flag")}
    assert flags == {"alternate_on": "0", "cursor_flag": "1", "mouse_any_flag": "0", "keypad_flag": "0"}
    assert before.read_text() == after.read_text()
    state, problem = load_state(state_path())
    assert (state.tab, problem) == ("diff", "")


def test_a_place_that_is_not_there_can_be_left_too(terminal: Terminal, tmp_path: Path) -> None:
    terminal.line(f"clear; {sys.executable} -m mkexplorer {tmp_path / 'nothing'}; echo left with $?")
    terminal.shows("Cannot open")
    terminal.type("q")
    terminal.shows("left with 0")
    assert terminal.flag("alternate_on") == "0"


def test_quitting_while_a_place_is_read_does_not_wait(terminal: Terminal, tmp_path: Path) -> None:
    terminal.line(f"clear; {sys.executable} -m mkexplorer --sample; echo left with $?")
    terminal.shows("mkexplorer   ")
    terminal.type("q")
    terminal.shows("left with 0")


@pytest.mark.parametrize("place", ["--sample", "cache"])
def test_an_editor_that_cannot_run_leaves_the_app_alive(terminal: Terminal, tmp_path: Path, place: str) -> None:
    if place == "cache":
        with zipfile.ZipFile(sample_path()) as bundle:
            bundle.extractall(tmp_path / "cache")
        place = str(tmp_path / "cache")
    terminal.line(f"clear; EDITOR=/bin/false {sys.executable} -m mkexplorer {place} --no-python; echo left with $?")
    terminal.shows("41 multi-kernels")
    terminal.type("1")
    terminal.shows("0 looped")
    terminal.type("e")
    terminal.until(lambda text: "no file to edit" in text or "ended with exit code 1" in text)
    terminal.type("q")
    terminal.shows("left with 0")
