"""Results of a command: lines for people, or one JSON object for scripts."""

import inspect
import json
from collections.abc import Callable
from contextvars import ContextVar
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, get_type_hints

from typer import Exit, Option, Typer

_FACTS: ContextVar[dict[str, object] | None] = ContextVar("facts", default=None)
_AS_JSON = Annotated[bool, Option("--json", help="Print one JSON object, for scripts")]


class App(Typer):
    """An application whose every command takes ``--json``."""

    def command(self, *args: Any, **kwargs: Any) -> Callable[[Callable[..., Any]], Any]:
        register = super().command(*args, **kwargs)
        return lambda function: register(_with_json(function))


def tell(*lines: object, **facts: object) -> None:
    """Print lines, or keep the same as facts for the JSON object of the command."""
    kept = _FACTS.get()
    if kept is not None:
        kept.update(facts)
        return
    for line in lines:
        print(line)


def _with_json(function: Callable[..., None]) -> Callable[..., None]:
    @wraps(function)
    def run(*args: Any, json: bool, **kwargs: Any) -> None:
        if not json:
            function(*args, **kwargs)
            return
        facts: dict[str, object] = {}
        before = _FACTS.set(facts)
        try:
            function(*args, **kwargs)
        except Exit:
            raise
        except KeyboardInterrupt:
            facts["error"] = "stopped"
            raise
        except Exception as error:
            facts["error"] = " ".join(str(error).split())
            raise
        finally:
            _FACTS.reset(before)
            print(_dumps(facts))

    parameter = inspect.Parameter(
        "json", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=_AS_JSON
    )
    signature = inspect.signature(function)
    run.__signature__ = signature.replace(parameters=[*signature.parameters.values(), parameter])  # type: ignore[attr-defined]
    run.__annotations__ = get_type_hints(function, include_extras=True) | {"json": _AS_JSON}
    return run


def tell_misuse() -> None:
    """Print the JSON object of a command that was not understood."""
    print(_dumps({"error": "not understood; standard error says why"}))


def _dumps(facts: dict[str, object]) -> str:
    # ASCII, as standard output may be in any encoding.
    return json.dumps(facts, default=_plain)


def _plain(value: object) -> object:
    """Return what JSON has in place of a value."""
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} in the output of a command")
