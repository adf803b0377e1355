"""`multi_kernel`, beside `triton.autotune`: that chooses among configurations of a kernel, this among kernels.

    softmax = multi_kernel(softmax_looped, softmax_persistent, key=["columns"])
    softmax[grid](x, out, rows, columns)

or, with a signature, a grid and a text of its own, as a decorator:

    @multi_kernel(softmax_looped, softmax_persistent, key=["columns"])
    def softmax(x, out, rows, columns):
        "Each row of x, normalised."
        return (rows,)

    softmax(x, out, rows, columns)
"""

from __future__ import annotations

import inspect
import logging
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, overload

from .binding import Launch, adaptor, caller, dispatcher
from .call import MultiKernelCall
from .clones import is_tensor
from .confirming import CALLS_BEFORE, Confirmer, idle_confirmer
from .environment import is_cache_disabled
from .errors import DefinitionError, MultiKernelError
from .merging import check_names, merged_signature, with_own_defaults
from .modules import default_cache
from .parts import Grid, Part, as_part, is_constexpr
from .recording import FirstCall, identity, record
from .shapes import Bucket, KnownBuckets, nearest, power_of_two
from .trial import Call, device_of_call

log = logging.getLogger("mkexplorer.multikernel")

KeyFunction = Callable[[Mapping[str, Any]], Sequence[Any]]


@dataclass(frozen=True)
class Options:
    """What a user says of a multi-kernel beside its sub-kernels; see `multi_kernel`."""

    key: tuple[str, ...] | KeyFunction = ()
    mutated: tuple[str, ...] = ()
    bucket: Callable[[Any], Any] = power_of_two
    name: str | None = None
    cache: Path | None = None
    confirmer: Confirmer | None = None


def multi_kernel(
    *sub_kernels: Any,
    key: Sequence[str] | KeyFunction | None = None,
    mutated: Collection[str] = (),
    bucket: Callable[[Any], Any] = power_of_two,
    name: str | None = None,
    cache: str | Path | None = None,
    confirmer: Confirmer | None = None,
) -> MultiKernelFunction:
    """One operation, done by whichever of its ``sub_kernels`` is the fastest: measured at the first call, remembered.

    ``sub_kernels`` are functions with ``@triton.jit``, ``@triton.heuristics`` or ``@triton.autotune`` above them, or
    what `sub_kernel` makes of these. They do the same with the same arguments: the one with the most parameters has
    all that any other one has; constexprs may differ, and where a call leaves one out, each sub-kernel uses its own
    default. Configurations are tuned inside.

    ``key`` names arguments for whose sizes (and for all dtypes) there is a choice of its own, or computes such sizes
    from all arguments by name; without it there is one choice for all calls, unless sub-kernels have
    ``@triton.autotune``, whose keys then count. Sizes share a choice if ``bucket`` makes the same of them, by default
    up to the next power of two; for one within a factor of two of a known one, that one's choice is used at once, and
    confirmed later while the GPU is idle, or with `MultiKernelFunction.confirm`.

    ``mutated`` names arguments that are read and overwritten: they are copied to measure. What a kernel's source
    tells need not be declared. ``cache`` is the folder for the choice and for the generated module that
    ``mkexplorer`` opens, by default the one that it opens by itself.
    """
    for what, names in (("key", key), ("mutated", mutated)):
        if isinstance(names, str):
            raise DefinitionError(f"{what} is the text {names!r}, and no list of names", f"Give {what}=[{names!r}].")
    parts = tuple(as_part(each) for each in sub_kernels)
    if key is None:
        key = tuple(dict.fromkeys(name for part in parts for name in part.keys))
    elif not callable(key):
        key = tuple(key)
    folder = Path(cache).absolute() if cache is not None else None
    return MultiKernelFunction(parts, Options(key, tuple(mutated), bucket, name, folder, confirmer))


