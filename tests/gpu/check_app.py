"""The app beside a GPU: what its keys do, what its screen says, what it holds of the card. Needs a GPU and textual.

``PYTHONPATH=.:widgets python tests/gpu/check_app.py [PART…]``, in an interpreter with torch, triton and textual, from a
checkout. Prints a table and ends with 1 if a line of it fails. Everything happens in temporary folders; pictures of the
screen are left in the folder that OUT names. The parts:

bench   a cache that stock torch fills, opened in the app: b, B, escape, p, and what an idle app leaves on the GPU
follow  an empty cache, followed while a program with three multi-kernels runs
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mkexplorer.measure.model import Device
from mkexplorer.measure.verdict import Verdict
from mkexplorer.picks.changes import full_id
from mkexplorer.picks.model import PickState
from mkexplorer.report.bench_text import verdict_sentence
from mkexplorer.report.rows import MultiKernelRow, time_text
from mkexplorer.tui import bench
from mkexplorer.tui.app import Start, app_on
from mkexplorer.tui.bench_state import BenchState
from mkexplorer.tui.bench_verbs import is_over
from mkexplorer.tui.explorer_screen import ExplorerScreen
from mkexplorer.tui.pick_dialogs import PinDialog
from tests.explorer_pilot import WIDE, Session
from tests.gpu.check_inside import ROOT, Checks, end_of, environment

HERE = Path(__file__).parent
FEWEST = 5
TICK_S, LATE_MS = 0.005, 100
START_S, ALL_S, WARM_S, STOP_S, FOLLOW_S = 180, 300, 1.0, 2.0, 240


@dataclass(frozen=True)
class Rig:
    """What is run; a rehearsal without a GPU puts other programs in their place."""

    folder: Path
    python: str | None = None
    stock: Sequence[str] = (sys.executable, str(HERE / "bench_program.py"), "4")
    followed: Sequence[str] = (
        *(sys.executable, "-m", "mkexplorer", "run"),
        *(str(HERE / "inside_parts.py"), "program"),
    )

    @property
    def cache(self) -> Path:
        return self.folder / "cache"

    def run_stock(self) -> subprocess.CompletedProcess[str]:
        # A warm graph cache with the static launcher dies in torch 2.9 and later, whatever the picks.
        stock = {"TORCHINDUCTOR_MULTI_KERNEL": "1", "TORCHINDUCTOR_USE_STATIC_CUDA_LAUNCHER": "0"}
        return subprocess.run(self.stock, env=environment(self.cache, **stock), capture_output=True, text=True)


# ------------------------------------------------------------------------------------------------ the machine


def gpu_facts() -> tuple[str, int]:
    """The name of the first GPU, and how many MiB of it are in use."""
    command = ["nvidia-smi", "--query-gpu=name,memory.used", "--format=csv,noheader,nounits"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[0]
    name, used = said.rsplit(",", 1)
    return name.strip(), int(used)


def pids_on_gpu() -> list[str]:
    """As the driver tells them; in a container it may tell none."""
    command = ["nvidia-smi", "--query-compute-apps=pid", "--format=csv,noheader"]
    return subprocess.run(command, capture_output=True, text=True).stdout.split()


def workers() -> dict[int, bool]:
    """The processes that the app started to run Python in, and whether a GPU is not hidden from them."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            command, variables = (folder / "cmdline").read_bytes(), (folder / "environ").read_bytes()
        except OSError:
            continue  # it has just ended, or is somebody else's
        if parent == os.getpid() and b"mkexplorer.worker" in command:
            found[int(folder.name)] = b"CUDA_VISIBLE_DEVICES=" not in variables.split(b"\0")
    return found


def gpu_workers() -> set[int]:
    return {pid for pid, sees_gpu in workers().items() if sees_gpu}


def is_there(pid: int) -> bool:
    try:
        return bool(Path(f"/proc/{pid}/cmdline").read_bytes())
    except OSError:
        return False


# ------------------------------------------------------------------------------------------------ the app


