"""What can be typed: the parser, its help, and what a mistyped word was meant to be."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

from mkexplorer import __version__
from mkexplorer.report.configurations import STAGES

COMMANDS = {
    "open": "open the app (this is what happens without a command)",
    "list": "list the multi-kernels",
    "show": "show one multi-kernel, or the source or IR of a sub-kernel",
    "diff": "compare two sub-kernels",
    "export": "put multi-kernels with all that belongs to them into one .mkx file",
    "completion": "print the completion script of a shell",
}
COLOURS = ("auto", "always", "never")
ORDERS = ("graph", "operation", "size", "time", "regret")
SHELLS = ("bash", "zsh", "fish")

_DESCRIPTION = """\
See what torch.compile generated, and which sub-kernel of each multi-kernel it picked.

PLACE is an Inductor cache directory, a wrapper or output_code.py, a torch_compile_debug directory, a text of
TORCH_LOGS=output_code or TORCH_TRACE, or a .mkx bundle. Without one it is the cache directory that torch itself
uses for you. Nothing in it is executed. A place that is called like a command is written ./list.
"""
_TARGET_HELP = "id of a multi-kernel as `list` shows it, or its unambiguous beginning; :N adds a sub-kernel, "
_EPILOG = """\
exit codes: 0; 1 found nothing, or the two differ; 2 wrong usage, or something cannot be opened
environment: TORCHINDUCTOR_CACHE_DIR, NO_COLOR, PAGER, EDITOR, XDG_STATE_HOME, XDG_CACHE_HOME
"""


@dataclass(frozen=True, slots=True)
class Given:
    """A parsed command line. What a command does not take keeps its default."""

    command: str
    place: str | None = None
    sample: bool = False
    json: bool = False
    color: str = "auto"
    debug: bool = False
    filter: str = ""
    sort: str = "graph"
    targets: tuple[str, ...] = ()
    sub: int | None = None
    stage: str | None = None
    normalize: bool = False
    output: str = ""
    only: tuple[str, ...] = ()
    shell: str = ""
    theme: str | None = None
    follow: bool | None = None


def parse(arguments: Sequence[str]) -> Given:
    """Parse, or print help or what is wrong and raise SystemExit."""
    parser, commands = make_parser()
    values, unknown = parser.parse_known_args(_with_command(list(arguments)))
    command = commands[values.command]
    if unknown:
        known = re.findall(r"--[a-z]+", command.format_help())
        meant = _HOW_TO_NAME_A_PLACE if _is_place(unknown[0]) else did_you_mean(unknown[0], known)
        command.error(f"unknown argument: {unknown[0]}{meant}")
    fields = {name: value for name, value in vars(values).items() if value is not None}
    places = [fields.pop(name) for name in ("positional_place", "place") if name in fields]
    if len(places) + fields["sample"] > 1:
        command.error("PLACE was given twice: by itself, with --place, or as --sample")
    if places:
        fields["place"] = places[0]
    for name in ("targets", "only"):
        if name in fields:
            fields[name] = tuple(fields[name])
    for target in fields.get("targets", ()):
        if _is_place(target):
            command.error(f"{target} is no id of a multi-kernel{_HOW_TO_NAME_A_PLACE}")
    if len(fields.get("targets", ())) > 2:
        command.error("more than two ids: a difference has two sides")
    return Given(**fields)


_HOW_TO_NAME_A_PLACE = " (a place is given with --place)"


def _is_place(word: str) -> bool:
    """No id looks like this: ids begin with a letter, and their slash is no folder's."""
    return word.startswith(("/", ".", "~")) or word.endswith(".mkx") or os.path.isfile(word)


def did_you_mean(word: str, known: Sequence[str]) -> str:
    """' (did you mean …?)', or nothing where no known word is close."""
    from difflib import get_close_matches

    close = get_close_matches(word, known, n=1)
    return f" (did you mean {close[0]}?)" if close else ""


