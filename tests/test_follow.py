"""One thread opens the place and follows it; whatever happens there comes out as a message."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator

import pytest
from textual.message import Message

from mkexplorer.catalog import Catalog
from mkexplorer.catalog.errors import MkexplorerError, PlaceError
from mkexplorer.tui.follow import CatalogRead, CatalogReader, ReadingFailed
from tests.fake_catalog import FakeCatalog, layer_norm, two_graphs

WAIT_S = 10.0
Start = Callable[[Callable[[], Catalog]], tuple[CatalogReader, "queue.Queue[Message]"]]


@pytest.fixture
def start() -> Iterator[Start]:
    readers: list[CatalogReader] = []

    def start_one(opener: Callable[[], Catalog]) -> tuple[CatalogReader, queue.Queue[Message]]:
        messages: queue.Queue[Message] = queue.Queue()
        reader = CatalogReader(opener, messages.put, pause_s=0.005)
        reader.following.set()
        reader.start()
        readers.append(reader)
        return reader, messages

    yield start_one
    for reader in readers:
        reader.stop()
        reader.join(WAIT_S)
        assert not reader.is_alive()


def test_it_opens_and_brings_the_rows_along(start: Start) -> None:
    catalog = two_graphs()
    _, messages = start(lambda: catalog.as_catalog)
    message = messages.get(timeout=WAIT_S)
    assert isinstance(message, CatalogRead)
    assert message.catalog is catalog.as_catalog
    assert [graph.title for graph in message.graphs] == ["graph 0_inference", "graph 1_inference"]
    assert message.machine == "torch 2.11.0 · NVIDIA H100"


def test_what_is_new_comes_and_what_is_the_same_does_not(start: Start) -> None:
    first, second = two_graphs(), FakeCatalog([layer_norm()])
    _, messages = start(lambda: first.as_catalog)
    messages.get(timeout=WAIT_S)
    first.refreshed = second
    message = messages.get(timeout=WAIT_S)
    assert isinstance(message, CatalogRead)
    assert message.catalog is second.as_catalog
    with pytest.raises(queue.Empty):
        messages.get(timeout=0.05)


def test_without_following_nothing_is_read_again(start: Start) -> None:
    first = two_graphs()
    reader, messages = start(lambda: first.as_catalog)
    messages.get(timeout=WAIT_S)
    reader.following.clear()
    first.refreshed = FakeCatalog([layer_norm()])
    with pytest.raises(queue.Empty):
        messages.get(timeout=0.05)
    reader.following.set()
    assert isinstance(messages.get(timeout=WAIT_S), CatalogRead)


def test_a_place_that_cannot_be_opened_is_told(start: Start) -> None:
    error = PlaceError("no such place", "name another")

    def fail() -> Catalog:
        raise error

    reader, messages = start(fail)
    assert messages.get(timeout=WAIT_S) == ReadingFailed(error, opened=False)
    reader.join(WAIT_S)
    assert not reader.is_alive()


def test_an_unexpected_failure_is_told_with_what_it_was(start: Start) -> None:
    def fail() -> Catalog:
        raise ZeroDivisionError("by zero")

    _, messages = start(fail)
    message = messages.get(timeout=WAIT_S)
    assert isinstance(message, ReadingFailed)
    assert isinstance(message.error, MkexplorerError)
    assert "ZeroDivisionError: by zero" in message.error.message
    assert message.error.advice


def test_a_place_that_vanishes_is_told_once_and_found_again(start: Start) -> None:
    first, second = two_graphs(), FakeCatalog([layer_norm()])
    _, messages = start(lambda: first.as_catalog)
    messages.get(timeout=WAIT_S)
    gone = PlaceError("it is gone")
    first.refreshed = gone
    assert messages.get(timeout=WAIT_S) == ReadingFailed(gone, opened=True)
    with pytest.raises(queue.Empty):
        messages.get(timeout=0.05)
    first.refreshed = second
    message = messages.get(timeout=WAIT_S)
    assert isinstance(message, CatalogRead)
    assert message.catalog is second.as_catalog