@asynccontextmanager
async def opened(checks: Checks, place: Path, python: str | None) -> AsyncIterator[Session]:
    """The app as ``mkexplorer PLACE --follow`` has it, less the terminal."""
    app = app_on(Start(str(place), follow=True, python=python))
    errors: set[str] = set()

    async def listen() -> None:
        while True:
            errors.update(each.message for each in app._notifications if each.severity == "error")
            await asyncio.sleep(1)

    async with app.run_test(size=WIDE, notifications=True) as pilot:
        session = Session(app, pilot)
        await until(session, lambda: isinstance(app.screen, ExplorerScreen), START_S)
        listening = asyncio.create_task(listen())
        try:
            yield session
        finally:
            listening.cancel()
            checks.check("the app tells of no error", not errors, errors or "")
    deadline = time.monotonic() + 5
    while workers() and time.monotonic() < deadline:
        await asyncio.sleep(0.05)
    checks.check("leaving the app ends all that it started", not workers(), workers() or "")


async def until(session: Session, condition: Callable[[], bool], patience_s: float) -> float:
    """How many seconds that took. Has the app draw nothing that it would not draw by itself."""
    began = time.perf_counter()
    while not condition():
        if time.perf_counter() - began > patience_s:
            raise AssertionError(f"not within {patience_s:g} s; the screen:\n{session.screen_text()}")
        await asyncio.sleep(0.01)
    return time.perf_counter() - began


@dataclass
class Lateness:
    """How late, at most, the event loop was; a key waits as long."""

    worst_s: float = 0.0

    async def watch(self) -> None:
        while True:
            due = time.perf_counter() + TICK_S
            await asyncio.sleep(TICK_S)
            self.worst_s = max(self.worst_s, time.perf_counter() - due)


@asynccontextmanager
async def watched(checks: Checks, what: str) -> AsyncIterator[None]:
    lateness = Lateness()
    watching = asyncio.create_task(lateness.watch())
    try:
        yield
    finally:
        watching.cancel()
        worst_ms = lateness.worst_s * 1e3
        checks.check(f"{what}: keys wait less than {LATE_MS} ms", worst_ms < LATE_MS, f"{worst_ms:.0f} ms at most")


def state_of(session: Session) -> BenchState:
    return session.explorer.work.bench


def current(session: Session) -> MultiKernelRow:
    row = session.explorer.kernels.current_row
    assert row is not None
    return row


def all_rows(session: Session) -> list[MultiKernelRow]:
    return list(session.explorer.kernels.all_rows)


def is_told(session: Session, text: str) -> bool:
    return any(text in " ".join(toast.split()) for toast in session.toasts)


def tab_text(session: Session) -> str:
    """What the tab shows, in one line."""
    tab = session.explorer.work.tab
    assert tab is not None
    strips = session.app.screen._compositor.render_strips()
    region = tab.region
    return " ".join(" ".join(strip.crop(region.x, region.right).text.split()) for strip in strips)


async def measured_by(session: Session, key: str, patience_s: float) -> float:
    """Seconds from the key until all that it asked for is shown."""
    before = state_of(session)
    pressing = asyncio.create_task(session.pilot.press(key))

    def is_done() -> bool:
        state = state_of(session)
        return state.failures is not before.failures and is_over(state)  # asking makes new ones

    took = await until(session, is_done, patience_s)
    await pressing
    await session.pilot.pause()
    return took


async def go_to(session: Session, row: MultiKernelRow) -> None:
    await session.press("home")
    for _ in session.explorer.kernels.outline.rows:
        pointed = session.explorer.kernels.pointed
        if pointed is not None and pointed[0].multi_kernel.id == row.multi_kernel.id:
            return
        await session.press("down")
    raise AssertionError(f"{row.multi_kernel.id} is not in the list")


def picture(session: Session, name: str) -> None:
    if folder := os.environ.get("OUT"):
        session.app.save_screenshot(f"app-{name}.svg", folder)


# ------------------------------------------------------------------------------------------------ the parts


