"""Computes where an interpreter's torch keeps picks; what it once computed it does not compute again."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from functools import cached_property

from .interpreter import Identity, Interpreter, InterpreterError, KernelFile, UnusableInterpreter
from .remembered import (
    Computed,
    Memory,
    content_key,
    is_current,
    is_same_torch,
    load_memory,
    memory_path,
    save_memory,
    to_remember,
)
from .rules import pick_path, release_of, rule_of


class KeyComputer:
    """One interpreter, and what is remembered of it."""

    def __init__(self, interpreter: Interpreter) -> None:
        self._interpreter = interpreter
        self._file = memory_path(interpreter.python, os.environ)
        self._places: dict[str, Computed] = {}
        self._is_changed = False

    @cached_property
    def identity(self) -> Identity:
        """As remembered while its files are the same, else the interpreter starts. Raises `InterpreterError`."""
        memory = load_memory(self._file)
        if memory.identity and is_current(memory.identity):
            self._places.update(memory.places)
            return memory.identity
        identity = self._interpreter.hello()
        if identity.missing:
            raise UnusableInterpreter(identity.missing, "run with --python and the Python that compiled")
        if memory.identity and is_same_torch(memory.identity, identity):
            self._places.update(memory.places)
        self._is_changed = True
        return identity

    def compute(self, kernels: Sequence[KernelFile]) -> Computed:
        """The place of the multi-kernel that has these sub-kernels. Raises `InterpreterError`."""
        identity = self.identity
        key = content_key(kernels)
        if key not in self._places:
            self._places[key] = self._ask(identity, kernels)
            self._is_changed = True
        return self._places[key]

    def remember(self) -> None:
        """For the next time; a home that cannot be written costs only time."""
        if self._is_changed:
            with contextlib.suppress(OSError):
                save_memory(self._file, Memory(self.identity, self._places))

    def _ask(self, identity: Identity, kernels: Sequence[KernelFile]) -> Computed:
        running = self._interpreter.hello()
        if not is_same_torch(running, identity):
            with contextlib.suppress(OSError):
                self._file.unlink()
            message = f"{running.executable} now finds another torch or triton than before"
            raise UnusableInterpreter(message, "run again")
        answer = self._interpreter.pick_parts(kernels)
        release = release_of(running.torch or "")
        if release is None or pick_path(rule_of(release), answer.parts) != answer.path:
            message = f"torch {running.torch} keeps picks by a rule that this mkexplorer does not know"
            raise InterpreterError(message, "update mkexplorer")
        return to_remember(answer.path, answer)
