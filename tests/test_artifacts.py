"""Compiled configurations are found for the right kernel, and a winner is told only where the cache records one."""

from __future__ import annotations

import hashlib
import json
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mkexplorer.catalog.artifacts import ArtifactIndex, BestConfig, judge_winner
from mkexplorer.catalog.bundle import BundleStore
from mkexplorer.catalog.model import CompiledConfig, Kind, Span, SubKernel
from mkexplorer.catalog.places import sample_path
from mkexplorer.catalog.store import FolderStore, Store

from .make_places import unpack_sample

FILE = "c" + "ab" + "z" * 49 + ".py"
OTHER = "c" + "ab" + "y" * 49 + ".py"
CONFIG = CompiledConfig("A", FILE, "triton/0/A", (), (), 4, 1, 0, None, None, None)
BEST = BestConfig("ab/x.best_config", "A", 4, 1, (("XBLOCK", 8),))


def sub_kernel(name: str, kernel_file: str = FILE) -> SubKernel:
    return SubKernel(0, name, Kind.LOOPED, Span(1, 1), kernel_file)


class TestRecordedCache:
    """What the recording machine said of each sub-kernel, and what the cache itself tells."""

    @pytest.fixture(scope="class")
    def recorded(self) -> list[tuple[SubKernel, dict[str, Any]]]:
        with zipfile.ZipFile(sample_path()) as bundle:
            record = json.loads(bundle.read("record.json"))
        return [
            (sub_kernel(name, file.rpartition("/")[2]), config)
            for entry in record["multi_kernels"]
            for name, file, (config,) in zip(entry["subs"], entry["files"], entry["picked_config"], strict=True)
        ]

    @pytest.fixture(scope="class", params=["bundle", "folder"])
    def store(self, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Store:
        if request.param == "bundle":
            return BundleStore(str(sample_path()))
        return FolderStore(str(unpack_sample(tmp_path_factory.mktemp("cache"))))

    def test_every_sub_kernel_has_all_its_stages(self, store: Store, recorded: list[tuple[SubKernel, Any]]) -> None:
        index = ArtifactIndex(store)
        assert len(recorded) == 82
        for sub, _ in recorded:
            for config in index.configs(sub):
                assert [stage for stage, _ in config.stages] == ["ttir", "ttgir", "llir", "ptx", "cubin"]
                assert all(store.exists(path) for _, path in config.stages)

    def test_the_winner_is_the_recorded_one_wherever_one_is_told(
        self, store: Store, recorded: list[tuple[SubKernel, dict[str, Any]]]
    ) -> None:
        index = ArtifactIndex(store)
        winners = {sub.kernel_file: index.configs(sub)[0] for sub, _ in recorded}
        told = [(winners[sub.kernel_file], expected) for sub, expected in recorded if winners[sub.kernel_file].won]
        assert len(told) == 80
        for config, expected in told:
            assert config.hash == expected["hash"]
            assert (config.num_warps, config.num_stages) == (expected["num_warps"], expected["num_stages"])
            assert config.shared_bytes == expected["shared"]
            assert config.block_sizes in {(), tuple(expected["kwargs"].items())}
            assert (config.target, config.triton_version) == ("cuda:90", "3.6.0")

    def test_the_other_two_say_that_it_is_not_recorded(
        self, store: Store, recorded: list[tuple[SubKernel, Any]]
    ) -> None:
        index = ArtifactIndex(store)
        untold = [config for sub, _ in recorded for config in index.configs(sub) if config.won is None]
        assert len({config.kernel_file for config in untold}) == 2
        assert {config.won_reason for config in untold} == {"not recorded"}


class TestLinking:
    """Folders of Triton's cache to kernel files."""

    @staticmethod
    def write(root: Path, folder: str, function: str, location: str, **metadata: object) -> None:
        path = root / "triton" / "0" / folder
        path.mkdir(parents=True)
        (path / f"{function}.ttir").write_text(f'#blocked = #x\n#loc = loc("{location}":18:0)\n')
        (path / f"{function}.json").write_text(json.dumps(metadata))

    def folders(self, root: Path, name: str, kernel_file: str = FILE) -> list[str]:
        return [config.hash for config in ArtifactIndex(FolderStore(str(root))).configs(sub_kernel(name, kernel_file))]

    def test_kernels_of_one_name_are_told_apart_by_their_file(self, tmp_path: Path) -> None:
        self.write(tmp_path, "A", "triton_red_0", f"/tmp/x/ab/{FILE}")
        self.write(tmp_path, "B", "triton_red_0", f"/tmp/x/ab/{OTHER}")
        assert self.folders(tmp_path, "triton_red_0") == ["A"]

    def test_every_kernel_of_torch_2_5_is_called_triton(self, tmp_path: Path) -> None:
        self.write(tmp_path, "A", "triton_", f"/elsewhere/ab/{FILE}")
        self.write(tmp_path, "B", "triton_", f"/elsewhere/ab/{OTHER}")
        assert self.folders(tmp_path, "triton_per_fused_softmax_0", OTHER) == ["B"]

    def test_a_name_that_triton_cut_is_found(self, tmp_path: Path) -> None:
        name = "triton_red_" + "x" * 200
        self.write(tmp_path, "A", name[:150], f"/tmp/ab/{FILE}")
        assert self.folders(tmp_path, name) == ["A"]

    def test_the_location_may_stand_in_a_later_stage_only(self, tmp_path: Path) -> None:
        self.write(tmp_path, "A", "triton_red_0", "unknown.py")
        (tmp_path / "triton/0/A/triton_red_0.ttgir").write_text(f'#loc = loc("C:\\\\ab\\\\{FILE}":18:0)')
        assert self.folders(tmp_path, "triton_red_0") == ["A"]

    def test_folders_without_a_location_or_of_launchers_belong_to_no_kernel(self, tmp_path: Path) -> None:
        self.write(tmp_path, "A", "triton_red_0", "unknown.py")
        (tmp_path / "triton/0/B").mkdir()
        (tmp_path / "triton/0/B/cuda_utils.so").write_bytes(b"")
        assert self.folders(tmp_path, "triton_red_0") == []
        assert self.folders(tmp_path, "triton_red_0", "") == []

    def test_a_place_without_a_triton_cache_has_no_configurations(self, tmp_path: Path) -> None:
        assert self.folders(tmp_path, "triton_red_0") == []

    @pytest.mark.parametrize("text", ["", "[]", "{", "[" * 100_000, '{"num_warps": "4", "shared": true, "target": 7}'])
    def test_what_damaged_metadata_does_not_tell_is_unknown(self, tmp_path: Path, text: str) -> None:
        self.write(tmp_path, "A", "triton_red_0", FILE)
        (tmp_path / "triton/0/A/triton_red_0.json").write_text(text)
        (config,) = ArtifactIndex(FolderStore(str(tmp_path))).configs(sub_kernel("triton_red_0"))
        assert (config.num_warps, config.shared_bytes, config.target) == (None, None, None)

    def test_a_hash_that_several_devices_have_counts_once(self, tmp_path: Path) -> None:
        self.write(tmp_path, "A", "triton_red_0", FILE)
        (tmp_path / "triton/1").mkdir()
        (tmp_path / "triton/0/A").rename(tmp_path / "triton/1/A")
        self.write(tmp_path, "A", "triton_red_0", FILE)
        (tmp_path / "triton/0/B").mkdir()  # another process has only begun with it
        self.write(tmp_path, "C", "triton_red_0", FILE)
        (tmp_path / "triton/0/C").rename(tmp_path / "triton/1/B")
        configs = ArtifactIndex(FolderStore(str(tmp_path))).configs(sub_kernel("triton_red_0"))
        assert [config.folder for config in configs] == ["triton/0/A", "triton/1/B"]

    def test_targets_of_old_and_new_triton(self, tmp_path: Path) -> None:
        self.write(tmp_path, "A", "triton_red_0", FILE, target=["cuda", 90])
        self.write(tmp_path, "B", "triton_red_0", FILE, target={"backend": "hip", "arch": "gfx942", "warp_size": 64})
        configs = ArtifactIndex(FolderStore(str(tmp_path))).configs(sub_kernel("triton_red_0"))
        assert [config.target for config in configs] == ["cuda:90", "hip:gfx942"]


class TestWinner:
    def test_the_named_folder_won_and_has_the_block_sizes(self) -> None:
        lost, won = judge_winner([replace(CONFIG, hash="B"), CONFIG], [BEST])
        assert (lost.won, lost.block_sizes) == (False, ())
        assert (won.won, won.block_sizes) == (True, (("XBLOCK", 8),))
        assert won.won_reason == "recorded in ab/x.best_config"

    def test_the_only_one_here_is_not_said_to_have_won_where_a_file_names_one_that_is_not(self) -> None:
        (only,) = judge_winner([CONFIG], [replace(BEST, triton_hash="lost")])
        assert only.won is None
        assert only.won_reason == "only one configuration is here, and ab/x.best_config names one that is not"

    def test_a_file_whose_hash_nobody_has_decides_nothing(self) -> None:
        configs = [CONFIG, replace(CONFIG, hash="B")]
        assert [each.won for each in judge_winner(configs, [replace(BEST, triton_hash="elsewhere")])] == [None, None]

    def test_files_that_disagree_decide_nothing(self) -> None:
        configs = [CONFIG, replace(CONFIG, hash="B")]
        judged = judge_winner(configs, [BEST, replace(BEST, triton_hash="B")])
        assert {(each.won, each.won_reason) for each in judged} == {(None, "several .best_config files disagree")}

    def test_the_only_configuration_won(self) -> None:
        (only,) = judge_winner([CONFIG], [])
        assert (only.won, only.won_reason) == (True, "only one configuration was compiled")

    def test_before_torch_2_8_warps_and_stages_tell_where_they_are_unique(self) -> None:
        unnamed = replace(BEST, triton_hash=None)
        won, lost = judge_winner([CONFIG, replace(CONFIG, hash="B", num_warps=8)], [unnamed])
        assert (won.won, lost.won) == (True, False)

    def test_and_tell_nothing_where_they_are_not(self) -> None:
        judged = judge_winner([CONFIG, replace(CONFIG, hash="B")], [replace(BEST, triton_hash=None)])
        assert {(each.won, each.won_reason) for each in judged} == {(None, "not recorded")}

    def test_unknown_warps_and_stages_match_nothing(self) -> None:
        unknown = replace(CONFIG, num_warps=None, num_stages=None)
        best = replace(BEST, triton_hash=None, num_warps=None, num_stages=None)
        judged = judge_winner([unknown, replace(CONFIG, hash="B")], [best])
        assert [each.won for each in judged] == [None, None]


@pytest.mark.parametrize("name", [FILE.removesuffix(".py"), hashlib.sha256(f"{FILE}:".encode()).hexdigest()])
def test_best_config_files_of_torch_2_3_to_2_7_are_known_by_their_names(tmp_path: Path, name: str) -> None:
    TestLinking.write(tmp_path, "A", "triton_red_0", FILE, num_warps=4, num_stages=1)
    TestLinking.write(tmp_path, "B", "triton_red_0", FILE, num_warps=8, num_stages=1)
    (tmp_path / "ab").mkdir()
    best = {"XBLOCK": 2, "num_warps": 8, "num_stages": 1, "configs_hash": "x", "found_by_coordesc": False}
    (tmp_path / "ab" / f"{name}.best_config").write_text(json.dumps(best))
    (tmp_path / "ab" / f"{'0' * 64}.best_config").write_text(json.dumps(best | {"num_warps": 4}))
    index = ArtifactIndex(FolderStore(str(tmp_path)))
    winner, loser = index.configs(sub_kernel("triton_red_0"))
    assert (winner.hash, winner.block_sizes, loser.won) == ("B", (("XBLOCK", 2),), False)
    assert index.best_config_paths(sub_kernel("triton_red_0"), [winner, loser]) == (f"ab/{name}.best_config",)


def test_only_a_best_config_whose_hash_no_kernel_here_has_casts_doubt(tmp_path: Path) -> None:
    TestLinking.write(tmp_path, "A", "triton_red_0", FILE)
    TestLinking.write(tmp_path, "B", "triton_red_1", OTHER)
    (tmp_path / "ab").mkdir()
    (tmp_path / "ab" / "1.best_config").write_text(json.dumps({"triton_cache_hash": "B"}))
    (config,) = ArtifactIndex(FolderStore(str(tmp_path))).configs(sub_kernel("triton_red_0"))
    assert config.won is True
    (tmp_path / "ab" / "2.best_config").write_text(json.dumps({"triton_cache_hash": "deleted"}))
    index = ArtifactIndex(FolderStore(str(tmp_path)))
    (config,) = index.configs(sub_kernel("triton_red_0"))
    assert config.won is None
    assert index.best_config_paths(sub_kernel("triton_red_0"), [config]) == ("ab/2.best_config",)
