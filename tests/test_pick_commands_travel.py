"""`mkexplorer picks`: picks go from one cache to another as a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.command_line import Done, Run, states
from tests.pick_places import PlayedCache, default_cache, ids, played_python


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PlayedCache:
    return default_cache(tmp_path, monkeypatch)


class TestTravel:
    def test_the_same_kernels_are_pinned_whatever_their_order(self, run: Run, tmp_path: Path) -> None:
        """Torch 2.5 lists the persistent sub-kernel first, 2.6 the looped one."""
        old, new = PlayedCache(tmp_path / "old", "2.5.1"), PlayedCache(tmp_path / "new", "2.6.0")
        old_python = played_python(tmp_path / "old-python", "2.5.1")
        for number in range(4):
            old.write_pick(number, b"0", old_python)
        exported = run("picks", "export", "--place", str(old.root), "--python", old_python)
        assert (exported.code, exported.err, exported.out.count("[[pick]]")) == (0, "", 4)
        (tmp_path / "picks.toml").write_text(exported.out)

        arguments = ("--place", str(new.root), "--python", played_python(tmp_path / "new-python", "2.6.0"))
        done = run("picks", "apply", str(tmp_path / "picks.toml"), *arguments, "--yes")
        assert (done.code, len(done.lines)) == (1, 3)
        assert all(line.endswith(": none → pinned 1 persistent") for line in done.lines)
        assert done.err.endswith("(persistent): no multi-kernel here has these kernels\n")
        assert sorted(states(run, *arguments)) == [("none", None), *[("pinned", 1)] * 3]

    def test_applying_again_is_fine(self, run: Run, cache: PlayedCache, tmp_path: Path) -> None:
        cache.write_pick(0, b"1")
        (tmp_path / "picks.toml").write_text(run("picks", "export").out)
        assert run("picks", "apply", str(tmp_path / "picks.toml")).code == 0
        again = run("picks", "apply", str(tmp_path / "picks.toml"))
        assert again == Done(0, "", "All picks of the file are pinned already.\n")
        assert run("history", "--json").json["entries"][0]["why"] == f"from {tmp_path / 'picks.toml'}"

    def test_what_fits_nothing_is_told(self, run: Run, cache: PlayedCache, tmp_path: Path) -> None:
        cache.write_pick(0, b"1")
        text = run("picks", "export").out
        (tmp_path / "picks.toml").write_text(text.replace('"cuda 90"', '"cuda 80"'))
        done = run("picks", "apply", str(tmp_path / "picks.toml"), "--json")
        assert done.code == 1
        assert "the same kernels are here, but for cuda 90 and not cuda 80" in done.err
        assert done.json["unmatched"][0]["reason"].startswith("the same kernels are here")
        assert states(run)[0] == ("picked", 1)

    def test_nothing_to_export(self, run: Run, cache: PlayedCache) -> None:
        cache.write_pick(0, b"9")
        done = run("picks", "export")
        assert (done.code, done.out) == (1, "")
        assert f"{ids(cache)[0]}: invalid: The file says '9'" in done.err

    def test_the_picks_of_a_bundle(self, run: Run) -> None:
        assert run("picks", "export", "--sample").out.count("[[pick]]") > 30

    @pytest.mark.parametrize(
        ("content", "said"),
        [
            (b"[[pick", "is no TOML"),
            (b"\xff", "is no text"),
            (b"x = 1\n", "is no file of picks"),
            (None, "No such file"),
        ],
    )
    def test_a_file_that_is_none(
        self, run: Run, cache: PlayedCache, tmp_path: Path, content: bytes | None, said: str
    ) -> None:
        path = tmp_path / "picks.toml"
        if content is not None:
            path.write_bytes(content)
        done = run("picks", "apply", str(path))
        assert (done.code, done.out) == (2, "")
        assert f"{path}" in done.err
        assert said in done.err
