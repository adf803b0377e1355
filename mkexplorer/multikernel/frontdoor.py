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
import keyword
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
from .keying import KeyFunction, Keying
from .merging import check_names, merged_signature, with_own_defaults
from .modules import default_cache, path_of
from .parts import EACH_ITS_OWN, Grid, Part, as_part, check_grid, is_constexpr, labels
from .recording import FirstCall, identity, record
from .shapes import Bucket, KnownBuckets, nearest, power_of_two
from .trial import Call, device_of_call

log = logging.getLogger("mkexplorer.multikernel")


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
    up to the next power of two, and ``prune_configs_by`` leaves them the same configurations; for one within a factor
    of two of a known one, that one's choice is used at once, and confirmed later while the GPU is idle, or with
    `MultiKernelFunction.confirm`. Other processes find the choice, whichever size of a bucket comes first there.
    Functions among constants, heuristics and grids count by their code and by what that uses; one of which this cannot
    be told, such as a method, by what it says to the first size.

    ``mutated`` names arguments that are read and overwritten: they are copied to measure. What a kernel's source
    tells need not be declared. Memory that is reached by an address in a number, or in a tensor, cannot be copied: a
    kernel that adds to such memory adds several times at the first call. ``cache`` is the folder for the choice and for
    the generated module that ``mkexplorer`` opens, by default the one that it opens by itself.
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
    """What there is for one bucket. ``arguments`` are the parameters that its multi-kernel takes, in its order.

    ``bucket`` is without what pruners leave, which makes no difference to how near another one is.
    ``module`` is where ``write`` puts what is generated for it, None for both where that cannot be written.
    """

    call: MultiKernelCall
    bucket: Bucket
    arguments: tuple[str, ...]
    known: KnownBuckets | None
    module: Path | None
    write: Callable[[], object] | None
    keys: list[Any] = field(default_factory=list)
    calls_left: int = CALLS_BEFORE


