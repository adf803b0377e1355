"""``picks.toml``: picks to keep beside a training script and to pin again in another cache.

schema = 1

[[pick]]
title = "layer_norm 4096×4096 bf16"        for people; nothing goes by it
kind = "persistent"                        the chosen one's, likewise
device = "cuda 90"                         what the kernels were compiled for; absent where that is not known
chosen = "…"                               the chosen one's content (`mkexplorer.picks.content`)
among = ["…", "…"]                         the contents of all sub-kernels, in order of text

The file has no dates and no order of indices, and the picks in it stand in order of title and content: the same
choices give the same file.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mkexplorer.catalog.errors import MkexplorerError
from mkexplorer.catalog.model import MultiKernel

from .content import Contents

_SCHEMA = 1
# A device and the sorted contents: what tells one multi-kernel's choice from another's.
_Kernels = tuple[str, tuple[str, ...]]
_NOT_OURS = "Give a file that `mkexplorer picks export` wrote."


@dataclass(frozen=True, slots=True)
class TravellingPick:
    """One choice, by content; ``among`` is sorted."""

    title: str
    kind: str
    device: str
    chosen: str
    among: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Match:
    """A pick and where it belongs: sub-kernel ``index`` of ``multi_kernel``."""

    pick: TravellingPick
    multi_kernel: MultiKernel
    index: int


@dataclass(frozen=True, slots=True)
class Matches:
    """``unmatched`` are picks with why they fit nothing here; ``without`` are multi-kernels that no pick is for."""

    found: tuple[Match, ...]
    unmatched: tuple[tuple[TravellingPick, str], ...]
    without: tuple[MultiKernel, ...]


def travelling_pick(title: str, multi_kernel: MultiKernel, contents: Contents, index: int) -> TravellingPick:
    """The choice of sub-kernel ``index``; raises `MkexplorerError` where content cannot tell it from another one."""
    chosen = contents.hashes[index]
    if contents.hashes.count(chosen) > 1:
        message = f"{multi_kernel.id}: sub-kernel {index} has the same content as another one, and cannot travel"
        raise MkexplorerError(message, "Pin it by its index where it is needed.")
    kind = multi_kernel.sub_kernels[index].kind
    return TravellingPick(title, kind, contents.device, chosen, tuple(sorted(contents.hashes)))


def write_picks(picks: Iterable[TravellingPick]) -> str:
    """The text of a picks.toml. Equal choices stand in it once; two that disagree both stand, and then fit nothing."""
    lines = ["# Which sub-kernel each multi-kernel is to use, by content: `mkexplorer picks apply` pins them.", ""]
    lines += [f"schema = {_SCHEMA}"]
    by_content = {(pick.device, pick.among, pick.chosen): pick for pick in sorted(picks, key=_order, reverse=True)}
    for pick in sorted(by_content.values(), key=_order):
        lines += ["", "[[pick]]", f"title = {_quoted(pick.title)}", f"kind = {_quoted(pick.kind)}"]
        if pick.device:
            lines += [f"device = {_quoted(pick.device)}"]
        lines += [f"chosen = {_quoted(pick.chosen)}", f"among = [{', '.join(map(_quoted, pick.among))}]"]
    return "\n".join(lines) + "\n"


def read_picks(text: str) -> tuple[TravellingPick, ...]:
    """The picks of a picks.toml; raises `MkexplorerError` where it is none, with what is wrong."""
    try:
        data = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise MkexplorerError(f"is no TOML: {error}", _NOT_OURS) from error
    schema = data.get("schema")
    if not isinstance(schema, int) or schema < 1:
        raise MkexplorerError("is no file of picks: it says no schema", _NOT_OURS)
    if schema > _SCHEMA:
        raise MkexplorerError(f"was made by a later mkexplorer (schema {schema})", "Update mkexplorer.")
    entries = data.get("pick", [])
    if not isinstance(entries, list):
        raise MkexplorerError("'pick' is no array of tables", _NOT_OURS)
    return tuple(_pick(number, entry) for number, entry in enumerate(entries, 1))


def match_picks(picks: Sequence[TravellingPick], multi_kernels: Sequence[tuple[MultiKernel, Contents]]) -> Matches:
    """Which of ``multi_kernels`` each pick is for: those of the same kernels and device, and no others."""
    here: dict[_Kernels, list[tuple[MultiKernel, Contents]]] = {}
    for multi_kernel, own in multi_kernels:
        here.setdefault((own.device, tuple(sorted(own.hashes))), []).append((multi_kernel, own))
    chosen: dict[_Kernels, set[str]] = {}
    for pick in picks:
        chosen.setdefault((pick.device, pick.among), set()).add(pick.chosen)
    found: list[Match] = []
    unmatched: list[tuple[TravellingPick, str]] = []
    for pick in dict.fromkeys(picks):
        kernels = (pick.device, pick.among)
        if len(chosen[kernels]) > 1:
            unmatched.append((pick, "the file chooses differently for the same kernels"))
        elif pick.among.count(pick.chosen) > 1:
            unmatched.append((pick, "its content is that of several sub-kernels"))
        elif kernels in here:
            found += [Match(pick, each, own.hashes.index(pick.chosen)) for each, own in here[kernels]]
        else:
            unmatched.append((pick, _why_not(pick, here)))
    without = (each for kernels, group in here.items() if kernels not in chosen for each, _ in group)
    return Matches(tuple(found), tuple(unmatched), tuple(without))


def _why_not(pick: TravellingPick, here: Iterable[_Kernels]) -> str:
    devices = sorted(device or "an unknown device" for device, among in here if among == pick.among)
    if devices:
        return f"the same kernels are here, but for {devices[0]} and not {pick.device or 'an unknown device'}"
    if any(pick.chosen in among for _, among in here):
        return "its kernel is here, but with others to choose among"
    return "no multi-kernel here has these kernels"


def _pick(number: int, entry: object) -> TravellingPick:
    values = entry if isinstance(entry, dict) else {}
    texts = [values.get(name, "") for name in ("title", "kind", "device", "chosen")]
    among = values.get("among")
    if not isinstance(among, list) or not all(isinstance(each, str) for each in [*texts, *among]):
        raise MkexplorerError(f"pick {number} is none: its values are texts, and 'among' a list of them", _NOT_OURS)
    title, kind, device, chosen = texts
    if chosen not in among:
        raise MkexplorerError(f"pick {number} ({title}) chooses what is not among its kernels", _NOT_OURS)
    return TravellingPick(title, kind, device, chosen, tuple(sorted(among)))


def _order(pick: TravellingPick) -> tuple[str, str, tuple[str, ...], str, str]:
    return pick.title, pick.device, pick.among, pick.chosen, pick.kind


def _quoted(text: str) -> str:
    """A TOML basic string. What does not print is escaped; a lone surrogate, which TOML cannot say, becomes '?'."""
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    if character.isprintable():
        return character
    if 0xD800 <= (code := ord(character)) < 0xE000:
        return "?"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
