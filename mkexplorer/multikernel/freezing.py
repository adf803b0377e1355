"""Second passes: a generated module in which each call of a multi-kernel is a call of the sub-kernel that was chosen.

Works on the text that the first pass generated, in the form that ours and those of torch 2.3 and 2.4 share.
"""

from __future__ import annotations

import ast
import types
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from mkexplorer.catalog.errors import MkexplorerError
from mkexplorer.catalog.store import FolderStore
from mkexplorer.picks.files import read_pick
from mkexplorer.picks.model import PickState

from .errors import DefinitionError, MissingChoice
from .modules import PICK_ENDING, cache_of, key_of, load_module, write_source

if TYPE_CHECKING:
    from .frontdoor import MultiKernelFunction

Choices = Mapping[str, int | str]
_ADVICE = "Give a module that mkexplorer.multikernel generated."
_UNCHOSEN = (
    "Run the first pass until it has called this multi-kernel, or say which one to take. "
    "If it runs on the choice of a neighbouring size, confirm() it and call it once more"
)


def freeze(
    module: types.ModuleType | str | Path | MultiKernelFunction, choices: Choices | None = None
) -> types.ModuleType:
    """The second-pass module: direct calls of the winners, no dispatch, no loser.

    ``module`` is what the first pass generated, loaded or as a path, or what `multi_kernel` made: that has a module for
    each bucket, and where it has met several, one of its ``modules()`` has to be given. ``choices`` gives the chosen
    sub-kernel of each multi-kernel, by index or name; for one that it leaves out, what this process uses counts, be it
    kept, not kept or forced, then the pick file; a path tells of nothing but that. A choice that was taken over from a
    neighbouring size counts as none. The second pass stands in the same cache. Raises `MissingChoice`, which names the
    multi-kernel that nobody has chosen for.
    """
    file, calls = _first_pass_of(module)
    if file is None or not Path(file).is_file():
        raise DefinitionError(f"{file or module}: is no file", _ADVICE)
    text = Path(file).read_text("utf-8", "surrogatepass")
    cache = cache_of(file)
    chosen = dict(choices or {})
    for each in _read(text).multi_kernels:
        if each.name in chosen:
            continue
        call = calls.get(each.name)
        index = None if getattr(call, "is_provisional", False) else getattr(call, "picked", None)
        if index is None:
            index = _kept(each, cache)
        if index is not None:
            chosen[each.name] = index
    return load_module(write_source(frozen_text(text, chosen), cache))


def _first_pass_of(
    module: types.ModuleType | str | Path | MultiKernelFunction,
) -> tuple[str | Path | None, Mapping[str, object]]:
    """Its file and, by name, what this process calls as its multi-kernels."""
    if isinstance(module, types.ModuleType):
        return module.__file__, vars(module)
    if isinstance(module, str | Path):
        return module, {}
    if not hasattr(module, "modules"):
        raise DefinitionError(f"{module!r} is no module", _ADVICE)
    files = module.modules()
    if len(files) == 1:
        ((bucket, file),) = files.items()
        call = module.call_of(bucket)
        return file, {call.multi_kernel_name: call}
    name = getattr(module, "__name__", "")
    if files:
        raise DefinitionError(
            f"{name} has {len(files)} modules, one for each bucket",
            f"Freeze one of them, as in freeze({name}.modules()[{next(iter(files))!r}]).",
        )
    raise DefinitionError(f"{name} has no module", "Call it first. If it warned that nothing is kept, that is why.")


def frozen_text(text: str, choices: Choices) -> str:
    """As `freeze`, from text to text. Raises `MissingChoice` and `DefinitionError`."""
    first_pass = _read(text)
    lines = text.split("\n")
    winners = {}
    for each in first_pass.multi_kernels:
        if each.name not in choices:
            raise MissingChoice(
                f"{each.name} ({', '.join(each.sub_kernels)}) has no chosen sub-kernel",
                _UNCHOSEN,
            )
        winners[each.name] = each.index_of(choices[each.name])
    replaced = {call.span: first_pass.direct_call(call, winners[call.name]) for call in first_pass.calls}
    kept = {each.sub_kernels[winners[each.name]] for each in first_pass.multi_kernels}
    dropped = {name for each in first_pass.multi_kernels for name in each.sub_kernels} - kept
    spans = [each.span for each in first_pass.multi_kernels]
    spans += [_with_comments(span, lines) for name, span in first_pass.kernels.items() if name in dropped]
    told = [
        f"# Second pass: {each.name} is {each.sub_kernels[winners[each.name]]}." for each in first_pass.multi_kernels
    ]
    replaced.update({_with_blank_lines(span, lines): "" for span in spans})
    return "\n".join([*told, *_rewritten(lines, replaced)])


