"""A storage that is interrupted is asked again, for 31 s after the last bytes that it gave."""

from collections.abc import Callable
from itertools import count

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFile, MemoryFileSystem

from myocard.errors import InputError
from myocard.files import remote
from myocard.files.remote import receive, receive_ranges, size_of

PLACE, CONTENT = "/remote/file", bytes(range(100))


@pytest.fixture
def storage():
    memory = fsspec.filesystem("memory")
    memory.pipe(PLACE, CONTENT)
    yield memory
    memory.rm("/remote", recursive=True)


@pytest.fixture
def waited(monkeypatch) -> list[float]:
    """The seconds of each wait, none of which is waited."""
    found: list[float] = []
    monkeypatch.setattr(remote.time, "sleep", found.append)
    return found


def interrupt(monkeypatch, name: str, times: int) -> None:
    """Let a call of the storage fail ``times`` times."""
    calls, left = getattr(MemoryFileSystem, name), [None] * times

    def call(self: MemoryFileSystem, *words: object, **more: object) -> object:
        if left:
            left.pop()
            raise ConnectionError("gone")
        return calls(self, *words, **more)

    monkeypatch.setattr(MemoryFileSystem, name, call)


ASKED: dict[str, Callable[[MemoryFileSystem], object]] = {
    "cat_ranges": lambda storage: receive_ranges(storage, PLACE, [(3, 7), (90, 100)]),
    "size": lambda storage: size_of(storage, PLACE),
}
GIVEN = {"cat_ranges": [CONTENT[3:7], CONTENT[90:]], "size": 100}


@pytest.mark.parametrize("name", ASKED)
def test_what_comes_after_some_waits_is_given(storage, waited, monkeypatch, name):
    interrupt(monkeypatch, name, 5)
    assert ASKED[name](storage) == GIVEN[name]
    assert waited == [1, 2, 4, 8, 16]


@pytest.mark.parametrize("name", ASKED)
def test_what_does_not_come_for_31_s_is_told(storage, waited, monkeypatch, name):
    interrupt(monkeypatch, name, 6)
    with pytest.raises(InputError, match="file: cannot be read .ConnectionError: gone"):
        ASKED[name](storage)
    assert sum(waited) == 31


def test_what_is_not_there_is_told_at_once(storage, waited):
    for ask in (
        lambda: size_of(storage, "/remote/nothing"),
        lambda: receive_ranges(storage, "/remote/nothing", [(0, 1)]),
    ):
        with pytest.raises(InputError, match="nothing: cannot be read .FileNotFoundError"):
            ask()
    assert waited == []


def test_a_part_beyond_the_end_is_told(storage):
    with pytest.raises(InputError, match="file: not given in parts, or shorter"):
        receive_ranges(storage, PLACE, [(90, 101)])


def test_waits_begin_anew_with_each_part_that_comes(storage, waited, monkeypatch, tmp_path):
    """The first connection and every second one give 20 bytes, the others none."""
    connect, connections = MemoryFileSystem.open, count()

    def connected(self: MemoryFileSystem, path: str) -> MemoryFile:
        stream, parts = connect(self, path), [20] * (next(connections) % 2 == 0)

        def read(_: int) -> bytes:
            if not parts:
                raise ConnectionError("gone")
            return MemoryFile.read(stream, parts.pop())

        stream.read = read
        return stream

    monkeypatch.setattr(MemoryFileSystem, "open", connected)
    receive(storage, PLACE, tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert waited == [1, 2] * 5
