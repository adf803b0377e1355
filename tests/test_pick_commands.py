"""Commands that change picks: what each changes, prints and asks, and with which exit code."""

from __future__ import annotations

from pathlib import Path

import pytest

from mkexplorer.picks.writing import LEFTOVER
from tests.command_line import Done, Run, states
from tests.pick_places import NEW, PlayedCache, default_cache, ids


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PlayedCache:
    return default_cache(tmp_path, monkeypatch)


class TestPin:
    @pytest.mark.parametrize("wanted", ["1", "looped", "triton_red_fused_1", "red"])
    def test_a_sub_kernel_by_index_kind_or_name(self, run: Run, cache: PlayedCache, wanted: str) -> None:
        done = run("pin", ids(cache)[0], wanted)
        assert done.code == 0
        assert done.out.startswith(f"{ids(cache)[0]} ")
        assert done.out.endswith(": none → pinned 1 looped\n")

    def test_the_file_holds_it_as_torch_would_write_it(self, run: Run, cache: PlayedCache) -> None:
        path = cache.write_pick(0, b"0")
        assert run("pin", f"{ids(cache)[0]}:1").code == 0
        assert path.read_bytes() == b"1"

    def test_pinning_the_same_again_is_nothing_to_do(self, run: Run, cache: PlayedCache) -> None:
        run("pin", ids(cache)[0], "1")
        done = run("pin", ids(cache)[0], "1")
        assert (done.code, done.out) == (1, "")
        assert "is pinned already" in done.err

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (["2"], "'2' has no sub-kernel"),
            (["cooperative"], "'cooperative' has no sub-kernel"),
            (["triton"], "'triton' fits more than one sub-kernel"),
            ([], "which sub-kernel is to be pinned?"),
        ],
    )
    def test_what_names_no_sub_kernel(self, run: Run, cache: PlayedCache, arguments: list[str], said: str) -> None:
        done = run("pin", ids(cache)[0], *arguments)
        assert (done.code, done.out) == (2, "")
        assert said in done.err
        assert "0 (persistent triton_" in done.err

    def test_a_bundle_is_never_changed(self, run: Run) -> None:
        done = run("pin", "cmzexxx", "1", "--sample")
        assert done.code == 2
        assert "a bundle is never changed" in done.err

    def test_a_dry_run_changes_nothing(self, run: Run, cache: PlayedCache) -> None:
        path = cache.write_pick(0, b"0")
        done = run("pin", ids(cache)[0], "1", "--dry-run")
        assert (done.code, done.err) == (0, "")
        assert done.out.startswith(f"would pin {ids(cache)[0]} ")
        assert done.out.endswith(": picked 0 persistent → pinned 1 looped\n")
        assert path.read_bytes() == b"0"
        assert run("history").code == 1

    def test_json(self, run: Run, cache: PlayedCache) -> None:
        path = cache.write_pick(0, b"0")
        document = run("pin", ids(cache)[0], "1", "--json").json
        assert document == {
            "schema": "mkexplorer.changes/1",
            "place": str(cache.root),
            "dry_run": False,
            "changes": [
                {
                    "multi_kernel": ids(cache)[0],
                    "path": str(path.relative_to(cache.root)),
                    "action": "pin",
                    "from": {"state": "picked", "index": 0, "text": "0"},
                    "to": {"state": "pinned", "index": 1, "text": "1"},
                    "done": True,
                    "error": None,
                    "now": {"state": "pinned", "index": 1, "reason": document["changes"][0]["now"]["reason"]},
                }
            ],
            "refused": [],
            "unmatched": [],
            "removed": [],
        }

    def test_an_obstacle_is_told_and_the_pick_stays(self, run: Run, cache: PlayedCache, tmp_path: Path) -> None:
        path = cache.write_pick(0, b"0")
        path.rename(tmp_path / "elsewhere")
        path.symlink_to(tmp_path / "elsewhere")
        done = run("pin", ids(cache)[0], "1")
        assert (done.code, done.out) == (2, "")
        assert "is a symbolic link" in done.err
        assert (tmp_path / "elsewhere").read_bytes() == b"0"

    def test_those_that_share_a_pick_are_named(self, run: Run, cache: PlayedCache) -> None:
        """A second wrapper of the same kernels."""
        wrapper = next(path for path in cache.root.rglob("c*.py"))
        copy = cache.root / "zz" / ("czz" + "z" * 49 + ".py")
        copy.parent.mkdir()
        copy.write_text(wrapper.read_text().replace("def call(args):", "def call(args):\n    pass"))
        book = cache.book()
        multi_kernels = book.catalog.multi_kernels
        shared = next(each.id for each in multi_kernels if len(book.owners(book.of(each).file.path)) == 2)
        assert "are of the same kernels and share one pick: it changes for all of them." in run("pin", shared, "1").err