async def check_one(checks: Checks, session: Session) -> None:
    """4, b: the worker starts, races, and the tab says what came of it."""
    await session.press("4")
    checks.check("before: the tab says that b measures it", "b measures it now" in tab_text(session))
    async with watched(checks, "b, while the worker starts"):
        took = await measured_by(session, "b", START_S)
    row, state = current(session), state_of(session)
    name, found, result = full_id(row.multi_kernel), row.measurement, state.results.get(full_id(row.multi_kernel))
    why = state.failures.get(name, "")
    if found is None or result is None:
        checks.check("b measures", False, why)
        return
    checks.check("b measures on the GPU", result.device is Device.CUDA, f"{took:.1f} s with the worker's start")
    shown, said = tab_text(session), verdict_sentence(row.multi_kernel, found)
    checks.check("its verdict stands in the tab", said in shown, said)
    times = [time_text(timing.median_us) for timing in found.timings if timing is not None]
    checks.check("and the time of each sub-kernel", len(times) > 1 and all(each in shown for each in times), times)
    await session.press("y")
    copied, (gpu, _) = session.app.clipboard, gpu_facts()
    checks.check("and the machine", gpu in copied and "MHz" in copied and "GB/s" in copied, gpu)
    checks.check("all sub-kernels compute the same", "all sub-kernels compute the same" in shown)
    checks.check("it is kept beside the pick", name not in state.unkept, state.unkept.get(name, ""))
    picture(session, "one")
    async with watched(checks, "b again"):
        took = await measured_by(session, "b", START_S)
    checks.check(f"b again tells within {WARM_S:g} s", took < WARM_S, f"{took:.2f} s")


async def check_all(checks: Checks, session: Session) -> None:
    """B, then B again and escape."""
    count = len(all_rows(session))
    async with watched(checks, "B"):
        took = await measured_by(session, "B", ALL_S)
    state = state_of(session)
    failed = [f"{name}: {state.failures[name]}" for name in state.failed]
    checks.check("B measures all", len(state.done) == count, f"{len(state.done)} of {count} in {took:.1f} s")
    checks.check("and none fails", not failed, "; ".join(failed))
    devices = {result.device for result in state.results.values()}
    checks.check("all on the GPU", devices == {Device.CUDA} and len(state.results) == count)
    checks.check("it says how many it measured", is_told(session, f"{count} measured"))
    for row in all_rows(session):
        said = verdict_sentence(row.multi_kernel, row.measurement) if row.measurement else "not measured"
        print(f"      {row.title} {row.shape} {row.dtype}: {row.mark}; {said}", flush=True)
    picture(session, "all")
    async with watched(checks, "B, then escape"):
        # The pilot waits after a key until the app is at rest, which is too late for the next one.
        pressing = [asyncio.create_task(session.pilot.press("B"))]
        await until(session, lambda: not state_of(session).is_idle, STOP_S)
        await until(session, lambda: len(state_of(session).done) > 0, ALL_S)
        pressing.append(asyncio.create_task(session.pilot.press("escape")))
        took = await until(session, lambda: state_of(session).is_idle, ALL_S)
        await asyncio.gather(*pressing)
    state = state_of(session)
    checks.check("escape stops the queue", state.cancelled > 0, f"{state.cancelled} of {count} after {took:.2f} s")
    checks.check(f"within {STOP_S:g} s", took < STOP_S)
    await until(session, lambda: is_told(session, "Stopped: "), STOP_S)
    said = next(toast for toast in session.toasts if toast.startswith("Stopped: "))
    checks.check("the app says so", f"{state.cancelled} race" in said, said)
    await until(session, lambda: "esc stops" not in session.screen_text(), STOP_S)
    checks.check("what was measured before stays", all(row.measurement is not None for row in all_rows(session)))


def is_alone(row: MultiKernelRow, rows: Sequence[MultiKernelRow]) -> bool:
    """Whether no other has kernels of such names, so that the profiler tells whose it saw."""
    names = Counter(sub.name for each in rows for sub in each.multi_kernel.sub_kernels)
    return all(names[sub.name] == 1 for sub in row.multi_kernel.sub_kernels)


def one_to_pin(rows: Sequence[MultiKernelRow]) -> MultiKernelRow | None:
    """One with a sure winner: where possible one that `is_alone`, and whose pick costs most."""

    def order(row: MultiKernelRow) -> tuple[bool, float, float]:
        return is_alone(row, rows), row.call_loss_us, row.judgement.ratio if row.judgement else 0.0

    sure = [row for row in rows if row.judgement is not None and row.judgement.verdict is Verdict.FASTER]
    return max((row for row in sure if row.pick.state is PickState.PICKED), key=order, default=None)


