"""The command line: parse, call, print."""

import logging
import signal
import sys
from concurrent.futures.process import BrokenProcessPool
from io import TextIOWrapper

# In the order in which `myocard --help` lists their commands.
# isort: off
from myocard.cli import path, probing, predictions, explaining, exporting, serving  # noqa: F401
from myocard.cli import training  # noqa: F401
from myocard.cli import comparison, delineation, encoders, reading, data, tasks, benchmark  # noqa: F401

# isort: on
from myocard.cli.options import app, console
from myocard.cli.output import tell_misuse
from myocard.errors import InputError
from myocard.training.devices import require_alone


class _Said(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        _say(record.getMessage())


def main() -> None:
    """Run the command line; a fault of the user's is one line and exit code 2."""
    # Fabric tells its precision and devices at INFO, and resets its root logger when imported.
    logging.getLogger("lightning_fabric.utilities.rank_zero").setLevel(logging.WARNING)
    # A path is printed even where its letters cannot be; standard error does so anyway.
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    logger, said = logging.getLogger("myocard"), _Said()
    logger.addHandler(said)
    logger.setLevel(logging.INFO)
    # Else the processes that were started would outlive this one.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        if sys.argv[1:2] not in (["pretrain"], ["extract"]):
            require_alone(" ".join(["myocard", *sys.argv[1:2]]))
        app()
    except (InputError, OSError) as error:
        _say(" ".join(str(error).split()), style="bold red")
        sys.exit(2)
    except BrokenProcessPool:
        told = "a process was killed, as the system does where memory runs out"
        _say(f"{told}; the same command goes on, with fewer --jobs", style="bold red")
        sys.exit(2)
    except SystemExit as done:
        # Wrong words are told on standard error, by Typer.
        if done.code == 2 and "--json" in sys.argv:
            tell_misuse()
        # Typer turns Ctrl-C, and so SIGTERM, into this code without a word.
        if done.code == 130:
            _say("stopped; the same command goes on from what was saved, or starts again")
        raise
    finally:
        logger.removeHandler(said)
        signal.signal(signal.SIGTERM, before)


def _say(what: str, style: str | None = None) -> None:
    """Print one line on standard error as it is: a path may look like Rich's markup."""
    line = f"myocard: {what}"
    console.print(line, style=style, markup=False, emoji=False, highlight=False, soft_wrap=True)
