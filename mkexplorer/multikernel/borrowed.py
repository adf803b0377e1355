"""The source of a Triton function with all that it uses from around it, so that it can stand in a file of its own."""

from __future__ import annotations
import __future__

import ast
import builtins
import inspect
import linecache
import re
import sys
import textwrap
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache, reduce
from operator import or_
from typing import Any

from .errors import DefinitionError
from .kernel import IMPORTS
from .values import literal, tuple_text

_DEF = re.compile(r"^def\s+\w+\s*\(", re.MULTILINE)
# Packages from which a generated file may import. What comes from any other stands in the file itself, so that a
# change of it changes the file's key.
PACKAGES = frozenset({"triton", "torch", *sys.stdlib_module_names})
# Names and what they stand for that each file imports anyhow.
_HEADER = {("triton", "triton"), ("tl", "language")}
_FUTURE = reduce(or_, (getattr(__future__, name).compiler_flag for name in __future__.all_feature_names))
_OPTIONS = ("do_not_specialize", "do_not_specialize_on_alignment", "noinline", "debug")


@dataclass(frozen=True)
class Borrowed:
    """``source`` begins with its ``@triton.jit`` line; ``imports`` and ``helpers`` are what has to stand above it."""

    imports: tuple[str, ...]
    helpers: str
    source: str
    function: ast.FunctionDef


def borrow(kernel: Any) -> Borrowed:
    """The source of a ``triton.jit`` function (or of what the interpreter makes of one).

    Raises `DefinitionError` where it uses something that cannot be written down.
    """
    collector = _Collector(python_function(kernel).__name__)
    source = collector.add_uses(kernel)
    function = ast.parse(source).body[0]
    assert isinstance(function, ast.FunctionDef)
    helpers = ["\n".join(collector.constants), *collector.functions]
    shown = "\n\n\n".join(part for part in helpers if part)
    return Borrowed((*IMPORTS, *collector.imports), shown, source, function)


def python_function(kernel: Any) -> types.FunctionType:
    """The Python function below whatever decorators of Triton's stand on it."""
    function = kernel
    while not inspect.isfunction(function):
        function = getattr(function, "fn", None)
        if function is None:
            raise DefinitionError(f"{kernel!r} is no Triton kernel", "Give a function with @triton.jit above it.")
    return function


@dataclass
class _Collector:
    """Gathers what the kernel and its helpers use, each thing once, what is used above what uses it."""

    kernel: str
    imports: list[str] = field(default_factory=list)
    constants: list[str] = field(default_factory=list)
    functions: list[str] = field(default_factory=list)
    _known: dict[str, Any] = field(default_factory=dict)

    def add_uses(self, kernel: Any) -> str:
        """Gathers what a function uses, and returns its own source with its decorator."""
        function = python_function(kernel)
        source = _source(kernel)
        scope = scope_of(function)
        for name in _free_names(ast.parse(source)):
            if name in scope:
                self._add(name, scope[name], scope)
            elif not hasattr(builtins, name):
                raise DefinitionError(
                    f"{self.kernel} uses {name}, which is not defined where {function.__name__} is",
                    "Define it before the kernel is made a sub-kernel.",
                )
        return _decorated(kernel, source)

    def _add(self, name: str, value: Any, scope: Mapping[str, Any]) -> None:
        if name in self._known:
            if not _is_same(self._known[name], value):
                raise DefinitionError(
                    f"{self.kernel} and its helpers mean different things by {name}", "Rename one of the two."
                )
            return
        self._known[name] = value
        package = package_of(value)
        if isinstance(value, types.ModuleType):
            if package not in PACKAGES:
                raise DefinitionError(
                    f"{self.kernel} uses the module {value.__name__}, which a file of its own cannot do",
                    "Import what it uses from there by name: helpers with @triton.jit and constants come along.",
                )
            parent, _, own_name = value.__name__.rpartition(".")
            self._add_import(f"from {parent} import {own_name}" if parent else f"import {own_name}", name, own_name)
        elif type(value).__name__ in ("constexpr", "dtype"):
            self.constants.append(self._constant(name, value, scope))
        elif package in PACKAGES and hasattr(value, "__name__"):
            self._add_import(f"from {_module(value)} import {value.__name__}", name, value.__name__)
        elif hasattr(value, "fn"):
            self._add_function(name, value)
        else:
            self.constants.append(self._constant(name, value, scope))

    def _add_import(self, statement: str, name: str, own_name: str) -> None:
        if (name, own_name) not in _HEADER:
            self.imports.append(statement if name == own_name else f"{statement} as {name}")

    def _add_function(self, name: str, helper: Any) -> None:
        own_name = python_function(helper).__name__
        if own_name != name:
            self._add(own_name, helper, {})
            self.functions.append(f"{name} = {own_name}")
        else:
            self.functions.append(self.add_uses(helper).rstrip())

    def _constant(self, name: str, value: Any, scope: Mapping[str, Any]) -> str:
        kind = type(value).__name__
        if kind == "constexpr":
            return f"{name} = tl.constexpr({self._literal(name, value.value)})"
        if kind == "dtype":
            return f"{name} = {self._literal(name, value)}"
        annotated = "constexpr" in str(scope.get("__annotations__", {}).get(name, ""))
        return f"{name}{': tl.constexpr' if annotated else ''} = {self._literal(name, value)}"

    def _literal(self, name: str, value: Any) -> str:
        if value is None or isinstance(value, str | int | float):
            return literal(value)
        if isinstance(value, tuple):
            return tuple_text(self._literal(name, each) for each in value)
        language = sys.modules.get("triton.language")
        if type(value).__name__ == "dtype":
            found = (known for known in dir(language) if getattr(language, known) is value)
            return f"tl.{next(found, f'dtype({value.name!r})')}"
        raise DefinitionError(
            f"{self.kernel} uses {name}, a {type(value).__name__}, which cannot be written into a file",
            "Pass it as a constant, or make it a tl.constexpr of a number or text.",
        )