class TestAsking:
    def test_clearing_without_a_terminal_needs_yes(self, run: Run, cache: PlayedCache) -> None:
        path = cache.write_pick(0, b"0")
        done = run("clear", ids(cache)[0])
        assert (done.code, done.out) == (2, "")
        assert "There is no terminal to ask on, so nothing was changed" in done.err
        assert "--yes" in done.err
        assert path.read_bytes() == b"0"

    @pytest.mark.parametrize(("typed", "code"), [("y\n", 0), ("YES\n", 0), ("n\n", 1), ("\n", 1), ("", 1)])
    def test_at_a_terminal_it_says_what_will_happen_and_asks(
        self, at_terminal: Run, cache: PlayedCache, typed: str, code: int
    ) -> None:
        path = cache.write_pick(0, b"0")
        done = at_terminal("clear", ids(cache)[0], typed=typed)
        assert done.code == code
        assert f"{ids(cache)[0]} multi_kernel_0 4096×2048 f32: picked 0 persistent → none\n" in done.err
        assert "The next program that loads them measures anew." in done.err
        assert "Clear 1 pick? [y/N] " in done.err
        assert path.exists() == (code == 1)
        assert ("Nothing was changed." in done.err) == (code == 1)

    def test_a_pin_of_one_file_and_its_undo_ask_nothing(self, run: Run, cache: PlayedCache) -> None:
        path = cache.write_pick(0, b"0")
        assert run("pin", ids(cache)[0], "1").code == 0
        assert run("undo").code == 0
        assert path.read_bytes() == b"0"

    def test_the_undo_of_many_asks(self, run: Run, at_terminal: Run, cache: PlayedCache) -> None:
        files = [cache.write_pick(number, b"0") for number in range(4)]
        run("clear", "--all", "--yes")
        assert run("undo").code == 2
        assert not any(path.exists() for path in files)
        done = at_terminal("undo", typed="y\n")
        assert "Undo the last change of 4 picks? [y/N] " in done.err
        assert all(path.read_bytes() == b"0" for path in files)


