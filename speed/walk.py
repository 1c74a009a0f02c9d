r"""Print how many files and rooms a record passes on its way from a vendor's file to the report.

    python speed/walk.py prepare ptbxl-500 ptb-xl --jobs 1 --out store \
        -- extract encoder store --out features \
        -- probe superclasses features --out results \
        -- report results --out report

Runs the commands between ``--`` in this process and follows every call. A room is a name right in
the package. Processes that a command starts are not followed.
"""

import sys
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import groupby
from pathlib import Path
from types import CodeType, FrameType

import myocard
from myocard.cli import main

PACKAGE = Path(myocard.__file__).parent


class Walk:
    """Files entered by calls, and the moves between rooms, each caller and callee once."""

    def __init__(self) -> None:
        self.files: set[str] = set()
        self.moves: set[tuple[str, str]] = set()

    def __call__(self, frame: FrameType, event: str, argument: object) -> None:
        if event != "call" or (here := _file(frame.f_code)) is None:
            return
        above = frame.f_back
        while above is not None and _file(above.f_code) is None:
            above = above.f_back
        self.files.add(here)
        if above is not None and (caller := _file(above.f_code)) is not None:
            rooms = (_room(caller), _room(here))
            if rooms[0] != rooms[1]:
                self.moves.add(rooms)


@cache
def _file(code: CodeType) -> str | None:
    """Name the file of the package that holds a function."""
    path = Path(code.co_filename)
    inside = path.is_relative_to(PACKAGE) and code.co_name != "<module>"
    return path.relative_to(PACKAGE).as_posix() if inside else None


def _room(file: str) -> str:
    return file.partition("/")[0].removesuffix(".py")


def run(command: Sequence[str], walk: Walk) -> None:
    sys.argv = ["myocard", *command]
    sys.setprofile(walk)
    try:
        main()
    except SystemExit as done:
        if done.code:
            raise
    finally:
        sys.setprofile(None)


def split(words: Iterable[str]) -> list[list[str]]:
    return [list(group) for end, group in groupby(words, "--".__eq__) if not end]


if __name__ == "__main__":
    whole = Walk()
    for command in split(sys.argv[1:]):
        walk = Walk()
        run(command, walk)
        print(
            f"{command[0]:<10} {len(walk.files):3} files, {len(walk.moves):3} moves between rooms"
        )
        whole.files |= walk.files
        whole.moves |= walk.moves
    print(f"{'in all':<10} {len(whole.files):3} files, {len(whole.moves):3} moves between rooms")
