"""Which of a kernel's parameters are pointers that it reads, and which it writes, told from its source alone.

An address begins with its pointer (``x_ptr + row * stride``) and may pass through variables. What this finds is never
too little: a pointer counts for every address that it may have part in; whatever is handed to a function other than
Triton's counts as read and written; and so does everything where an address leads back to no parameter at all. That
costs copies when kernels are compared. Only memory that no parameter points into stays unseen, such as that of an
address passed as a number or kept in a tensor.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from .borrowed import package_of

_READS = frozenset({"load", "gather"})
_WRITES = frozenset({"store", "scatter"})
_BOTH = "atomic_"
# Methods of descriptors; the functions of these names work on numbers.
_METHODS_ONLY = frozenset({"gather", "scatter"})
# Functions of an address whose value is an address.
_ADDRESSES = frozenset(
    {"advance", "make_block_ptr", "make_tensor_descriptor", "_experimental_make_tensor_descriptor", "multiple_of"}
    | {"max_contiguous", "max_constancy", "broadcast_to", "expand_dims", "reshape", "to", "where", "cast", "view"}
)
# Functions that touch no memory, and that make no address of a number.
_HARMLESS = frozenset({"range", "static_range", "arange", "cdiv", "device_assert", "static_assert", "device_print"})
_HARMLESS |= frozenset(
    {"program_id", "num_programs", "full", "zeros", "min", "max", "minimum", "maximum", "static_print"}
)


_NO_ADDRESS = frozenset({"dtype", "element_ty", "shape", "type", "numel"})
# What is made in the kernel itself, so that its methods are those of Triton's tensors and descriptors.
_OWN = object()


@dataclass(frozen=True)
class Accesses:
    """Names of parameters. What is ``handed_on``, to a function of which nothing is known, may be read and written."""

    read: frozenset[str]
    written: frozenset[str]
    handed_on: frozenset[str]


def find_accesses(
    function: ast.FunctionDef,
    candidates: Collection[str],
    scope: Mapping[str, Any],
    pointers: Collection[str] = (),
) -> Accesses:
    """What the kernel does with its parameters ``candidates``, of which the ``pointers`` are known to be that.

    ``scope`` is what the names stand for that it takes from around it. Which of the other candidates are pointers is
    guessed: that an address begins with.
    """
    finder = _Finder(scope, frozenset(_own_names(function)), frozenset(pointers), frozenset(candidates))
    finder.follow(function)
    finder.collect(function)
    return Accesses(frozenset(finder.read), frozenset(finder.written), frozenset(finder.handed_on))


@dataclass
class _Finder:
    """``bases`` are the parameters with which the address in a variable may begin."""

    scope: Mapping[str, Any]
    own: frozenset[str]
    pointers: frozenset[str]
    candidates: frozenset[str]
    bases: dict[str, set[str]] = field(default_factory=dict)
    read: set[str] = field(default_factory=set)
    written: set[str] = field(default_factory=set)
    handed_on: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.bases = {name: {name} for name in self.candidates}

    def follow(self, function: ast.FunctionDef) -> None:
        """Through assignments, until nothing new comes of it; the order of statements is left aside."""
        assignments = [pair for node in ast.walk(function) for pair in _assignments(node)]
        grows = True
        while grows:
            grows = False
            for name, value in assignments:
                known = self.bases.setdefault(name, set())
                found = self._base(value)
                grows = grows or not found <= known
                known |= found

    def collect(self, function: ast.FunctionDef) -> None:
        for node in ast.walk(function):
            if isinstance(node, ast.Call):
                self._collect_call(node)

    def _collect_call(self, call: ast.Call) -> None:
        name = self._name(call)
        if name in _ADDRESSES | _HARMLESS:
            return
        if not _is_access(name) or (name in _METHODS_ONLY and not self._is_method(call)):
            self.handed_on |= self._any_base(self._passed(call))
            return
        pointer = self._pointer(call)
        address = self._base(pointer) if pointer is not None else set()
        self.handed_on |= self._any_base(each for each in self._passed(call) if each is not pointer)
        if not address and name not in _METHODS_ONLY:
            self.handed_on |= self.candidates
        if name not in _WRITES:
            self.read |= address
        if name not in _READS:
            self.written |= address

    def _base(self, node: ast.expr) -> set[str]:
        match node:
            case ast.Name(id=name):
                return self.bases.get(name, set())
            case ast.BinOp(left=left, op=operator, right=right):
                either = self._base(left), self._base(right)
                guessed = either[0] or either[1] if isinstance(operator, ast.Add | ast.Sub) else set()
                return guessed | (set().union(*either) & self.pointers)
            case ast.Call():
                return self._base_of_call(node)
            case ast.IfExp(body=body, orelse=other):
                return self._base(body) | self._base(other)
            case ast.Compare():
                return set()
            case ast.Attribute(attr=attribute) if attribute in _NO_ADDRESS:
                return set()
            case ast.Subscript(value=value) | ast.Attribute(value=value) | ast.Starred(value=value):
                return self._base(value)
            case ast.Tuple(elts=items) | ast.List(elts=items):
                return self._any_base(items)
        return self._any_base(_parts(node)) & self.pointers

    def _base_of_call(self, call: ast.Call) -> set[str]:
        name = self._name(call)
        if _is_access(name):
            return set()
        every = self._any_base(self._passed(call))
        if not name and isinstance(call.func, ast.Name):
            return every  # a helper may hand an address back
        guessed = self._begin(name, call) if name in _ADDRESSES else set()
        return guessed | (every & self.pointers)

    def _begin(self, name: str, call: ast.Call) -> set[str]:
        """Where the address that Triton's function ``name`` makes of one begins."""
        if self._is_method(call):
            return self._base(self._passed(call)[0])
        if name == "where":
            return self._any_base(self._passed(call))  # its condition is no address: that it counts costs nothing
        named = [each.value for each in call.keywords if each.arg in ("base", "input")]
        return self._any_base([*call.args[:1], *named])

    def _any_base(self, nodes: Iterable[ast.expr]) -> set[str]:
        return set().union(*(self._base(each) for each in nodes))

    # -------------------------------------------------------------------------------- what is called

    def _name(self, call: ast.Call) -> str:
        """What Triton, or Python, calls it; '' for any other function, and where its arguments are not written out."""
        if any(isinstance(each, ast.Starred) for each in call.args) or any(not each.arg for each in call.keywords):
            return ""
        match call.func:
            case ast.Attribute(value=value, attr=name):
                # Triton's interpreter may have put functions of its own there.
                owner = self._meant(value)
                return name if owner is _OWN or _is_triton_module(owner) else ""
            case ast.Name():
                meant = self._meant(call.func)
                is_known = meant is not _OWN and package_of(meant) in ("triton", "builtins")
                return str(getattr(meant, "__name__", "")) if is_known else ""
        return ""

    def _meant(self, node: ast.expr) -> Any:
        """What an expression stands for outside the kernel, None where nobody knows."""
        match node:
            case ast.Name(id=name) if name not in self.own:
                return self.scope.get(name, getattr(builtins, name, None))
            case ast.Attribute(value=value, attr=name):
                owner = self._meant(value)
                return _OWN if owner is _OWN else getattr(owner, name, None)
        return _OWN

    def _is_method(self, call: ast.Call) -> bool:
        return isinstance(call.func, ast.Attribute) and self._meant(call.func.value) is _OWN

    def _passed(self, call: ast.Call) -> list[ast.expr]:
        """All that a function gets, a method's own object first."""
        own = [call.func.value] if isinstance(call.func, ast.Attribute) and self._is_method(call) else []
        return [*own, *call.args, *(each.value for each in call.keywords)]

    def _pointer(self, call: ast.Call) -> ast.expr | None:
        named = (each.value for each in call.keywords if each.arg == "pointer" and not self._is_method(call))
        return next(named, next(iter(self._passed(call)), None))


