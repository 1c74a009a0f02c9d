"""A process that is killed, at any change of the file system."""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress

import pytest

CHANGES = ("mkdir", "rename", "replace", "rmdir", "unlink")
Dying = Callable[[int], AbstractContextManager[list[str]]]


class Killed(BaseException):
    """Ends a run as SIGKILL does: nothing is tidied up."""


@pytest.fixture
def dying_at() -> Dying:
    """A ``with`` block in which the first n changes of the file system happen, and none after.

    It gives the changes that did not happen; the block ends with the first of them.
    """

    @contextmanager
    def dying(left: int) -> Iterator[list[str]]:
        missed: list[str] = []
        happened: list[str] = []

        def counted(name: str) -> Callable[..., object]:
            change = getattr(os, name)

            def change_or_die(*words: object, **more: object) -> object:
                if len(happened) == left:
                    missed.append(name)
                    raise Killed
                happened.append(name)
                return change(*words, **more)

            return change_or_die

        with pytest.MonkeyPatch.context() as patch, suppress(Killed):
            for name in CHANGES:
                patch.setattr(os, name, counted(name))
            yield missed

    return dying
