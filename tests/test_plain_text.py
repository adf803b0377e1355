"""Hostile text is shown, never obeyed."""

from __future__ import annotations

import subprocess
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mkexplorer_widgets.plain_text import offsets, split_lines, visible

LINES = st.text(st.characters(blacklist_characters="\n\r"), max_size=40) | st.text("a\t\x1b漢\u202e", max_size=40)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("tl.load(in_ptr0 + (x0))\n", "tl.load(in_ptr0 + (x0))\n"),
        ("[bold]not markup[/bold]", "[bold]not markup[/bold]"),
        ("\x1b[31mred\x07", "␛[31mred␇"),
        ("a\x00b\x7fc", "a␀b␡c"),
        ("\x9b31m", "<U+009B>31m"),
        ("user\u202egnp.exe", "user<U+202E>gnp.exe"),
        ("a\u200bb\ufeff", "a<U+200B>b<U+FEFF>"),
        ("\ud800", "<U+D800>"),
        ("one\r\ntwo\rthree\n", "one\ntwo␍three\n"),
        ("\tx\n  \ty", "    x\n    y"),
        ("a\x0bb\x0cc\x85d\u2028e", "a␋b␌c<U+0085>d<U+2028>e"),
        ("漢字 é ü 🚀", "漢字 é ü 🚀"),
    ],
)
def test_controls_are_written_out_and_ordinary_text_stays(text: str, shown: str) -> None:
    assert visible(text) == shown


@given(st.text())
def test_nothing_shown_is_a_control(text: str) -> None:
    categories = {unicodedata.category(character) for character in visible(text).replace("\n", "")}

    assert not categories & {"Cc", "Cs", "Zl", "Zp"}


@given(st.text())
def test_what_is_shown_can_be_shown_again_and_encoded(text: str) -> None:
    shown = visible(text)

    assert visible(shown) == shown
    shown.encode()


@given(LINES)
def test_offsets_point_at_the_shown_characters(line: str) -> None:
    starts = offsets(line)

    assert starts[0] == 0
    assert starts[-1] == len(visible(line))
    for n, start in enumerate(starts):
        assert visible(line)[:start] == visible(line[:n])


def test_lines_end_at_line_feeds_only() -> None:
    assert split_lines("a\r\nb\x0cc\u2028d\n") == ["a", "b\x0cc\u2028d"]
    assert split_lines("a\n\n") == ["a", ""]
    assert split_lines("") == []


def test_needs_neither_textual_nor_rich() -> None:
    check = "import sys, mkexplorer_widgets.plain_text; sys.exit(not {'textual', 'rich'}.isdisjoint(sys.modules))"

    subprocess.run([sys.executable, "-c", check], check=True, env={"PYTHONPATH": ":".join(sys.path)})