@dataclass
class _Entry:
    """What there is for one bucket. ``arguments`` are the parameters that its multi-kernel takes, in its order."""

    call: MultiKernelCall
    arguments: tuple[str, ...]
    known: KnownBuckets | None
    keys: list[Any] = field(default_factory=list)
    calls_left: int = CALLS_BEFORE


class MultiKernelFunction:
    """What `multi_kernel` makes: launched as a kernel of Triton, ``softmax[grid](…)``, or directly.

    Called directly it launches with the grid that the decorated function returns, or with the sub-kernels' own.
    """

    def __init__(self, parts: tuple[Part, ...], options: Options, operation: Callable[..., Any] | None = None) -> None:
        self.__signature__ = merged_signature(parts, operation)
        self.__name__ = options.name or getattr(operation, "__name__", "") or "_or_".join(part.name for part in parts)
        self.__doc__ = inspect.getdoc(operation) if operation else None
        check_names(options.mutated, self.__signature__, "mutated")
        check_names(() if callable(options.key) else options.key, self.__signature__, "key")
        self._given = parts
        self._parts = tuple(with_own_defaults(part, self.__signature__) for part in parts)
        self._options = options
        self._operation = operation
        self._needs_grid = any(part.grid is None for part in parts)
        self._lock = threading.RLock()
        self._entries: dict[Bucket, _Entry] = {}
        self._known: dict[Any, Launch] = {}
        self._typed: tuple[str, ...] = ()
        self._was_called = False
        self._constexprs = [name for name in self.__signature__.parameters if self._is_constexpr(name)]
        self._launch = caller(self._function_name, self.__signature__, self._meet)

    def __getitem__(self, grid: Grid) -> Launch:
        return partial(self._launch, grid)

    @overload
    def __call__(self, operation: Callable[..., Any], /) -> MultiKernelFunction: ...

    @overload
    def __call__(self, *arguments: Any, **named: Any) -> Any: ...

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """Launches without brackets. As a decorator, given a function: takes its signature, grid, name and text."""
        if self._operation is None and not named and len(arguments) == 1 and inspect.isfunction(arguments[0]):
            return MultiKernelFunction(self._given, self._options, arguments[0])
        grid = self._operation(*arguments, **named) if self._operation is not None else None
        if grid is None and self._needs_grid:
            raise MultiKernelError(
                f"{self.__name__} was called without a grid, and not all of its sub-kernels have one",
                f"Launch it as {self.__name__}[grid](…), or give each one its own: sub_kernel(…, grid=…).",
            )
        return self._launch(grid, *arguments, **named)

    @property
    def picks(self) -> dict[Bucket, str | None]:
        """The name of the chosen sub-kernel by bucket, None where there is none yet; one bucket, (), without a key."""
        with self._lock:
            entries = dict(self._entries)
        return {bucket: _picked_name(entry.call, self._parts) for bucket, entry in entries.items()}

    def confirm(self) -> None:
        """Lets the next call of each bucket measure whose choice was only taken over from another one."""
        with self._lock:
            for entry in self._entries.values():
                if entry.call.is_provisional:
                    entry.call.reconsider()
                    for key in entry.keys:
                        self._known.pop(key, None)
                    entry.keys.clear()

    def warmup(self, *arguments: Any, grid: Grid | None = None, **named: Any) -> list[Any]:
        """Compiles all sub-kernels without launching any; a ``torch.dtype`` may stand for a tensor, as with Triton.

        Returns what Triton compiled, sub-kernel by sub-kernel.
        """
        bound = self.__signature__.bind(*arguments, **named)
        bound.apply_defaults()
        return [each for part in self._parts for each in part.warm_up(bound.arguments, grid)]

    def __repr__(self) -> str:
        names = ", ".join(part.name for part in self._parts)
        picks = "; ".join(f"{', '.join(map(str, bucket)) or 'picked'}: {name}" for bucket, name in self.picks.items())
        return f"<multi_kernel {self.__name__}{self.__signature__} of {names}{f' ({picks})' if picks else ''}>"

    # -------------------------------------------------------------------------------- calls that nobody knows yet

    def _meet(self, grid: Grid | None, values: tuple[Any, ...]) -> Any:
        """A call with a key that is new, or whose choice was not there yet."""
        named = dict(zip(self.__signature__.parameters, values, strict=True))
        with self._lock:
            if not self._was_called:
                self._typed, self._was_called = self._typed_in(named), True
        bucket = self._bucket(named)
        entry = self._entry(bucket, named, grid)
        result = entry.call.run(*(named[name] for name in entry.arguments), grid=grid)
        with self._lock:
            if entry.call.is_settled:
                self._settle(entry, bucket, named)
        return result

    def _entry(self, bucket: Bucket, named: Mapping[str, Any], grid: Grid | None) -> _Entry:
        with self._lock:
            if bucket not in self._entries:
                self._entries[bucket] = self._new_entry(bucket, named, grid)
            return self._entries[bucket]

    def _new_entry(self, bucket: Bucket, named: Mapping[str, Any], grid: Grid | None) -> _Entry:
        folder = self._options.cache or default_cache()
        device = device_of_call(self._parts, list(named.values()))
        first = FirstCall(self.__name__, named, grid, self._sizes(named), device, self._options.mutated)
        found = record(self._parts, first, folder)
        cache = folder if found.write is not None else None
        call = MultiKernelCall(
            "multi_kernel_0",
            found.kernels,
            found.source,
            cache,
            wrapper=found.wrapper,
            label=self.__name__,
            sizes=first.sizes,
        )
        keeps = cache is not None and not is_cache_disabled()
        known = self._known_buckets(folder, first) if keeps and bucket else None
        if call.picked is None:
            self._begin(call, bucket, known)
            if keeps and found.write is not None:
                _try(found.write)
        return _Entry(call, found.arguments, known)

    def _known_buckets(self, folder: Path, first: FirstCall) -> KnownBuckets:
        key = (self._options.key, self._options.bucket)
        return KnownBuckets(folder, identity(self._parts, first, key), len(self._parts))

    def _begin(self, call: MultiKernelCall, bucket: Bucket, known: KnownBuckets | None) -> None:
        """Starts a new bucket from what is known of its neighbours: here, else in the cache."""
        sure = {
            each: entry.call
            for each, entry in self._entries.items()
            if entry.call.picked is not None and not entry.call.is_provisional and not entry.call.is_forced
        }
        near = nearest(bucket, sure)
        index = sure[near].picked if near is not None else known.pick_near(bucket) if known is not None else None
        if index is None or call.kernels[index].meta.problem:
            return
        log.debug("%s: starts %s from sub-kernel %d, picked nearby", self.__name__, bucket, index)
        call.suggest(index)
        if near is not None:
            call.kernels[index].suggest(sure[near].kernels[index])

    def _settle(self, entry: _Entry, bucket: Bucket, named: Mapping[str, Any]) -> None:
        """Lets further calls with this key go straight to the choice."""
        if entry.known is not None and not entry.call.is_provisional:
            entry.known.add(bucket, entry.call.key)
        run = partial(self._provisional, entry, bucket) if entry.call.is_provisional else entry.call.run
        if not self._options.key and not self._constexprs:
            self._launch = adaptor(self._function_name, self.__signature__, run, entry.arguments)
            return
        key = self._raw_key(named)
        self._known[key] = run
        if key not in entry.keys:
            entry.keys.append(key)
        if len(self._known) == 1:
            self._launch = self._dispatcher(entry.arguments)

    def _provisional(self, entry: _Entry, bucket: Bucket, *arguments: Any, grid: Grid | None) -> Any:
        """A call with a choice that was taken over: after some of them it is worth being confirmed."""
        entry.calls_left -= 1
        if entry.calls_left == 0:
            confirmer = self._options.confirmer or idle_confirmer()
            confirmer.add(entry.call, Call(arguments, grid), partial(self._confirmed, entry, bucket))
        return entry.call.run(*arguments, grid=grid)

    def _confirmed(self, entry: _Entry, bucket: Bucket) -> None:
        with self._lock:
            for key in entry.keys:
                self._known[key] = entry.call.run
            if entry.known is not None:
                entry.known.add(bucket, entry.call.key)

    # -------------------------------------------------------------------------------- keys

    def _bucket(self, named: Mapping[str, Any]) -> Bucket:
        """The sizes, each in its bucket, then what has to be the same: constexprs and dtypes. () without a key."""
        if not self._options.key and not self._constexprs:
            return ()
        sizes = [self._options.bucket(size) for size in self._key_values(named)]
        constexprs = [f"{name}={_told(named[name])}" for name in self._constexprs]
        dtypes = [str(getattr(named[name], "dtype", None)).removeprefix("torch.") for name in self._typed]
        return (*(_plain(each) for each in sizes), *constexprs, *dtypes)

    def _key_values(self, named: Mapping[str, Any]) -> Sequence[Any]:
        key = self._options.key
        return key(named) if callable(key) else [named[name] for name in key]

    def _exact(self, named: Mapping[str, Any]) -> list[Any]:
        constexprs = [named[name] for name in self._constexprs]
        return [*constexprs, *(getattr(named[name], "dtype", None) for name in self._typed)]

    def _typed_in(self, named: Mapping[str, Any]) -> tuple[str, ...]:
        """Whose dtype is part of the key: tensors, and what may be one in another call."""
        if not self._options.key:
            return ()
        may_be = (name for name, value in named.items() if is_tensor(value) or value is None)
        return tuple(name for name in may_be if name not in self._constexprs)

    def _raw_key(self, named: Mapping[str, Any]) -> tuple[Any, ...]:
        return (*self._key_values(named), *self._exact(named))

    def _dispatcher(self, arguments: Sequence[str]) -> Launch:
        """Whatever is constant in a bucket, all of them take the same ``arguments``."""
        key = self._options.key
        if callable(key):
            every = ", ".join(f"{name!r}: {name}" for name in self.__signature__.parameters)
            sizes = [f"*_mk_key({{{every}}})"]
        else:
            sizes = list(key)
        sizes += self._constexprs
        usual = [*sizes, *(f"{name}.dtype if {name} is not None else None" for name in self._typed)]
        any_types = [*sizes, *(f"getattr({name}, 'dtype', None)" for name in self._typed)]
        scope = {"_mk_key": key, "_mk_known": self._known.get, "_mk_meet": self._meet}
        return dispatcher(self._function_name, self.__signature__, arguments, (usual, any_types), scope)

    def _sizes(self, named: Mapping[str, Any]) -> str:
        """The sizes of a call's bucket, for people and for the key of its pick."""
        key = self._options.key
        names = [""] * len(self._key_values(named)) if callable(key) else [f"{name} " for name in key]
        sizes = (self._options.bucket(size) for size in self._key_values(named))
        return ", ".join(f"{name}{size}" for name, size in zip(names, sizes, strict=True))

    def _is_constexpr(self, name: str) -> bool:
        return any(name in part.parameters and is_constexpr(part.parameters[name]) for part in self._parts)

    @property
    def _function_name(self) -> str:
        """For Python's own messages about a call's arguments."""
        return self.__name__ if self.__name__.isidentifier() else "multi_kernel"


def _picked_name(call: MultiKernelCall, parts: Sequence[Part]) -> str | None:
    return None if call.picked is None else parts[call.picked].name


def _told(constexpr: Any) -> str:
    """Another text for another value: several functions may have one name."""
    value = constexpr.value if type(constexpr).__name__ == "constexpr" else constexpr
    if isinstance(value, str):
        return repr(value)
    return f"{getattr(value, '__name__', type(value).__name__)} at {id(value):#x}" if callable(value) else str(value)


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, str | int | float) else str(value)


def _try(write: Callable[[], object]) -> None:
    """The module is for the explorer; a program runs without it."""
    try:
        write()
    except MultiKernelError as error:
        log.warning("%s", error)
