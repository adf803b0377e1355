"""A catalog whose sub-kernels have sources and compiled stages of their own, for the tabs that compare them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from textual.app import App, ComposeResult
from textual.pilot import Pilot
from textual.widget import Widget

from mkexplorer.catalog.errors import MkexplorerError
from mkexplorer.catalog.model import CompiledConfig, MultiKernel, SubKernel
from mkexplorer.tui.messages import CopyRequested, EditRequested
from mkexplorer.tui.selection import Selection
from tests.fake_catalog import FakeCatalog

WAIT_S = 10.0


def compiled(name: str, won: bool | None, warps: int, block: int) -> CompiledConfig:
    stages = tuple((stage, f"triton/0/{name}/k.{stage}") for stage in ("ttir", "ttgir", "ptx", "cubin"))
    return CompiledConfig(
        hash=name,
        kernel_file="ck.py",
        folder=f"triton/0/{name}",
        stages=stages,
        block_sizes=(("XBLOCK", block),),
        num_warps=warps,
        num_stages=1,
        shared_bytes=64,
        target="cuda:90",
        triton_version="3.6.0",
        won=won,
        won_reason="recorded" if won is not None else "",
    )


class CompiledCatalog(FakeCatalog):
    """Each looped kernel has two configurations, the second of which won; others have none."""

    configurations = (compiled("LOST", False, 8, 1), compiled("WON", True, 16, 2))

    def source(self, multi_kernel: MultiKernel, sub_kernel: SubKernel) -> str:
        tmp = f"tmp{4 + sub_kernel.index}"
        return f"def {sub_kernel.name}(in_ptr0):\n    {tmp} = tl.load(in_ptr0)\n    tl.store(out_ptr0, {tmp})\n"

    def configs(self, sub_kernel: SubKernel) -> tuple[CompiledConfig, ...]:
        return self.configurations if sub_kernel.index == 0 else ()

    def read_stage(self, config: CompiledConfig, stage: str) -> str:
        if stage == "sass":
            raise MkexplorerError("cuobjdump was not found", "Install triton.")
        return f"// {stage} of {config.hash}\n%{config.num_warps} = arith.constant 7 : i32\n"


TabT = TypeVar("TabT", bound=Widget)


class SelectionTab(Protocol):
    selection: Selection | None


class TabHost(App[None]):
    """Shows one tab and keeps what it asks for."""

    def __init__(self, tab: Widget) -> None:
        super().__init__()
        self.animation_level = "none"
        self.tab = tab
        self.asked: list[CopyRequested | EditRequested] = []

    def compose(self) -> ComposeResult:
        yield self.tab

    def on_copy_requested(self, event: CopyRequested) -> None:
        self.asked.append(event)

    def on_edit_requested(self, event: EditRequested) -> None:
        self.asked.append(event)


@dataclass
class TabSession(Generic[TabT]):
    app: TabHost
    tab: TabT
    pilot: Pilot[None]

    @property
    def text(self) -> str:
        strips = self.app.screen._compositor.render_strips()
        return "\n".join(strip.text.rstrip() for strip in strips)

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.pause()

    async def until(self, condition: Callable[[], bool]) -> None:
        for _ in range(int(WAIT_S / 0.01)):
            if condition():
                return
            await self.pilot.pause(0.01)
        raise AssertionError(f"never came true; the screen:\n{self.text}")

    async def shows(self, *texts: str) -> None:
        await self.until(lambda: all(text in self.text for text in texts))


@asynccontextmanager
async def showing_tab(tab: TabT, size: tuple[int, int] = (140, 30)) -> AsyncIterator[TabSession[TabT]]:
    app = TabHost(tab)
    async with app.run_test(size=size) as pilot:
        yield TabSession(app, tab, pilot)
