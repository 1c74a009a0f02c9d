"""Fixtures of the command line's tests."""

import sys
from collections.abc import Callable

import pytest

from myocard import cli

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def myocard(monkeypatch, capsys) -> Run:
    """Run a command in this process: exit code, standard output, standard error."""

    def run(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["myocard", *map(str, words)])
        with pytest.raises(SystemExit) as done:
            cli.main()
        output = capsys.readouterr()
        return int(done.value.code or 0), output.out, output.err

    return run
