"""Every verb of the screen, read from the bindings: what the palette offers and the help lists is what the keys do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from textual import actions
from textual.binding import Binding
from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.content import Content
from textual.dom import DOMNode
from textual.fuzzy import Matcher
from textual.keys import format_key
from textual.markup import escape
from textual.widget import Widget

from mkexplorer.report.rows import MultiKernelRow
from mkexplorer.tui.explorer_panes import ExplorerPanes
from mkexplorer_widgets.plain_text import visible

# Moving about is for keys and mouse; in a palette it would only be in the way.
_MOVES = frozenset({"up", "down", "left", "right", "pageup", "pagedown", "home", "end", "enter", "escape"})


@dataclass(frozen=True, slots=True)
class Verb:
    """One thing that can be done; ``group`` is the pane that does it, ``valid`` whether it can be done now."""

    group: str
    binding: Binding
    owner: DOMNode
    valid: bool

    @property
    def keys(self) -> str:
        return "  ".join(_key_name(key.strip()) for key in self.binding.key.split(","))

    @property
    def help(self) -> str:
        return self.binding.tooltip or self.binding.description

    @property
    def is_move(self) -> bool:
        return self.binding.key.partition(",")[0] in _MOVES


def verbs(screen: ExplorerPanes) -> Iterator[Verb]:
    """Yield all that can be done by the screen, the list, the shown tab and the app, in this order."""
    seen: set[tuple[str, str]] = set()
    for owner in _owners(screen):
        group = getattr(type(owner), "BINDING_GROUP_TITLE", None) or type(owner).__name__
        for binding in _own_bindings(type(owner)):
            if binding.description and (binding.key, binding.description) not in seen:
                seen.add((binding.key, binding.description))
                _, action, parameters = actions.parse(binding.action)
                yield Verb(group, binding, owner, bool(owner.check_action(action, parameters)))


def _owners(screen: ExplorerPanes) -> Iterator[DOMNode]:
    yield screen
    yield from screen.kernels.walk_children(Widget, with_self=True)
    if screen.work.tab is not None:
        yield from (node for node in screen.work.tab.walk_children(Widget, with_self=True) if node.display)
    yield screen.app


def _own_bindings(owner: type[DOMNode]) -> Iterator[Binding]:
    """Yield the bindings that this project gave a class, not those that it has from Textual's.

    What a class says of a key holds, whatever its bases say.
    """
    seen: set[str] = set()
    for base in owner.__mro__:
        if base.__module__.startswith("mkexplorer"):
            own = [
                Binding(*each) if not isinstance(each, Binding) else each for each in base.__dict__.get("BINDINGS", ())
            ]
            yield from (binding for binding in own if binding.key not in seen)
            seen.update(binding.key for binding in own)


def _key_name(key: str) -> str:
    *modifiers, last = key.split("+")
    return "".join("^" if modifier == "ctrl" else f"{modifier}+" for modifier in modifiers) + format_key(last)


class Verbs(Provider):
    """The palette's source: the verbs that are valid now, and every multi-kernel to go to."""

    @property
    def _explorer(self) -> ExplorerPanes | None:
        return self.screen if isinstance(self.screen, ExplorerPanes) else None

    async def discover(self) -> Hits:
        for verb in self._valid():
            title = _title(verb)
            yield DiscoveryHit(Content(title), partial(self._do, verb), text=title, help=_help(verb))

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for verb in self._valid():
            title = _title(verb)
            if (score := matcher.match(title)) > 0:
                yield Hit(score, _lit(matcher, title), partial(self._do, verb), text=title, help=_help(verb))
        for row in self._explorer.kernels.all_rows if self._explorer is not None else ():
            name = _row_name(row)
            if (score := matcher.match(name)) > 0:
                yield Hit(
                    score, _lit(matcher, name), partial(self._go_to, row), text=name, help="Go to this multi-kernel"
                )

    def _valid(self) -> Iterator[Verb]:
        if self._explorer is not None:
            yield from (verb for verb in verbs(self._explorer) if verb.valid and not verb.is_move)

    async def _do(self, verb: Verb) -> None:
        await self.app.run_action(verb.binding.action, default_namespace=verb.owner)

    def _go_to(self, row: MultiKernelRow) -> None:
        if self._explorer is not None:
            self._explorer.kernels.go_to(row.multi_kernel)


def _title(verb: Verb) -> str:
    is_general = isinstance(verb.owner, ExplorerPanes) or verb.group == "App"
    return verb.binding.description if is_general else f"{verb.group}: {verb.binding.description}"


def _help(verb: Verb) -> str:
    """The palette reads help as markup."""
    return escape(f"{verb.help}  ({verb.keys})")


def _lit(matcher: Matcher, text: str) -> Content:
    """As `Matcher.highlight`, which would read the text as markup."""
    content = Content(text)
    for at in matcher.fuzzy_search.match(matcher.query, text)[1]:
        content = content.stylize(matcher.match_style, at, at + 1)
    return content


def _row_name(row: MultiKernelRow) -> str:
    parts = (row.title, row.shape, row.dtype, row.multi_kernel.id)
    return visible(" ".join(part for part in parts if part)).replace("\n", " ")