@dataclass(frozen=True)
class _MultiKernel:
    """A definition as found; ``run_module`` is the source of the module that runs it."""

    name: str
    sub_kernels: tuple[str, ...]
    run_module: str
    span: range

    def index_of(self, choice: int | str) -> int:
        """Raises `DefinitionError` for a choice that is none of the sub-kernels."""
        if isinstance(choice, str) and choice in self.sub_kernels:
            return self.sub_kernels.index(choice)
        if isinstance(choice, int) and 0 <= choice < len(self.sub_kernels):
            return choice
        listed = ", ".join(f"{index} {name}" for index, name in enumerate(self.sub_kernels))
        raise DefinitionError(f"{self.name} has no sub-kernel {choice!r}", f"It has {listed}.")

    @cached_property
    def parameters(self) -> tuple[str, ...]:
        """What ``run`` takes after the call object: arguments, numels, the grid, the stream."""
        return tuple(each.arg for each in self._run.args.args[1:])

    def passed(self, index: int) -> tuple[str, ...]:
        """Which of the parameters the sub-kernel gets, in its own order."""
        function = next(each for each in _functions(self._run.body) if each.name == f"call{index}")
        names: list[str] = []
        for node in ast.walk(function):
            match node:
                case ast.Assign(targets=[ast.Name("args")], value=ast.List(elts=items)):
                    names[:0] = [ast.unparse(item) for item in items]
                case ast.Call(func=ast.Attribute(attr="run"), args=[ast.Starred(), *numels]):
                    names += [ast.unparse(numel) for numel in numels]
        return tuple(names)

    @cached_property
    def _run(self) -> ast.FunctionDef:
        return next(each for each in _functions(ast.parse(self.run_module).body) if each.name == "run")


@dataclass(frozen=True)
class _Call:
    """A call of a multi-kernel: the text of what it passes, by position and by keyword."""

    name: str
    arguments: tuple[str, ...]
    keywords: tuple[tuple[str, str], ...]
    indent: int
    span: range


@dataclass(frozen=True)
class _FirstPass:
    """Spans are of lines, counted from 0."""

    kernels: Mapping[str, range]
    multi_kernels: tuple[_MultiKernel, ...]
    calls: tuple[_Call, ...]

    def direct_call(self, call: _Call, index: int) -> str:
        multi_kernel = next(each for each in self.multi_kernels if each.name == call.name)
        values = dict(zip(multi_kernel.parameters, call.arguments, strict=False))
        arguments = [values[name] for name in multi_kernel.passed(index)]
        keywords = [f"{name}={value}" for name, value in call.keywords]
        return f"{' ' * call.indent}{multi_kernel.sub_kernels[index]}.run({', '.join([*arguments, *keywords])})"


def _read(text: str) -> _FirstPass:
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        raise DefinitionError(f"the module is no Python: {error.msg} in line {error.lineno}", _ADVICE) from error
    kernels: dict[str, range] = {}
    multi_kernels: list[_MultiKernel] = []
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(name)], value=ast.Call(func=ast.Attribute(attr="triton"))):
                kernels[name] = _span(node)
            case ast.Assign(
                targets=[ast.Name(name)],
                value=ast.Call(
                    func=ast.Attribute(attr="multi_kernel"),
                    args=[_, ast.List(elts=listed), ast.Constant(value=str(source))],
                ),
            ):
                names = tuple(ast.unparse(item) for item in listed)
                multi_kernels.append(_MultiKernel(name, names, source.strip(), _span(node)))
    if not multi_kernels:
        raise DefinitionError("the module defines no multi-kernel together with the code that runs it", _ADVICE)
    known = {each.name for each in multi_kernels}
    return _FirstPass(kernels, tuple(multi_kernels), tuple(_calls(tree, known)))


def _calls(tree: ast.Module, names: set[str]) -> Iterator[_Call]:
    for node in ast.walk(tree):
        match node:
            case ast.Expr(
                value=ast.Call(func=ast.Attribute(value=ast.Name(name), attr="run"), args=passed, keywords=keywords)
            ) if name in names:
                arguments = tuple(ast.unparse(each) for each in passed)
                named = tuple((each.arg, ast.unparse(each.value)) for each in keywords if each.arg)
                yield _Call(name, arguments, named, node.col_offset, _span(node))


def _kept(multi_kernel: _MultiKernel, cache: Path) -> int | None:
    """The pick that is kept; None where there is none. Raises `DefinitionError` where it cannot be used."""
    key = key_of(multi_kernel.run_module)
    path = f"{key[1:3]}/{key}{PICK_ENDING}"
    try:
        pick = read_pick(FolderStore(str(cache)), path, len(multi_kernel.sub_kernels))
    except MkexplorerError as error:
        raise DefinitionError(f"the pick of {multi_kernel.name}: {error.message}", error.advice) from error
    if pick.index is None and pick.state is not PickState.NONE:
        raise DefinitionError(f"the pick of {multi_kernel.name} is {pick.state}: {pick.reason}", "Clear it.")
    return pick.index


def _functions(nodes: Sequence[ast.stmt]) -> Iterator[ast.FunctionDef]:
    return (node for node in nodes if isinstance(node, ast.FunctionDef))


def _span(node: ast.stmt) -> range:
    return range(node.lineno - 1, node.end_lineno or node.lineno)


def _with_comments(span: range, lines: Sequence[str]) -> range:
    first = span.start
    while first and lines[first - 1].startswith("#"):
        first -= 1
    return range(first, span.stop)


def _with_blank_lines(span: range, lines: Sequence[str]) -> range:
    last = span.stop
    while last < len(lines) and not lines[last].strip():
        last += 1
    return range(span.start, last)


def _rewritten(lines: Sequence[str], replaced: Mapping[range, str]) -> Iterator[str]:
    """The lines, those of each span replaced by its text, or by nothing where that is empty."""
    position = 0
    for span in sorted(replaced, key=lambda span: span.start):
        yield from lines[position : span.start]
        if replaced[span]:
            yield replaced[span]
        position = span.stop
    yield from lines[position:]
