"""The commands, and what each of them takes."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping

from mkexplorer.report.stages import STAGES

# A name of two words is a verb of the command that the first one names.
COMMANDS = {
    "open": "open the app (this is what happens without a command)",
    "list": "list the multi-kernels",
    "show": "show one multi-kernel, or the source or IR of a sub-kernel",
    "diff": "compare two sub-kernels",
    "bench": "measure which sub-kernel is faster, by how much, and how sure that is",
    "audit": "measure every pick, and tell which are wrong and what they cost",
    "pin": "have programs use one sub-kernel of a multi-kernel, whatever they would measure",
    "clear": "remove picks, so that the next program measures anew",
    "undo": "take back the last pin, clear or apply",
    "history": "tell who changed which pick, when and why",
    "picks": "carry picks to another cache",
    "picks export": "print picks as a picks.toml, by the content of the kernels",
    "picks apply": "pin what a picks.toml says, wherever the same kernels are",
    "doctor": "check interpreter, cache, picks and environment, and say how to put right what is wrong",
    "export": "put multi-kernels with all that belongs to them into one .mkx file",
    "completion": "print the completion script of a shell",
}
COLOURS = ("auto", "always", "never")
ORDERS = ("graph", "operation", "size", "time", "regret", "loss")
DEVICES = ("cuda", "interpreter")
_UNITS = "KMGT"
SHELLS = ("bash", "zsh", "fish")

_TARGET_HELP = "id of a multi-kernel as `list` shows it, or its unambiguous beginning; :N adds a sub-kernel, "


def add_common(parser: argparse.ArgumentParser, default: object) -> None:
    colour = "auto" if default is None else default
    debug = False if default is None else default
    parser.add_argument("--color", choices=COLOURS, default=colour, help="colours (auto: only to a terminal)")
    parser.add_argument("--debug", action="store_true", default=debug, help="show where in the program an error arose")


def add_sample(parser: argparse.ArgumentParser, default: object) -> None:
    text = "look into the sample, recorded on an H100"
    parser.add_argument("--sample", action="store_true", default=default, help=text)


def _add_place(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--place", metavar="PLACE", help="what to look into (default: the cache directory of torch)")
    add_sample(parser, default=argparse.SUPPRESS)


def _add_positional_place(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "positional_place", metavar="PLACE", nargs="?", help="what to look into (default: the cache directory of torch)"
    )


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON, by the schemas in the README")


def _add_python(parser: argparse.ArgumentParser) -> None:
    help_text = "the Python with the torch that wrote the cache; it tells where the picks are (default: this one)"
    parser.add_argument("--python", metavar="PYTHON", help=help_text)
    parser.add_argument(
        "--no-python", action="store_true", help="start no Python: know only the picks whose place is remembered"
    )


def _add_measuring(parser: argparse.ArgumentParser) -> None:
    """What every command takes that measures."""
    help_text = "the Python with your torch, in which the kernels run (default: this one)"
    parser.add_argument("--python", metavar="PYTHON", help=help_text)
    parser.add_argument(
        "--trust", action="store_true", help="agree that code of a bundle, or of somebody else's cache, runs as you"
    )
    parser.add_argument(
        "--size", dest="sizes", metavar="NAME=N", action="append", help="the value of a symbolic size, like s0=4096"
    )
    parser.add_argument("--stock", action="store_true", help="tell what torch's own benchmark reads, too")
    parser.add_argument("--timeout", type=_seconds, metavar="S", help="seconds for each multi-kernel (default: 120)")
    parser.add_argument(
        "--memory-limit", type=_bytes, metavar="SIZE", help="of the GPU's memory, like 20G (default: what is free)"
    )
    parser.add_argument("--no-store", action="store_true", help="keep nothing beside the picks")
    parser.add_argument("-q", "--quiet", action="store_true", help="show no progress")


def _seconds(text: str) -> float:
    return _above_nothing(text, f"{text!r} is no number of seconds")


def _bytes(text: str) -> int:
    """'20G', '512M' (of 1024 each), or a number."""
    power = _UNITS.find(text[-1:].upper()) + 1 if text else 0
    number = _above_nothing(text[:-1] if power else text, f"{text!r} is no size; write it like 20G or 512M")
    return int(number * 1024**power)


def _above_nothing(text: str, problem: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(problem)
    return number


def _add_change(parser: argparse.ArgumentParser) -> None:
    """What every command takes that changes picks."""
    parser.add_argument("--why", metavar="TEXT", help="what to write into the history as the reason")
    parser.add_argument("-n", "--dry-run", action="store_true", help="print what would be changed, and change nothing")
    parser.add_argument("-y", "--yes", action="store_true", help="do not ask")
    _add_place(parser)
    _add_python(parser)
    _add_json(parser)


def _add_stage(parser: argparse.ArgumentParser) -> None:
    text = f"the IR of this stage instead of the source: {', '.join(STAGES)} or whatever else is kept"
    parser.add_argument("--ir", dest="stage", metavar="STAGE", help=text)


def _open(parser: argparse.ArgumentParser) -> None:
    _add_positional_place(parser)
    _add_place(parser)
    _add_python(parser)
    parser.add_argument("--theme", metavar="NAME", help="colours of the app, as its palette names them")
    parser.add_argument(
        "--follow", action=argparse.BooleanOptionalAction, help="show what is compiled meanwhile, or stay as it was"
    )


def _list(parser: argparse.ArgumentParser) -> None:
    _add_positional_place(parser)
    _add_place(parser)
    parser.add_argument(
        "--filter", metavar="WORDS", help="only those that hold every word: operation, shape, dtype, name"
    )
    parser.add_argument("--sort", choices=ORDERS, help="order of the lines")
    _add_python(parser)
    _add_json(parser)


def _show(parser: argparse.ArgumentParser) -> None:
    help_text = _TARGET_HELP + "and :HASH behind that one of its configurations"
    parser.add_argument("targets", metavar="ID", nargs=1, help=help_text)
    parser.add_argument("--sub", type=int, metavar="N", help="the source of sub-kernel N")
    _add_stage(parser)
    parser.add_argument(
        "--resources", action="store_true", help="registers, spills, shared memory and occupancy; needs no GPU"
    )
    parser.add_argument(
        "--target", metavar="ARCH", help="of this GPU, like sm_90 (default: the one that was compiled for)"
    )
    parser.add_argument("--trust", action="store_true", help="agree that code of a bundle runs as you, for --resources")
    _add_place(parser)
    _add_python(parser)
    _add_json(parser)


def _diff(parser: argparse.ArgumentParser) -> None:
    help_text = (
        _TARGET_HELP + "and :HASH behind that one of its configurations; one id compares its sub-kernels 0 and 1"
    )
    parser.add_argument("targets", metavar="ID", nargs="+", help=help_text)
    _add_stage(parser)
    parser.add_argument(
        "--normalize",
        action="store_true",
        help="even out the names of temporaries (tmp12, %%5, %%r7) and leave out debug positions",
    )
    _add_place(parser)
    _add_python(parser)
    _add_json(parser)


def _bench(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("targets", metavar="ID", nargs="*", help="id of a multi-kernel, or its unambiguous beginning")
    parser.add_argument("--all", dest="which", action="store_const", const="all", help="every one of the place")
    parser.add_argument(
        "--device",
        choices=DEVICES,
        help="where they run: a GPU, or Triton's interpreter (default: a GPU if there is one)",
    )
    _add_measuring(parser)
    _add_place(parser)
    _add_json(parser)


def _audit(parser: argparse.ArgumentParser) -> None:
    _add_positional_place(parser)
    _add_place(parser)
    parser.add_argument(
        "--fail-above",
        metavar="SHARE",
        help="regret from which on a pick counts as wrong, like 5%% or 0.05 (default: 5%%)",
    )
    parser.add_argument("--recorded", action="store_true", help="measure nothing: judge by what was measured before")
    parser.add_argument("--apply", action="store_true", help="pin what is surely faster; `undo` takes it back")
    parser.add_argument("-n", "--dry-run", action="store_true", help="print what --apply would pin, and pin nothing")
    parser.add_argument("-y", "--yes", action="store_true", help="do not ask")
    _add_measuring(parser)
    _add_json(parser)


def _pin(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("targets", metavar="ID", nargs=1, help=_TARGET_HELP + "so that SUB can be left out")
    parser.add_argument(
        "wanted",
        metavar="SUB",
        nargs="?",
        help="its index, its kind ('persistent') or its name, or what only that holds",
    )
    _add_change(parser)


def _clear(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("targets", metavar="ID", nargs="*", help="id of a multi-kernel, or its unambiguous beginning")
    which = parser.add_mutually_exclusive_group()
    for name, text in (
        ("all", "every pick of the place"),
        ("invalid", "the picks that end the program that loads them"),
        ("orphans", "the pick files that belong to no multi-kernel of the cache"),
        ("leftovers", "the temporary files of a mkexplorer that was killed"),
    ):
        which.add_argument(f"--{name}", dest="which", action="store_const", const=name, help=text)
    _add_change(parser)


def _undo(parser: argparse.ArgumentParser) -> None:
    _add_change(parser)


def _history(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("targets", metavar="ID", nargs="*", help="only the changes of these multi-kernels")
    _add_place(parser)
    _add_python(parser)
    _add_json(parser)


def _picks_export(parser: argparse.ArgumentParser) -> None:
    _add_place(parser)
    _add_python(parser)


def _picks_apply(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="the picks.toml; - for standard input")
    _add_change(parser)


def _doctor(parser: argparse.ArgumentParser) -> None:
    _add_positional_place(parser)
    _add_place(parser)
    _add_python(parser)
    _add_json(parser)


def _export(parser: argparse.ArgumentParser) -> None:
    _add_positional_place(parser)
    _add_place(parser)
    parser.add_argument("-o", "--output", metavar="FILE", required=True, help="the .mkx file to write")
    parser.add_argument("--only", metavar="ID", nargs="+", action="extend", help="only these multi-kernels")
    _add_json(parser)


def _completion(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=SHELLS)


ARGUMENTS: Mapping[str, Callable[[argparse.ArgumentParser], None]] = {
    "open": _open,
    "list": _list,
    "show": _show,
    "diff": _diff,
    "bench": _bench,
    "audit": _audit,
    "pin": _pin,
    "clear": _clear,
    "undo": _undo,
    "history": _history,
    "picks export": _picks_export,
    "picks apply": _picks_apply,
    "doctor": _doctor,
    "export": _export,
    "completion": _completion,
}
