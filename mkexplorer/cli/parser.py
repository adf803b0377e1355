"""What can be typed: the parser, its help, and what a mistyped word was meant to be."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

from mkexplorer.cli.options import ARGUMENTS, COMMANDS, add_common, add_sample
from mkexplorer.version import __version__

_DESCRIPTION = """\
See what torch.compile generated, and which sub-kernel of each multi-kernel it picked.

PLACE is an Inductor cache directory, a wrapper or output_code.py, a torch_compile_debug directory, a text of
TORCH_LOGS=output_code or TORCH_TRACE, or a .mkx bundle. Without one it is the cache directory that torch itself
uses for you. It is read as text; only to find the picks of a cache, and to measure, are its kernels loaded, in a
Python of yours (--python, --no-python). A place that is called like a command is written ./list.
"""
_EPILOG = """\
exit codes: 0; 1 found nothing, nothing to do, the two differ, or a pick is wrong; 2 wrong usage, or it cannot be done
environment: MKEXPLORER_CACHE_DIR, TORCHINDUCTOR_CACHE_DIR, NO_COLOR, PAGER, EDITOR, XDG_STATE_HOME, XDG_CACHE_HOME
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
    python: str | None = None
    no_python: bool = False
    wanted: str = ""
    which: str = ""
    file: str = ""
    why: str = ""
    dry_run: bool = False
    yes: bool = False
    measure: str = ""
    report: bool = False
    module: str = ""
    script: str = ""
    arguments: tuple[str, ...] = ()
    device: str | None = None
    trust: bool = False
    sizes: tuple[str, ...] = ()
    stock: bool = False
    timeout: float = 120.0
    memory_limit: int | None = None
    no_store: bool = False
    quiet: bool = False
    fail_above: str = "5%"
    recorded: bool = False
    apply: bool = False
    resources: bool = False
    target: str | None = None


def parse(arguments: Sequence[str]) -> Given:
    """Parse, or print help or what is wrong and raise SystemExit."""
    parser, commands = make_parser()
    words, of_the_program = _without_the_programs_own(_with_command(list(arguments)))
    values, unknown = parser.parse_known_args(words)
    if "verb" in values:
        values.command = f"{values.command} {vars(values).pop('verb')}"
    command = commands[values.command]
    if unknown:
        known = re.findall(r"--[a-z-]+", command.format_help())
        meant = _HOW_TO_NAME_A_PLACE if _is_place(unknown[0]) else did_you_mean(unknown[0], known)
        command.error(f"unknown argument: {unknown[0]}{meant}")
    fields = {name: value for name, value in vars(values).items() if value is not None}
    places = [fields.pop(name) for name in ("positional_place", "place") if name in fields]
    if len(places) + fields["sample"] > 1:
        command.error("PLACE was given twice: by itself, with --place, or as --sample")
    if places:
        fields["place"] = places[0]
    for name in ("targets", "only", "sizes"):
        if name in fields:
            fields[name] = tuple(fields[name])
    for target in fields.get("targets", ()):
        if _is_place(target):
            command.error(f"{target} is no id of a multi-kernel{_HOW_TO_NAME_A_PLACE}")
    given = Given(**fields, arguments=tuple(of_the_program))
    if problem := _contradiction(given):
        command.error(problem)
    return given


def _contradiction(given: Given) -> str:
    """What is wrong with options that are each right."""
    if given.command == "diff" and len(given.targets) > 2:
        return "more than two ids: a difference has two sides"
    if given.command == "clear" and bool(given.targets) == bool(given.which):
        return "give the ids of what to clear, or one of --all, --invalid, --orphans and --leftovers"
    if given.command == "run" and not given.module and not given.script:
        return "give the program to run: SCRIPT, or -m MODULE"
    if given.command == "bench" and bool(given.targets) == bool(given.which):
        return "give the ids of what to measure, or --all"
    if given.command == "audit" and (given.dry_run or given.yes) and not given.apply:
        return "--dry-run and --yes are about --apply"
    if given.target and not given.resources:
        return "--target is about --resources"
    return ""


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
    add_sample(parser, default=False)
    add_common(parser, default=None)
    groups = {
        "": parser.add_subparsers(title="commands", prog="mkexplorer", metavar="COMMAND", dest="command", required=True)
    }
    commands: dict[str, argparse.ArgumentParser] = {}
    for name, help_text in COMMANDS.items():
        group, _, verb = name.rpartition(" ")
        command = groups[group].add_parser(
            verb, help=help_text, description=_sentence(help_text), formatter_class=_Formatter, allow_abbrev=False
        )
        if name in ARGUMENTS:
            # SUPPRESS: an option before the command must not be reset by its default behind it.
            add_common(command, default=argparse.SUPPRESS)
            ARGUMENTS[name](command)
        else:
            groups[name] = command.add_subparsers(title="verbs", metavar="VERB", dest="verb", required=True)
        commands[name] = command
    return parser, commands


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


def _without_the_programs_own(words: list[str]) -> tuple[list[str], list[str]]:
    """Of ``run``, what is for us, and what follows the program's name, which is the program's."""
    position = words.index("run") + 1 if _command_of(words) == "run" else len(words)
    while position < len(words):
        word = words[position]
        position += 2 if word in ("-m", "--measure", "--color") else 1
        if word.startswith("-m") or not word.startswith("-"):
            break
    return words[:position], words[position:]


def _command_of(words: Sequence[str]) -> str:
    return next((word for word in words if word in COMMANDS), "")


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."