def _is_access(name: str) -> bool:
    return name in _READS | _WRITES or name.startswith(_BOTH)


def _is_triton_module(value: object) -> bool:
    return isinstance(value, type(ast)) and package_of(value) == "triton"


def _own_names(function: ast.FunctionDef) -> Iterator[str]:
    for node in ast.walk(function):
        if isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            yield node.id


def _assignments(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    match node:
        case ast.AugAssign(target=ast.Name(id=name), op=operator, value=value):
            yield name, ast.BinOp(ast.Name(name, ast.Load()), operator, value)
        case ast.Assign(targets=targets, value=value):
            for target in targets:
                yield from _each(target, value)
        case (
            ast.AugAssign(target=target, value=value)
            | ast.AnnAssign(target=target, value=ast.expr() as value)
            | ast.NamedExpr(target=target, value=value)
            | ast.For(target=target, iter=value)
            | ast.comprehension(target=target, iter=value)
            | ast.withitem(optional_vars=ast.expr() as target, context_expr=value)
        ):
            yield from _each(target, value)


def _each(target: ast.expr, value: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    return ((node.id, value) for node in ast.walk(target) if isinstance(node, ast.Name))


def _parts(node: ast.AST) -> Iterator[ast.expr]:
    return (each for each in ast.iter_child_nodes(node) if isinstance(each, ast.expr))