def _source(kernel: Any) -> str:
    function = python_function(kernel)
    text = _compiled_text(kernel)
    if text is None:
        lines = lines_of(function)
        if lines is None:
            raise DefinitionError(
                f"the source of {function.__name__} cannot be found: no file, or one that says something else by now",
                "Define the kernel in a file, and start the program again once that was changed.",
            )
        text = textwrap.dedent("".join(inspect.getblock(lines[function.__code__.co_firstlineno - 1 :])))
    found = _DEF.search(text)
    if found is None:
        raise DefinitionError(f"{function.__name__} is no function with a `def`", "Write it as one.")
    return text[found.start() :]


def _compiled_text(kernel: Any) -> str | None:
    """What Triton compiles: it reads that when it is imported, and the file may have been edited since.

    None for what its interpreter runs.
    """
    while not inspect.isfunction(kernel):
        text = getattr(kernel, "src", None)
        if isinstance(text, str):
            return text
        kernel = kernel.fn
    return None


def lines_of(function: types.FunctionType) -> list[str] | None:
    """The lines of the file that a function comes from; None where the function is not what they say by now.

    Whoever edits a file has not changed what a running program has loaded from it.
    """
    code = function.__code__
    linecache.checkcache(code.co_filename)
    lines = linecache.getlines(code.co_filename, function.__globals__)
    return lines if code in _compiled("".join(lines), code.co_flags & _FUTURE) else None


@lru_cache(maxsize=32)
def _compiled(text: str, future: int) -> frozenset[types.CodeType]:
    """Every function of a file; two are the same with the same name, parameters, code and first line.

    The cells of a notebook may wait for something, and what one of them imports from ``__future__`` is ``future`` of
    those after it.
    """
    try:
        flags = future | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        return frozenset(_within(compile(text, "<file>", "exec", flags=flags, dont_inherit=True)))
    except (SyntaxError, ValueError):  # half of a file, saved just now
        return frozenset()


def _within(code: types.CodeType) -> Iterator[types.CodeType]:
    for each in code.co_consts:
        if isinstance(each, types.CodeType):
            yield each
            yield from _within(each)


def _decorated(kernel: Any, source: str) -> str:
    if type(kernel).__name__ == "ConstexprFunction":
        return f"@triton.constexpr_function\n{source}"
    # The interpreter's functions keep in `kwargs` what compiled ones have as attributes.
    said = getattr(kernel, "kwargs", None) or vars(kernel)
    options = [f"{option}={said[option]!r}" for option in _OPTIONS if said.get(option)]
    return f"@triton.jit{'(' + ', '.join(options) + ')' if options else ''}\n{source}"


def _free_names(tree: ast.Module) -> Iterator[str]:
    """Names that the function takes from around it, in the order of the text, each once."""
    (function,) = tree.body
    assert isinstance(function, ast.FunctionDef)
    names = [node for node in ast.walk(function) if isinstance(node, ast.Name)]
    names.sort(key=lambda node: (node.lineno, node.col_offset))
    own = {node.id for node in names if not isinstance(node.ctx, ast.Load)}
    own |= {node.arg for node in ast.walk(function) if isinstance(node, ast.arg)} | {function.name}
    return iter(dict.fromkeys(node.id for node in names if node.id not in own))


def scope_of(function: types.FunctionType) -> Mapping[str, Any]:
    """What the names stand for that a function takes from around it."""
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    return {**function.__globals__, **{name: cell.cell_contents for name, cell in cells}}


def _module(value: Any) -> str:
    if isinstance(value, types.ModuleType):
        return value.__name__
    return str(getattr(getattr(value, "fn", value), "__module__", ""))


def package_of(value: Any) -> str:
    """Where a module, a function or what Triton made of one comes from: 'triton', 'torch'; '' where it does not say."""
    return _module(value).partition(".")[0]


def _is_same(one: Any, other: Any) -> bool:
    return one is other or (type(one) is type(other) and getattr(one, "value", one) == getattr(other, "value", other))
