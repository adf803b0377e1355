"""Which calls share a choice: those with sizes of the same bucket, the same constexprs and the same dtypes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .clones import is_tensor
from .errors import DefinitionError
from .shapes import Bucket

KeyFunction = Callable[[Mapping[str, Any]], Sequence[Any]]


@dataclass(frozen=True)
class Keying:
    """``key`` names arguments, or computes sizes from all of them by name. ``bucket`` makes the same of sizes that
    share a choice. ``constexprs`` and dtypes of the arguments that are ``typed`` have to be the same besides.
    """

    key: tuple[str, ...] | KeyFunction
    bucket: Callable[[Any], Any]
    constexprs: tuple[str, ...]
    typed: tuple[str, ...]

    @property
    def tells_apart(self) -> bool:
        """Whether not all calls share one choice."""
        return bool(self.key or self.constexprs)

    def sizes(self, named: Mapping[str, Any]) -> tuple[Any, ...]:
        """What the key says of a call. Raises `DefinitionError` where it is not made of sizes."""
        if callable(self.key):
            sizes = _listed(self.key(named))
            told = [("what the key function gives", "x")] * len(sizes)
        else:
            sizes, told = tuple(named[name] for name in self.key), [(f"{name} of the key", name) for name in self.key]
        for (what, tensor), size in zip(told, sizes, strict=True):
            if is_tensor(size):
                raise DefinitionError(
                    f"{what} is a tensor, and not a size",
                    f"Say what counts of it: key=lambda arguments: arguments[{tensor!r}].shape.",
                )
            _check_hashable(what, size)
        for name in self.constexprs:
            _check_hashable(name, named[name])
        return sizes

    def bucket_of(self, sizes: Sequence[Any], named: Mapping[str, Any]) -> Bucket:
        """The sizes, each in its bucket, then what has to be the same: constexprs and dtypes. () without a key."""
        constexprs = [f"{name}={_told(named[name])}" for name in self.constexprs]
        dtypes = [str(getattr(named[name], "dtype", None)).removeprefix("torch.") for name in self.typed]
        return (*(_plain(self.bucket(size)) for size in sizes), *constexprs, *dtypes)

    def exact(self, sizes: Sequence[Any], named: Mapping[str, Any]) -> tuple[Any, ...]:
        """What `expressions` give for a call."""
        constexprs = [named[name] for name in self.constexprs]
        return (*sizes, *constexprs, *(getattr(named[name], "dtype", None) for name in self.typed))

    def text(self, sizes: Sequence[Any]) -> str:
        """The sizes of a call's bucket, for people and for the key of its pick."""
        names = [""] * len(sizes) if callable(self.key) else [f"{name} " for name in self.key]
        return ", ".join(f"{name}{self.bucket(size)}" for name, size in zip(names, sizes, strict=True))

    def expressions(self, parameters: Sequence[str]) -> tuple[list[str], list[str]]:
        """The parts of `exact` as expressions over the ``parameters`` and ``_mk_key``, the key's function.

        In two ways: a quick one, and one that also holds for arguments without the attributes that it reads.
        """
        if callable(self.key):
            every = ", ".join(f"{name!r}: {name}" for name in parameters)
            sizes = [f"*_mk_key({{{every}}})"]
        else:
            sizes = list(self.key)
        sizes += self.constexprs
        usual = (f"{name}.dtype if {name} is not None else None" for name in self.typed)
        return [*sizes, *usual], [*sizes, *(f"getattr({name}, 'dtype', None)" for name in self.typed)]


def _listed(result: Any) -> tuple[Any, ...]:
    try:
        if not is_tensor(result) and not isinstance(result, str | Mapping):
            return tuple(result)
    except TypeError:
        pass
    raise DefinitionError(
        f"the key function gives one {type(result).__name__}, and no list of sizes",
        "Let it return a tuple: key=lambda arguments: (arguments['n'],).",
    )


def _check_hashable(name: str, value: object) -> None:
    try:
        hash(value)
    except TypeError:
        raise DefinitionError(
            f"{name} is a {type(value).__name__}, which cannot be looked up", "Let it be a number, a text or a tuple."
        ) from None


def _told(constexpr: Any) -> str:
    """Another text for another value: several functions may have one name."""
    value = constexpr.value if type(constexpr).__name__ == "constexpr" else constexpr
    if isinstance(value, str):
        return repr(value)
    return f"{getattr(value, '__name__', type(value).__name__)} at {id(value):#x}" if callable(value) else str(value)


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, str | int | float) else str(value)
