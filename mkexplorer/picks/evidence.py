"""``<key>.picked_kernel.json``, which stands beside a pick file and tells how the pick came about.

JSON lines, only ever appended, under ``flock``, each with one ``write``. A line is one of

{"schema": 1, "entry": "change",        before the pick file changes
 "id": …, "batch": …, "when": "2026-01-31T12:00:00.000000Z", "who": "runtime" | "person" | "tool",
 "action": "pick" | "pin" | "clear" | "undo" | "measure", "multi_kernel": "<key of the wrapper>/<name>" or "",
 "from": held, "to": held, "why": …, "undoes": id or null,
 "measured": null or what `measured_lines` describes,
 "gpu", "driver", "torch", "triton", "host", "user", "made_by": each text or null}
{"schema": 1, "entry": "outcome", "of": id, "happened": true | false}          after it

where held is {"state": …, "text": the file's content, "base64": it where it is no UTF-8}, and the content of a file
that is not there is neither. A change without outcome (its writer was killed) happened if the pick file, or the
entry that follows, has what it was to write. A measurement changes nothing (from = to) and has no outcome. A line that
cannot be read is skipped and told, and hides nothing else.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace

from mkexplorer.catalog.plain import may, need
from mkexplorer.version import __version__

from .measured_lines import measured_record, read_measured
from .model import Action, Entry, Held, History, Machine, PickState, Who

SUFFIX = ".json"
_SCHEMA = 1
_LONGEST_LINE = 1024 * 1024
_WHEN = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z\Z")


def change_line(entry: Entry) -> bytes:
    """One line for ``entry``, written before its change is made; ``happened`` is left to `outcome_line`."""
    record = {
        "schema": _SCHEMA,
        "entry": "change",
        "id": entry.id,
        "batch": entry.batch,
        "when": entry.when,
        "who": entry.who,
        "action": entry.action,
        "multi_kernel": entry.multi_kernel,
        "from": _held_record(entry.before),
        "to": _held_record(entry.after),
        "why": entry.why,
        "undoes": entry.undoes,
        "measured": measured_record(entry.measured) if entry.measured else None,
        **asdict(entry.machine),
        "made_by": f"mkexplorer {__version__}",
    }
    return _line(record)


def outcome_line(entry_id: str, happened: bool) -> bytes:
    return _line({"schema": _SCHEMA, "entry": "outcome", "of": entry_id, "happened": happened})


def read_history(data: bytes, content: bytes | None) -> History:
    """The history in ``data``, for a pick file that now holds ``content``, read before ``data`` was."""
    changes: dict[str, Entry] = {}
    outcomes: dict[str, bool] = {}
    problems: list[str] = []
    lines = data.split(b"\n")
    for number, line in enumerate(lines, 1):
        if not line:
            continue
        try:
            found = _read_line(line, finished=number < len(lines))
        except (ValueError, TypeError, RecursionError) as error:
            problems.append(f"line {number}: {error}")
            continue
        if isinstance(found, Entry):
            changes.setdefault(found.id, found)
        else:
            outcomes[found[0]] = found[1]
    entries = tuple(_resolved(list(changes.values()), outcomes, content))
    return History(entries, tuple(problems), len(data))


def _resolved(changes: list[Entry], outcomes: Mapping[str, bool], content: bytes | None) -> Iterator[Entry]:
    """Each change with whether it happened; without an outcome, what was found next in the file tells."""
    found_next = [*(change.before.content for change in changes[1:]), content]
    for change, found in zip(changes, found_next, strict=False):
        by_itself = change.action is Action.MEASURE
        yield replace(change, happened=by_itself or outcomes.get(change.id, change.after.content == found))


def _read_line(line: bytes, finished: bool) -> Entry | tuple[str, bool]:
    if not finished:
        raise ValueError("breaks off; its writer was stopped, or is writing it now")
    if len(line) > _LONGEST_LINE:
        raise ValueError(f"is longer than {_LONGEST_LINE >> 20} MiB")
    try:
        data = json.loads(line)
    except ValueError as error:
        raise ValueError("is no JSON") from error
    if not isinstance(data, dict):
        raise TypeError("is no JSON object")
    if need(data, "schema", int) > _SCHEMA:
        raise ValueError("was written by a later mkexplorer")
    match data.get("entry"):
        case "change":
            return _entry(data)
        case "outcome":
            return need(data, "of", str), need(data, "happened", bool)
    raise ValueError("is neither a change nor an outcome")


def _entry(data: dict[str, object]) -> Entry:
    when = need(data, "when", str)
    if not _WHEN.match(when):
        raise ValueError("'when' is no time")
    measured = may(data, "measured", dict)
    return Entry(
        id=need(data, "id", str),
        batch=need(data, "batch", str),
        when=when,
        who=Who(need(data, "who", str)),
        action=Action(need(data, "action", str)),
        multi_kernel=need(data, "multi_kernel", str),
        before=_held(need(data, "from", dict)),
        after=_held(need(data, "to", dict)),
        why=may(data, "why", str) or "",
        undoes=may(data, "undoes", str),
        measured=read_measured(measured) if measured else None,
        machine=Machine(**{name: may(data, name, str) for name in Machine.__dataclass_fields__}),
    )


def _held_record(held: Held) -> dict[str, str]:
    record: dict[str, str] = {"state": held.state}
    if held.content is not None:
        try:
            record["text"] = held.content.decode()
        except UnicodeDecodeError:
            record["base64"] = base64.b64encode(held.content).decode()
    return record


def _held(record: dict[str, object]) -> Held:
    state = PickState(need(record, "state", str))
    text, encoded = may(record, "text", str), may(record, "base64", str)
    content = text.encode() if text is not None else None
    held = Held(base64.b64decode(encoded, validate=True) if encoded is not None else content, state)
    if state in (PickState.PICKED, PickState.PINNED) and held.index is None:
        raise ValueError("a pick without a sub-kernel")
    return held


def _line(record: Mapping[str, object]) -> bytes:
    # ASCII only, so that no text of a cache can break a line or steer a terminal that shows the file.
    return json.dumps(record, separators=(",", ":")).encode() + b"\n"