class TestClear:
    def test_all(self, run: Run, cache: PlayedCache) -> None:
        for number in range(3):
            cache.write_pick(number, b"1")
        done = run("clear", "--all", "--yes")
        assert (done.code, len(done.lines)) == (0, 3)
        assert states(run) == [("none", None)] * 4
        again = run("clear", "--all", "--yes")
        assert (again.code, again.err) == (1, "There is nothing to clear.\n")

    def test_some_by_id(self, run: Run, cache: PlayedCache) -> None:
        for number in range(3):
            cache.write_pick(number, b"1")
        assert run("clear", ids(cache)[0], ids(cache)[2], "--yes").code == 0
        assert states(run) == [("none", None), ("picked", 1), ("none", None), ("none", None)]

    def test_the_invalid_ones(self, run: Run, cache: PlayedCache) -> None:
        for number, content in enumerate((b"", b"1", b"9", b"x\x1b[2J")):
            cache.write_pick(number, content)
        done = run("clear", "--invalid", "--yes")
        assert [line.partition(": ")[2] for line in done.lines] == [
            "invalid → none",
            "invalid '9' → none",
            "invalid 'x\\x1b[2J' → none",
        ]
        assert states(run) == [("none", None), ("picked", 1), ("none", None), ("none", None)]

    def test_orphans(self, run: Run, cache: PlayedCache) -> None:
        kept = cache.write_pick(0, b"1")
        orphan = cache.root / "ab" / "cabx.picked_kernel"
        orphan.parent.mkdir()
        orphan.write_bytes(b"0")
        done = run("clear", "--orphans", "--yes")
        assert (done.code, done.out) == (0, "ab/cabx.picked_kernel: picked 0 → none\n")
        assert kept.exists()
        assert not orphan.exists()
        assert run("undo").code == 0
        assert orphan.read_bytes() == b"0"

    def test_orphans_where_they_cannot_be_told(self, run: Run, tmp_path: Path) -> None:
        cache = PlayedCache(tmp_path, NEW)
        done = run("clear", "--orphans", "--yes", "--place", str(cache.root), "--no-python")
        assert done.code == 2
        assert "cannot be told" in done.err

    def test_leftovers_of_a_killed_writer(self, run: Run, cache: PlayedCache) -> None:
        path = cache.write_pick(0, b"1")
        leftover = path.with_name(f".{path.name}{LEFTOVER}")
        leftover.write_bytes(b"0")
        assert run("clear", "--leftovers", "--dry-run").out == "would remove what was left beside 1 pick\n"
        assert run("clear", "--leftovers").code == 2
        assert leftover.exists()
        assert run("clear", "--leftovers", "--yes", "--json").json["removed"] == [str(path.relative_to(cache.root))]
        assert not leftover.exists()
        assert path.read_bytes() == b"1"
        assert run("clear", "--leftovers", "--yes").code == 1

    def test_many_that_cannot_be_cleared_are_counted(
        self, run: Run, cache: PlayedCache, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("mkexplorer.cli.changing._MOST_TOLD", 3)
        for number in range(4):
            cache.pick_file(number).mkdir(parents=True)
        done = run("clear", "--all", "--yes")
        assert (done.code, done.out, len(done.err.splitlines())) == (2, "", 4)
        assert done.err.endswith("… and 1 more that cannot be changed\n")

    def test_a_bundle_refuses_once(self, run: Run) -> None:
        done = run("clear", "--all", "--yes", "--sample")
        assert (done.code, done.out) == (2, "")
        (said,) = done.err.splitlines()
        assert said.endswith("a bundle is never changed. Change the cache that it was made from.")

    def test_one_that_cannot_be_cleared_stops_no_other(self, run: Run, cache: PlayedCache) -> None:
        cache.pick_file(0).mkdir(parents=True)
        other = cache.write_pick(1, b"1")
        done = run("clear", "--all", "--yes")
        assert done.code == 2
        assert "is no ordinary file" in done.err
        assert not other.exists()

    @pytest.mark.parametrize("arguments", [[], ["--all", "--invalid"], ["cabc", "--all"]])
    def test_exactly_one_way_to_choose(self, run: Run, arguments: list[str]) -> None:
        done = run("clear", *arguments)
        assert (done.code, done.out) == (2, "")


class TestHistory:
    def test_every_change_of_the_place(self, run: Run, cache: PlayedCache) -> None:
        cache.write_pick(0, b"0")
        run("pin", ids(cache)[0], "1", "--why", "faster")
        run("pin", ids(cache)[1], "1")
        run("undo")
        done = run("history")
        assert (done.code, done.err) == (0, "")
        assert [line.split("  ")[3].strip() for line in map(_spaced, done.lines)] == [
            "CHANGE",
            "pin: picked 0 persistent → pinned 1 looped",
            "pin: none → pinned 1 looped",
            "undo: pinned 1 looped → none",
        ]
        assert "(undone)" in done.lines[2]
        assert done.lines[1].endswith("faster")

    def test_of_one_multi_kernel(self, run: Run, cache: PlayedCache) -> None:
        run("pin", ids(cache)[0], "1")
        run("pin", ids(cache)[1], "1")
        assert len(run("history", ids(cache)[1]).lines) == 2
        assert run("history", ids(cache)[2]) == Done(1, "", "No pick was changed by mkexplorer here.\n")

    def test_json(self, run: Run, cache: PlayedCache) -> None:
        run("pin", ids(cache)[0], "1")
        run("undo")
        document = run("history", "--json").json
        pin, undo = document["entries"]
        assert (document["schema"], document["problems"]) == ("mkexplorer.history/1", [])
        assert (pin["multi_kernel"], pin["action"], pin["undone"], pin["who"]) == (ids(cache)[0], "pin", True, "person")
        assert (pin["from"]["text"], pin["to"]) == (None, {"state": "pinned", "index": 1, "text": "1"})
        assert (undo["action"], undo["undoes"], undo["happened"]) == ("undo", pin["id"], True)
        assert undo["host"]

    def test_a_damaged_one_is_told(self, run: Run, cache: PlayedCache) -> None:
        run("pin", ids(cache)[0], "1")
        with open(f"{cache.pick_file(0)}.json", "ab") as file:
            file.write(b"garbage\n")
        done = run("history")
        assert (done.code, len(done.lines)) == (0, 2)
        assert "line 3: is no JSON" in done.err
        assert states(run)[0] == ("pinned", 1)


class TestUndo:
    def test_walks_into_the_past_command_by_command(self, run: Run, cache: PlayedCache) -> None:
        for number in range(4):
            cache.write_pick(number, b"0")
        run("pin", ids(cache)[0], "1")
        run("clear", "--all", "--yes")
        assert run("undo", "--yes").code == 0
        assert states(run) == [("pinned", 1), *[("picked", 0)] * 3]
        assert run("undo").code == 0
        assert states(run) == [("picked", 0)] * 4
        assert run("undo") == Done(1, "", "There is no change to undo.\n")


def _spaced(line: str) -> str:
    """Columns are two or more spaces apart."""
    return "  ".join(part.strip() for part in line.split("  ") if part.strip())