def make_parser() -> tuple[argparse.ArgumentParser, Mapping[str, argparse.ArgumentParser]]:
    """The whole parser, and those of its commands."""
    parser = _Parser(
        prog="mkexplorer",
        usage="mkexplorer [PLACE | --sample]\n       mkexplorer COMMAND ...  (each with --help of its own)",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=_Formatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"mkexplorer {__version__}")
    _add_sample(parser, default=False)
    _add_common(parser, default=None)
    commands = parser.add_subparsers(
        title="commands", prog="mkexplorer", metavar="COMMAND", dest="command", required=True
    )
    for name, add_arguments in _ARGUMENTS.items():
        command = commands.add_parser(
            name,
            help=COMMANDS[name],
            description=_sentence(COMMANDS[name]),
            formatter_class=_Formatter,
            allow_abbrev=False,
        )
        # SUPPRESS: an option before the command must not be reset by its default behind it.
        _add_common(command, default=argparse.SUPPRESS)
        add_arguments(command)
    return parser, commands.choices


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """Room for the longest option, and the same text whatever the terminal's width."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=28, width=110)


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, and where the help is."""

    def error(self, message: str) -> NoReturn:
        print(f"{self.prog}: {message}\nTry `{self.prog} --help`.", file=sys.stderr)
        raise SystemExit(2)


def _with_command(words: list[str]) -> list[str]:
    """Put in the command that is meant where none is written: ``open``."""
    position = 0
    while position < len(words):
        word = words[position]
        if word in ("--debug", "--sample") or word.startswith("--color="):
            position += 1
        elif word == "--color":
            position += 2
        else:
            break
    first = words[position] if position < len(words) else ""
    if first in COMMANDS or first in ("-h", "--help", "--version"):
        return words
    if first and not first.startswith("-") and not os.path.lexists(first) and os.sep not in first:
        # Neither a command nor a place: a mistyped command is told as one; any other word is opened, and refused there.
        meant = did_you_mean(first, list(COMMANDS))
        if meant:
            _Parser(prog="mkexplorer").error(f"neither a command nor a place: {first}{meant}")
    return [*words[:position], "open", *words[position:]]


def _add_common(parser: argparse.ArgumentParser, default: object) -> None:
    colour = "auto" if default is None else default
    debug = False if default is None else default
    parser.add_argument("--color", choices=COLOURS, default=colour, help="colours (auto: only to a terminal)")
    parser.add_argument("--debug", action="store_true", default=debug, help="show where in the program an error arose")


def _add_sample(parser: argparse.ArgumentParser, default: object) -> None:
    text = "look into the sample, recorded on an H100"
    parser.add_argument("--sample", action="store_true", default=default, help=text)


def _add_place(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--place", metavar="PLACE", help="what to look into (default: the cache directory of torch)")
    _add_sample(parser, default=argparse.SUPPRESS)


def _add_positional_place(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "positional_place", metavar="PLACE", nargs="?", help="what to look into (default: the cache directory of torch)"
    )


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON, by the schemas in the README")


def _add_stage(parser: argparse.ArgumentParser) -> None:
    text = f"the IR of this stage instead of the source: {', '.join(STAGES)} or whatever else is kept"
    parser.add_argument("--ir", dest="stage", metavar="STAGE", help=text)


def _open(parser: argparse.ArgumentParser) -> None:
    _add_positional_place(parser)
    _add_place(parser)
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
    _add_json(parser)


def _show(parser: argparse.ArgumentParser) -> None:
    help_text = _TARGET_HELP + "and :HASH behind that one of its configurations"
    parser.add_argument("targets", metavar="ID", nargs=1, help=help_text)
    parser.add_argument("--sub", type=int, metavar="N", help="the source of sub-kernel N")
    _add_stage(parser)
    _add_place(parser)
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
    _add_json(parser)


def _export(parser: argparse.ArgumentParser) -> None:
    _add_positional_place(parser)
    _add_place(parser)
    parser.add_argument("-o", "--output", metavar="FILE", required=True, help="the .mkx file to write")
    parser.add_argument("--only", metavar="ID", nargs="+", action="extend", help="only these multi-kernels")
    _add_json(parser)


def _completion(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=SHELLS)


_ARGUMENTS = {
    "open": _open,
    "list": _list,
    "show": _show,
    "diff": _diff,
    "export": _export,
    "completion": _completion,
}


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."
