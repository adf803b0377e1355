"""Which of a kernel's parameters are pointers that it reads, and which it writes, told from its source alone.

An address begins with its pointer (``x_ptr + row * stride``) and may pass through variables. Whatever is handed to a
function that is not known here counts as read and written, which costs a copy when kernels are compared, and is never
wrong.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

_READS = frozenset({"load", "gather"})
_WRITES = frozenset({"store", "scatter"})
_BOTH = "atomic_"
# Functions of an address whose value is an address.
_ADDRESSES = frozenset(
    {"advance", "make_block_ptr", "make_tensor_descriptor", "_experimental_make_tensor_descriptor", "multiple_of"}
    | {"max_contiguous", "max_constancy", "broadcast_to", "expand_dims", "reshape", "to", "where", "cast", "view"}
)
# Functions of numbers, out of which no address comes.
_HARMLESS = frozenset({"range", "static_range", "arange", "cdiv", "device_assert", "static_assert", "device_print"})
_HARMLESS |= frozenset(
    {"program_id", "num_programs", "full", "zeros", "min", "max", "minimum", "maximum", "static_print"}
)


_NO_ADDRESS = frozenset({"dtype", "element_ty", "shape", "type", "numel"})


@dataclass(frozen=True)
class Accesses:
    """Names of parameters. What is ``handed_on``, to a function of which nothing is known, may be read and written."""

    read: frozenset[str]
    written: frozenset[str]
    handed_on: frozenset[str]


def find_accesses(function: ast.FunctionDef, candidates: Collection[str]) -> Accesses:
    """What the kernel does with those of its parameters that may be pointers."""
    finder = _Finder({name: {name} for name in candidates})
    finder.follow(function)
    finder.collect(function)
    return Accesses(frozenset(finder.read), frozenset(finder.written), frozenset(finder.handed_on))


@dataclass
class _Finder:
    """``bases`` are the parameters with which the address in a variable may begin."""

    bases: dict[str, set[str]]
    read: set[str] = field(default_factory=set)
    written: set[str] = field(default_factory=set)
    handed_on: set[str] = field(default_factory=set)

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
        name = _name(call)
        passed = [*call.args, *(keyword.value for keyword in call.keywords)]
        own = self._base(call.func.value) if isinstance(call.func, ast.Attribute) else set()
        address = own or (self._base(passed[0]) if passed else set())
        if name in _READS:
            self.read |= address
        elif name in _WRITES:
            self.written |= address
        elif name.startswith(_BOTH):
            self.read |= address
            self.written |= address
        elif name not in _ADDRESSES | _HARMLESS:
            for value in passed:
                self.handed_on |= self._base(value)

    def _base(self, node: ast.expr) -> set[str]:
        match node:
            case ast.Name(id=name):
                return self.bases.get(name, set())
            case ast.BinOp(left=left, op=ast.Add() | ast.Sub(), right=right):
                return self._base(left) or self._base(right)
            case ast.Call(func=ast.Attribute(value=value)) if _name(node) in _ADDRESSES and self._base(value):
                return self._base(value)
            case ast.Call(args=args, keywords=keywords) if _name(node) in _ADDRESSES:
                # The condition of `where` is no address; that it counts as one costs nothing.
                values = [*args, *(each.value for each in keywords)] if _name(node) == "where" else args[:1]
                based = [each.value for each in keywords if each.arg in ("base", "input")]
                return set().union(*(self._base(each) for each in (*values, *based)))
            case ast.Call(func=ast.Name(), args=args) if _name(node) not in _READS | _HARMLESS:
                # A helper may hand an address back.
                return set().union(*(self._base(each) for each in args))
            case ast.IfExp(body=body, orelse=other):
                return self._base(body) | self._base(other)
            case ast.Attribute(attr=attribute) if attribute in _NO_ADDRESS:
                return set()
            case ast.Subscript(value=value) | ast.Attribute(value=value) | ast.Starred(value=value):
                return self._base(value)
            case ast.Tuple(elts=items) | ast.List(elts=items):
                return set().union(*(self._base(each) for each in items))
        return set()


def _assignments(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    match node:
        case ast.Assign(targets=targets, value=value):
            for target in targets:
                for name in _names(target):
                    yield name, value
        case ast.AugAssign(target=ast.Name(id=name) as target, op=operator, value=value):
            yield name, ast.BinOp(target, operator, value)
        case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
            yield name, value
        case ast.NamedExpr(target=ast.Name(id=name), value=value):
            yield name, value
        case ast.For(target=target, iter=value):
            for name in _names(target):
                yield name, value


def _names(target: ast.expr) -> Iterator[str]:
    return (node.id for node in ast.walk(target) if isinstance(node, ast.Name))


def _name(call: ast.Call) -> str:
    match call.func:
        case ast.Attribute(attr=name) | ast.Name(id=name):
            return name
    return ""