@dataclass(frozen=True)
class _Met:
    """A call that has to be looked at: its arguments by name, its grid, its sizes and its exact key."""

    named: Mapping[str, Any]
    grid: Grid | None
    sizes: tuple[Any, ...]
    key: tuple[Any, ...]


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
        self._labels = labels(parts)
        self._options = options
        self._operation = operation
        self._needs_grid = any(part.grid is None for part in parts)
        self._lock = threading.RLock()
        self._entries: dict[Bucket, _Entry] = {}
        self._by_key: dict[Any, _Entry] = {}
        self._known: dict[Any, Launch] = {}
        self._keying: Keying | None = None
        self._constexprs = tuple(name for name in self.__signature__.parameters if self._is_constexpr(name))
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
        """The chosen sub-kernel by bucket, None where there is none yet.

        A bucket is the sizes of the key, then the constexprs that calls pass, as in 'BLOCK=64', and with a key the
        dtypes of the tensors and, where ``prune_configs_by`` leaves a sub-kernel not all configurations, the places of
        those in its list, as in 'softmax_looped: #0 #2'; () where all calls share one choice. Sub-kernels of one name
        are told apart by the constants in which they differ.
        """
        with self._lock:
            picked = {bucket: entry.call.picked for bucket, entry in self._entries.items()}
        return {bucket: None if index is None else self._labels[index] for bucket, index in picked.items()}

    def modules(self) -> dict[Bucket, Path]:
        """The generated module of each bucket, for `freeze`.

        It is for the arguments of the first call. Where a kept pick made it needless it is written now; raises
        `MultiKernelError` where none can be.
        """
        with self._lock:
            entries = dict(self._entries)
        found, refusal = {}, None
        for bucket, entry in entries.items():
            if entry.module is None or entry.write is None:
                continue
            try:
                entry.write()
            except MultiKernelError as error:
                refusal = error
            else:
                found[bucket] = entry.module
        if refusal is not None and not found:
            raise refusal
        return found

    def call_of(self, bucket: Bucket) -> MultiKernelCall:
        """What the calls of one of the buckets in `picks` go to. Raises `KeyError` for any other."""
        with self._lock:
            return self._entries[bucket].call

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
        names = ", ".join(self._labels)
        picks = "; ".join(f"{', '.join(map(str, bucket)) or 'picked'}: {name}" for bucket, name in self.picks.items())
        return f"<multi_kernel {self.__name__}{self.__signature__} of {names}{f' ({picks})' if picks else ''}>"

    # -------------------------------------------------------------------------------- calls that nobody knows yet

    def _meet(self, grid: Grid | None, values: tuple[Any, ...]) -> Any:
        """A call with a key that is new, or whose choice was not there yet."""
        if grid is not None:
            check_grid(grid, self.__name__)
        named = dict(zip(self.__signature__.parameters, values, strict=True))
        with self._lock:
            if self._keying is None:
                self._keying = self._new_keying(named)
        sizes = self._keying.sizes(named)
        met = _Met(named, grid, sizes, self._keying.exact(sizes, named))
        with self._lock:
            entry = self._entry(met, self._keying)
        result = entry.call.run(*(named[name] for name in entry.arguments), grid=grid)
        with self._lock:
            if entry.call.is_settled:
                self._settle(entry, met, self._keying)
        return result

    def _entry(self, met: _Met, keying: Keying) -> _Entry:
        """Pruners are asked once for each exact key: one that answers otherwise later on changes nothing."""
        if met.key not in self._by_key:
            bucket = keying.bucket_of(met.sizes, met.named)
            shared = (*bucket, *self._pruned(met.named))
            if shared not in self._entries:
                self._entries[shared] = self._new_entry(met, bucket, keying)
            self._by_key[met.key] = self._entries[shared]
        return self._by_key[met.key]

    def _pruned(self, named: Mapping[str, Any]) -> tuple[str, ...]:
        """What each pruner leaves, as Triton asks it for each size: a kernel may be wrong with any other configuration.

        Without a key Triton asks it once, and so do we.
        """
        if not self._options.key:
            return ()
        left = [(label, part.pruned_for(named)) for label, part in zip(self._labels, self._parts, strict=True)]
        return tuple(f"{label}: {configs}" for label, configs in left if configs)

    def _new_keying(self, named: Mapping[str, Any]) -> Keying:
        """With a key the dtypes count too: of tensors, and of what may be one in another call."""
        options = self._options
        may_be = [name for name, value in named.items() if is_tensor(value) or value is None] if options.key else []
        typed = tuple(name for name in may_be if name not in self._constexprs)
        own = [name for name, each in self.__signature__.parameters.items() if each.default is EACH_ITS_OWN]
        key = _with_what_all_share(options.key) if callable(options.key) and own else options.key
        return Keying(key, options.bucket, self._constexprs, typed)

    def _new_entry(self, met: _Met, bucket: Bucket, keying: Keying) -> _Entry:
        folder = self._options.cache or default_cache()
        device = device_of_call(self._parts, list(met.named.values()))
        sizes = keying.text(met.sizes)
        first = FirstCall(self.__name__, met.named, met.grid, sizes, device, self._options.mutated)
        found = record(self._parts, first, folder)
        cache = folder if found.write is not None else None
        call = MultiKernelCall(
            "multi_kernel_0",
            found.kernels,
            found.source,
            cache,
            wrapper=found.wrapper,
            label=self.__name__,
            sizes=sizes,
        )
        keeps = cache is not None and not is_cache_disabled()
        known = self._known_buckets(folder, first) if keeps and bucket else None
        if call.picked is None:
            self._begin(call, bucket, known)
            if keeps and found.write is not None:
                _try(found.write)
        module = path_of(found.wrapper, folder) if found.write is not None else None
        return _Entry(call, bucket, found.arguments, known, module, found.write)

    def _known_buckets(self, folder: Path, first: FirstCall) -> KnownBuckets:
        key = (self._options.key, self._options.bucket)
        return KnownBuckets(folder, identity(self._parts, first, key), len(self._parts))

    def _begin(self, call: MultiKernelCall, bucket: Bucket, known: KnownBuckets | None) -> None:
        """Starts a new bucket from what is known of its neighbours: here, else in the cache."""
        sure = {
            entry.bucket: entry.call
            for entry in self._entries.values()
            if entry.call.picked is not None and not entry.call.is_provisional and not entry.call.is_forced
        }
        near = nearest(bucket, sure)
        index = sure[near].picked if near is not None else known.pick_near(bucket) if known is not None else None
        if index is None or call.kernels[index].meta.problem:
            return
        call.suggest(index)
        if not call.is_provisional:
            return
        log.debug("%s: starts %s from sub-kernel %d, picked nearby", self.__name__, bucket, index)
        if near is not None:
            call.kernels[index].suggest(sure[near].kernels[index])

    def _settle(self, entry: _Entry, met: _Met, keying: Keying) -> None:
        """Lets further calls with this key go straight to the choice."""
        if entry.known is not None and not entry.call.is_provisional:
            entry.known.add(entry.bucket, entry.call.key)
        run = partial(self._provisional, entry) if entry.call.is_provisional else entry.call.run
        if not keying.tells_apart:
            self._launch = adaptor(self._function_name, self.__signature__, run, entry.arguments)
            return
        self._known[met.key] = run
        if met.key not in entry.keys:
            entry.keys.append(met.key)
        if len(self._known) == 1:  # whatever is constant in a bucket, all of them take the same arguments
            scope = {"_mk_key": keying.key, "_mk_known": self._known.get, "_mk_meet": self._meet}
            keys = keying.expressions(tuple(self.__signature__.parameters))
            self._launch = dispatcher(self._function_name, self.__signature__, entry.arguments, keys, scope)

    def _provisional(self, entry: _Entry, *arguments: Any, grid: Grid | None) -> Any:
        """A call with a choice that was taken over: after some of them it is worth being confirmed."""
        entry.calls_left -= 1
        if entry.calls_left == 0:
            confirmer = self._options.confirmer or idle_confirmer()
            confirmer.add(entry.call, Call(arguments, grid), partial(self._confirmed, entry))
        return entry.call.run(*arguments, grid=grid)

    def _confirmed(self, entry: _Entry) -> None:
        with self._lock:
            for key in entry.keys:
                self._known[key] = entry.call.run
            if entry.known is not None:
                entry.known.add(entry.bucket, entry.call.key)

    def _is_constexpr(self, name: str) -> bool:
        return any(name in part.parameters and is_constexpr(part.parameters[name]) for part in self._parts)

    @property
    def _function_name(self) -> str:
        """For Python's own messages about a call's arguments."""
        name = self.__name__
        return name if name.isidentifier() and not keyword.iskeyword(name) else "multi_kernel"


def _with_what_all_share(key: KeyFunction) -> KeyFunction:
    """The key function where a call may leave out constexprs of which each sub-kernel has its own: without those."""

    def sizes(named: Mapping[str, Any]) -> Sequence[Any]:
        shared = {name: value for name, value in named.items() if value is not EACH_ITS_OWN}
        try:
            return key(shared)
        except KeyError as error:
            name = error.args[0] if error.args else None
            if name not in named or name in shared:
                raise
            raise DefinitionError(
                f"the key function asks for {name}, of which each sub-kernel has a default of its own",
                f"Pass {name} with the call, or let the key do without: arguments.get({name!r}).",
            ) from error

    return sizes


def _try(write: Callable[[], object]) -> None:
    """The module is for the explorer; a program runs without it."""
    try:
        write()
    except MultiKernelError as error:
        log.warning("%s", error)
