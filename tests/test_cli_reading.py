"""The commands that read a place: what `list`, `show` and `diff` print, where to, and with which exit code."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from mkexplorer.catalog import Catalog
from mkexplorer.catalog.errors import UnknownId
from mkexplorer.tui.comparison import Subject, compare
from mkexplorer_widgets.plain_text import visible
from tests.command_line import Done, Run


@pytest.fixture
def wrapper(tmp_path: Path, sample: Catalog) -> Path:
    """A wrapper of one multi-kernel, alone in a folder."""
    path = tmp_path / "output_code.py"
    path.write_text(sample.wrapper_text(sample.wrapper(sample.find("cmzexxx"))))
    return path


def without_first_source(wrapper: Path) -> None:
    """Cut the source of the first sub-kernel out of a wrapper; its definition of the multi-kernel keeps the name."""
    text = wrapper.read_text()
    wrapper.write_text(text.replace("triton_red_fused_native_layer_norm_0 = async_compile", "gone = async_compile"))


class TestList:
    def test_one_line_for_each_multi_kernel(self, run: Run) -> None:
        done = run("list", "--sample")
        assert (done.code, done.err) == (0, "")
        assert done.lines[0].split() == ["ID", "OPERATION", "SHAPE", "DTYPE", "VERDICT", "PICK", "SUB-KERNELS"]
        assert re.split(r"  +", done.lines[16]) == [
            "cmzexxx/multi_kernel_0",
            "layer_norm",
            "4096×4096",
            "bf16",
            "⚠ +38%",
            "picked 0",
            "0 looped 31.1 µs ●, 1 persistent 22.6 µs",
        ]
        assert done.lines[1 + 41 :] == [
            "",
            "41 multi-kernels · 11 slower than they could be · loses 25.1 µs per run",
            "torch 2.11.0 · NVIDIA H100 80GB HBM3",
        ]

    def test_without_a_terminal_a_place_alone_is_listed(self, run: Run) -> None:
        assert run("--sample") == run("list", "--sample")

    def test_filter_and_sort(self, run: Run) -> None:
        done = run("list", "--sample", "--filter", "norm bf16 slower", "--sort", "regret")
        marks = [re.split(r"  +", line)[4] for line in done.lines[1:-3]]
        assert marks == ["⚠ +38%", "⚠ +24%", "⚠ +17%", "⚠ +15%", "⚠ +7%"]

    def test_what_is_not_known_has_no_column(self, run: Run, wrapper: Path) -> None:
        assert run("list", str(wrapper)).lines[0].split() == ["ID", "OPERATION", "SHAPE", "DTYPE", "SUB-KERNELS"]

    def test_finding_nothing_is_told_apart(self, run: Run) -> None:
        done = run("list", "--sample", "--filter", "nosuch")
        assert (done.code, done.out) == (1, "")
        assert done.err == "No multi-kernel holds 'nosuch'; there are 41.\n"

    def test_a_place_without_multi_kernels_says_how_to_get_some(self, run: Run, wrapper: Path) -> None:
        text = wrapper.read_text()
        wrapper.write_text(text[: text.index("async_compile.multi_kernel(")].replace("multi_kernel", "kernel"))
        done = run("list", str(wrapper))
        assert done.code in (1, 2)
        assert "torch" in done.err

    def test_a_broken_part_is_told_and_the_rest_listed(self, run: Run, wrapper: Path) -> None:
        without_first_source(wrapper)
        done = run("list", str(wrapper))
        assert done.code == 0
        assert "layer_norm" in done.out
        said = rf"\w+: {re.escape(str(wrapper))}:\d+: multi_kernel_0 lists triton_red_fused_native_layer_norm_0"
        assert re.match(said, done.err)

    def test_json(self, run: Run, sample: Catalog) -> None:
        document = run("list", "--sample", "--json").json
        assert document["schema"] == "mkexplorer.list/1"
        assert document["place"] == sample.place.path
        assert len(document["multi_kernels"]) == 41
        found = document["multi_kernels"][15]
        assert found["id"] == "cmzexxx/multi_kernel_0"
        assert found["graph"] == "9_inference"
        assert found["operations"] == ["aten.native_layer_norm"]
        assert [sub["kind"] for sub in found["sub_kernels"]] == ["looped", "persistent"]
        assert [sub["index"] for sub in found["sub_kernels"]] == [0, 1]
        assert [sub["cold"]["median_us"] for sub in found["sub_kernels"]] == [31.136, 22.56]
        tensor, number = found["arguments"][0], found["arguments"][-1]
        assert (tensor["dtype"], tensor["shape"], tensor["stride"]) == ("torch.bfloat16", [4096, 4096], [4096, 1])
        assert (number["name"], number["value"]) == ("r0_numel", 4096)
        assert found["calls"][0]["arguments"] == found["arguments"]
        assert (found["pick"]["state"], found["pick"]["index"]) == ("picked", 0)
        assert found["verdict"]["word"] == "FASTER"
        assert found["verdict"]["regret"] == pytest.approx(0.380, abs=0.001)

    def test_json_says_what_the_details_say(self, run: Run) -> None:
        found = run("list", "--sample", "--json").json["multi_kernels"][15]
        assert found["machine"]["gpu"] == "NVIDIA H100 80GB HBM3"
        assert found["machine"]["torch"].startswith("2.11.0")
        assert found["machine"]["triton"] is not None
        assert found["machine"]["source"]
        assert found["written_by"].startswith("torch")
        assert [round(sub["stock_us"]) for sub in found["sub_kernels"]] == [46, 50]
        assert all(0 < sub["hot"]["median_us"] < sub["cold"]["median_us"] for sub in found["sub_kernels"])
        assert all(sub["resources"]["registers"] > 0 for sub in found["sub_kernels"])
        assert found["arguments"][0]["origin"]

    def test_json_of_what_nobody_measured(self, run: Run, wrapper: Path) -> None:
        found = run("list", str(wrapper), "--json").json["multi_kernels"][0]
        assert found["machine"] is None
        assert [(sub["hot"], sub["stock_us"], sub["resources"]) for sub in found["sub_kernels"]] == [(None,) * 3] * 2


class TestShow:
    def test_everything_known(self, run: Run) -> None:
        done = run("show", "cmzexxx", "--sample")
        assert done.code == 0
        assert done.lines[0] == "layer_norm 4096×4096 bf16"
        for said in ("picked 0", "sub-kernel 1 is FASTER than 0: 1.380×", "31.1 µs [31.01, 31.33] n=40", "XBLOCK 1"):
            assert said in done.out

    def test_what_sub_kernels_share_is_said_once(self, run: Run) -> None:
        assert run("show", "cmzexxx", "--sample").out.count("reduction hint") == 1

    @pytest.mark.parametrize("arguments", [("cmzexxx", "--sub", "1"), ("cmzexxx:1",)])
    def test_the_source_of_a_sub_kernel(self, run: Run, sample: Catalog, arguments: tuple[str, ...]) -> None:
        multi_kernel = sample.find("cmzexxx")
        assert run("show", *arguments, "--sample").out == sample.source(multi_kernel, multi_kernel.sub_kernels[1])

    @pytest.mark.parametrize(
        ("stage", "line"),
        [("ttir", "tt.func public @"), ("ttgir", "ttg.num-warps"), ("llir", "define"), ("ptx", ".ent")],
    )
    def test_a_stage_of_the_configuration_that_won(self, run: Run, stage: str, line: str) -> None:
        done = run("show", "cmzexxx:0", "--ir", stage, "--sample")
        assert done.code == 0
        assert line in done.out

    def test_without_a_number_the_picked_sub_kernel_is_meant(self, run: Run) -> None:
        picked = run("show", "cdudub6:1", "--ir", "ptx", "--sample").out
        assert run("show", "cdudub6", "--ir", "ptx", "--sample").out == picked

    def test_a_configuration_by_its_hash(self, run: Run, sample: Catalog) -> None:
        sub = sample.find("cmzexxx").sub_kernels[0]
        lost = next(config for config in sample.configs(sub) if not config.won)
        shown = run("show", f"cmzexxx:0:{lost.hash[:9]}", "--ir", "ptx", "--sample").out
        assert shown == visible(sample.read_stage(lost, "ptx"))

    def test_json(self, run: Run) -> None:
        document = run("show", "cmzexxx:0", "--ir", "ptx", "--sample", "--json").json
        assert (document["schema"], document["stage"], document["sub_kernel"]) == ("mkexplorer.show/1", "ptx", 0)
        assert document["multi_kernel"]["id"] == "cmzexxx/multi_kernel_0"
        assert ".version" in document["text"]
        assert document["metadata"]["size_hints"] == {"x": 4096, "r0_": 4096}
        assert [config["won"] for config in document["configurations"]].count(True) == 1
        assert [document["configuration"]] == [each["hash"] for each in document["configurations"] if each["won"]]

    def test_json_of_a_multi_kernel_tells_of_all_its_sub_kernels(self, run: Run) -> None:
        document = run("show", "cdudub6", "--sample", "--json").json
        decorators = [sub["metadata"]["decorator"] for sub in document["sub_kernels"]]
        assert decorators == ["reduction", "persistent_reduction"]
        assert all(sub["kernel_path"] and sub["configurations"] for sub in document["sub_kernels"])
        assert (document["sub_kernel"], document["stage"], document["configuration"]) == (1, "source", None)
        assert document["metadata"] == document["sub_kernels"][1]["metadata"]
        assert document["text"] == run("show", "cdudub6:1", "--sample").out

    def test_json_tells_the_rest_where_a_source_is_missing(self, run: Run, wrapper: Path) -> None:
        without_first_source(wrapper)
        document = run("show", "c", "--json", "--place", str(wrapper)).json
        assert (document["sub_kernel"], document["text"]) == (0, None)
        assert document["sub_kernels"][1]["metadata"]["decorator"] == "persistent_reduction"
        assert run("show", "c:0", "--json", "--place", str(wrapper)).code == 2

    def test_where_no_winner_is_recorded_the_first_configuration_is_shown_and_named(
        self, run: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        configs = Catalog.configs
        monkeypatch.setattr(
            Catalog, "configs", lambda self, sub: tuple(replace(each, won=None) for each in configs(self, sub))
        )
        done = run("show", "cmzexxx:0", "--ir", "ptx", "--sample", "--json")
        assert done.code == 0
        assert done.json["configuration"] == done.json["configurations"][0]["hash"]
        assert f"which configuration won is not recorded: this is {done.json['configuration'][:8]}" in done.err

    @pytest.mark.parametrize(
        ("arguments", "code", "said"),
        [
            ("nosuch", 2, "no multi-kernel has the id 'nosuch'"),
            ("c", 2, "fits 41 multi-kernels"),
            (f"cmzexxx:{'9' * 5000}", 2, "'999999999…' is not the number of a sub-kernel"),
            ("cmzexxx:\u0661", 2, "is not the number of a sub-kernel"),
            ("cmzexxx:", 2, "'' is not the number of a sub-kernel"),
            ("cmzexxx::ABC --ir ptx", 2, "'' is not the number of a sub-kernel"),
            ("cmzexxx:1 --sub 0", 2, "cmzexxx:1 and --sub 0 name different sub-kernels"),
            ("cmzexxx:1:ZZZ", 2, "ZZZ fits none or more than one configuration"),
            ("cmzexxx:0 --ir cubin", 2, "--ir sass shows its instructions"),
            ("cmzexxx:2", 2, "has no sub-kernel 2"),
            ("cmzexxx --sub -1", 2, "has no sub-kernel -1"),
            ("cmzexxx:x", 2, "'x' is not the number of a sub-kernel"),
            ("cmzexxx:0 --ir ttirr", 2, "(did you mean ttir?)"),
            ("cmzexxx:0:zzz --ir ttir", 2, "fits none or more than one configuration"),
        ],
    )
    def test_what_is_not_there(self, run: Run, arguments: str, code: int, said: str) -> None:
        done = run("show", *arguments.split(), "--sample")
        assert (done.code, done.out) == (code, "")
        assert said in done.err

    def test_a_wrapper_alone_has_no_ir_and_says_so(self, run: Run, wrapper: Path) -> None:
        done = run("show", "c", "--ir", "ptx", "--place", str(wrapper))
        assert done.code == 2
        assert "nothing compiled of 0 looped" in done.err

    def test_a_configuration_has_no_source_of_its_own(self, run: Run, sample: Catalog) -> None:
        config = sample.configs(sample.find("cmzexxx").sub_kernels[0])[0]
        done = run("show", f"cmzexxx:0:{config.hash}", "--sample")
        assert (done.code, done.out) == (2, "")
        assert "Add --ir STAGE" in done.err

    def test_debug_shows_where_an_id_was_not_found(self, run: Run) -> None:
        with pytest.raises(UnknownId):
            run("show", "nosuch", "--sample", "--debug")


class TestDiff:
    def test_one_id_compares_its_sub_kernels(self, run: Run) -> None:
        done = run("diff", "cmzexxx", "--sample")
        assert done.code == 1
        assert done.lines[0].startswith("--- cmzexxx/multi_kernel_0:0 looped triton_red_fused_native_layer_norm_0")
        assert done.lines[1].startswith("+++ cmzexxx/multi_kernel_0:1 persistent")
        assert "-@triton_heuristics.reduction(" in done.lines
        assert "+@triton_heuristics.persistent_reduction(" in done.lines

    def test_the_same_twice_differs_in_nothing(self, run: Run) -> None:
        assert run("diff", "cmzexxx:0", "cmzexxx:0", "--sample") == Done(0, "", "")

    def test_stages_of_different_multi_kernels(self, run: Run) -> None:
        done = run("diff", "cmzexxx:1", "cbvvkqa:1", "--ir", "ttgir", "--sample")
        assert done.code == 1
        assert done.lines[1].endswith("(ttgir)")

    def test_normalizing_leaves_fewer_differences(self, run: Run) -> None:
        def changed(*options: str) -> int:
            return sum(line[0] in "+-" for line in run("diff", "cm6o52q:1", "ctwgyt5:1", "--sample", *options).lines)

        assert changed("--normalize") < changed()

    def test_normalizing_gives_what_the_app_gives(self, run: Run, sample: Catalog) -> None:
        shown = run("diff", "cdudub6", "--ir", "ttir", "--normalize", "--sample").lines[2:]
        left, right = (Subject(sample.find("cdudub6"), sub, "ttir") for sub in sample.find("cdudub6").sub_kernels)
        assert shown == compare(sample, left, right, True, lambda: False).patch().splitlines()[2:]

    def test_normalized_json_has_the_line_numbers_of_the_whole_text(self, run: Run) -> None:
        document = run("diff", "cdudub6", "--ir", "ptx", "--normalize", "--sample", "--json").json
        whole = run("show", "cdudub6:0", "--ir", "ptx", "--sample", "--json").json["text"].split("\n")
        changes = [change for change in document["changes"] if change["removed"]]
        assert changes
        for change in changes:
            first, end = change["left"]
            assert (whole[first], whole[end - 1]) == (change["removed"][0], change["removed"][-1])

    def test_json(self, run: Run) -> None:
        document = run("diff", "cmzexxx", "--sample", "--json").json
        assert (document["schema"], document["equal"], document["normalized"]) == ("mkexplorer.diff/1", False, False)
        assert document["right"] == {
            "id": "cmzexxx/multi_kernel_0",
            "sub_kernel": 1,
            "name": "triton_per_fused_native_layer_norm_1",
        }
        first = document["changes"][0]
        assert first["removed"][0] == "@triton_heuristics.reduction("
        assert first["left"][1] - first["left"][0] == len(first["removed"])

    def test_one_sub_kernel_alone_is_no_pair(self, run: Run) -> None:
        done = run("diff", "cmzexxx:0", "--sample")
        assert done.code == 2
        assert "a second one to compare it with" in done.err

    def test_an_unknown_id_is_no_difference(self, run: Run) -> None:
        assert run("diff", "nosuch", "--sample").code == 2

    def test_a_place_without_such_a_stage_is_told(self, run: Run, wrapper: Path) -> None:
        done = run("diff", "c", "--ir", "ptx", "--place", str(wrapper))
        assert (done.code, done.out) == (2, "")
        assert "nothing compiled" in done.err