async def check_pin(checks: Checks, session: Session, cache: Path) -> tuple[str, str]:
    """p pins the winner; returns the names of its kernel and of the one that was picked, '' where they tell nothing."""
    row = one_to_pin(all_rows(session))
    if row is None or row.judgement is None:
        checks.check("a winner to pin", None, "no multi-kernel has a pick and a sure winner")
        return "", ""
    best, rival, name = row.judgement.best, row.judgement.rival, row.multi_kernel.id
    file = cache / row.record.file.path
    await go_to(session, row)
    if row.pick.index == best:
        file.write_bytes(str(rival).encode())  # as torch would have chosen wrong
        await until(session, lambda: current(session).pick.index == rival, 30)
        checks.check("a pick that changes on disk is seen", True, name)
    row = current(session)
    checks.check("the list tells that the pick is slower", row.mark.sign == "⚠", f"{row.mark} {name}")
    await session.press("p")
    await until(session, lambda: isinstance(session.app.screen, PinDialog), 30)
    await session.press("enter")
    await until(session, lambda: current(session).pick.state is PickState.PINNED, 30)
    checks.check("p, enter pins the winner", file.read_bytes() == str(best).encode(), file.read_bytes())
    entry = current(session).record.file.history.changes[-1]
    checks.check("with what it rests on", entry.measured is not None and "faster" in entry.why, entry.why)
    checks.check("and on which GPU", entry.machine.gpu == gpu_facts()[0], entry.machine.gpu)
    await session.pilot.pause()
    checks.check("the list says so", f"● pinned {best}" in session.cursor_text, session.cursor_text)
    subs = row.multi_kernel.sub_kernels
    return (subs[best].name, subs[rival].name) if is_alone(row, all_rows(session)) else ("", "")


async def check_idle(checks: Checks, session: Session, used_before: int) -> None:
    """The worker goes when nobody measures, and all its memory with it."""
    await measured_by(session, "b", START_S)
    held = gpu_facts()[1] - used_before
    before, told = gpu_workers(), pids_on_gpu()
    checks.check("one worker holds memory of the GPU", len(before) == 1 and held > 0, f"{held} MiB, pids {before}")
    async with watched(checks, "while the worker is dismissed"):
        took = await until(session, lambda: not any(map(is_there, before)), bench.IDLE_S + 15)
    checks.check("an idle app ends it", took >= bench.IDLE_S / 2, f"after {took:.0f} s")
    await asyncio.sleep(1)
    left = gpu_facts()[1] - used_before
    checks.check("the GPU has its memory back", left <= max(32, 0.05 * held), f"{held} MiB before, {left} MiB left")
    still = before & {int(pid) for pid in pids_on_gpu() if pid.isdigit()}
    checks.check("the driver knows it no more", not still, f"told before: {told}")
    async with watched(checks, "b with a new worker"):
        took = await measured_by(session, "b", START_S)
    measured = full_id(current(session).multi_kernel) in state_of(session).done
    checks.check("b then measures again, in a new one", measured and gpu_workers().isdisjoint(before), f"{took:.1f} s")


async def check_bench(checks: Checks, rig: Rig) -> None:
    made = rig.run_stock()
    checks.check("stock torch fills a cache", made.returncode == 0, end_of(made) if made.returncode else "")
    used_before = gpu_facts()[1]
    async with opened(checks, rig.cache, rig.python) as session:
        await until(session, lambda: len(all_rows(session)) >= FEWEST, START_S)
        took = await until(session, lambda: session.knows_picks, START_S)
        picks = [row.pick.state for row in all_rows(session)]
        found = f"{len(picks)} after {took:.1f} s"
        checks.check("its multi-kernels and their picks are known", set(picks) == {PickState.PICKED}, found)
        await check_one(checks, session)
        await check_all(checks, session)
        pinned, before = await check_pin(checks, session, rig.cache)
        await check_idle(checks, session, used_before)
    if pinned:
        again = rig.run_stock()
        ran = json.loads(again.stdout.splitlines()[-1]) if again.returncode == 0 else end_of(again)
        checks.check("a fresh process runs what was pinned", pinned in ran and before not in ran, pinned)


@dataclass
class Appearing:
    """Which things were seen first at what time, and whether the program still ran."""

    program: subprocess.Popen[bytes]
    began: float = field(default_factory=time.perf_counter)
    seen: dict[str, str] = field(default_factory=dict)

    def note(self, what: str, holds: bool) -> None:
        if holds and what not in self.seen:
            running = "while it ran" if self.program.poll() is None else "after it had ended"
            self.seen[what] = f"{time.perf_counter() - self.began:.1f} s, {running}"

    def look(self, rows: Sequence[MultiKernelRow]) -> bool:
        picked = sum(row.pick.state is PickState.PICKED for row in rows)
        timed = sum(all(sub.timing is not None for sub in row.sub_kernels) for row in rows)
        for count in (1, 2, 3):
            self.note(f"multi-kernel {count}", len(rows) >= count)
            self.note(f"pick {count}", picked >= count)
            self.note(f"times {count}", timed >= count)
        return len(self.seen) == 9


async def check_follow(checks: Checks, rig: Rig) -> None:
    place = rig.folder / "followed"
    place.mkdir()
    async with opened(checks, place, rig.python) as session:
        await until(session, lambda: "No multi-kernels here" in session.screen_text(), START_S)
        told = " ".join(session.screen_text().split())
        checks.check("an empty cache is watched", "watches this place" in told, "" if "watches" in told else told)
        errors = rig.folder / "followed.stderr"
        with open(errors, "wb") as stderr:
            variables = environment(place)
            program = subprocess.Popen(rig.followed, env=variables, stdout=subprocess.DEVNULL, stderr=stderr, cwd=ROOT)
        appearing = Appearing(program)
        try:
            async with watched(checks, "while a program compiles"):
                await follow_to_the_end(session, appearing)
        finally:
            program.kill()
        code = program.wait()
        checks.check("the program runs to its end", code == 0, errors.read_text()[-300:] if code else "")
        for what in ("multi-kernel", "pick", "times"):
            found = [appearing.seen.get(f"{what} {count}", "never") for count in (1, 2, 3)]
            checks.check(f"without a key: {what} of all three", "never" not in found, "; ".join(found))
        during = sum("while" in each for each in appearing.seen.values())
        checks.check("some of it while the program ran", during > 0, f"{during} of 9")
        await session.press("z")
        rows = all_rows(session)
        times = [time_text(sub.time_us) for row in rows for sub in row.sub_kernels if sub.time_us is not None]
        listed = "\n".join(session.list_texts)
        checks.check("the list shows the times", len(times) >= 6 and all(each in listed for each in times), times)
        await session.press("4")
        shown, (gpu, _) = tab_text(session), gpu_facts()
        checks.check("the tab tells when that was, and where", "measured 20" in shown and gpu in shown, gpu)
        picture(session, "follow")


async def follow_to_the_end(session: Session, appearing: Appearing) -> None:
    """Until all is there and the program has ended, or half a minute after its end."""
    end = time.perf_counter() + FOLLOW_S
    while time.perf_counter() < end:
        is_all_there = appearing.look(all_rows(session))
        if appearing.program.poll() is not None:
            if is_all_there:
                return
            end = min(end, time.perf_counter() + 30)
        await asyncio.sleep(0.05)


PARTS: dict[str, Callable[[Checks, Rig], Coroutine[Any, Any, None]]] = {"bench": check_bench, "follow": check_follow}


def carry_out(checks: Checks, name: str, rig: Rig) -> None:
    began = time.monotonic()
    print(f"== {name}", flush=True)
    try:
        asyncio.run(PARTS[name](checks, rig))
    except Exception as error:
        checks.check(f"{name} runs to its end", False, f"{type(error).__name__}: {error}")
    print(f"== {name}: {time.monotonic() - began:.0f} s", flush=True)


def main(names: Sequence[str], rig_in: Callable[[Path], Rig] = Rig) -> int:
    checks = Checks()
    with tempfile.TemporaryDirectory() as name:
        homes = {f"XDG_{kind}_HOME": str(Path(name) / "home") for kind in ("CACHE", "CONFIG", "DATA", "STATE")}
        os.environ.update(homes)
        for part in names or PARTS:
            carry_out(checks, part, rig_in(Path(name)))
    print("all hold" if not checks.failed else f"{checks.failed} failed")
    return min(1, checks.failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
