"""TOML in, validated and frozen models out; an unknown key is an error."""

import tomllib
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from myocard.errors import InputError


class Settings(BaseModel):
    """Frozen, and closed to keys it does not know.

    A table within a table names what differs from its default there.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _with_defaults(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        defaults = {name: field.default for name, field in cls.model_fields.items()}
        return {
            name: dict(defaults[name]) | value
            if isinstance(value, dict) and isinstance(defaults.get(name), Settings)
            else value
            for name, value in given.items()
        }


Recipe = TypeVar("Recipe", bound=Settings)


def read_recipe(path: Path, kind: type[Recipe]) -> Recipe:
    """Read and check the recipe in a TOML file.

    Raises:
        InputError: For a file that is missing or no TOML, an unknown or missing key, or a wrong
            value.
    """
    return check(kind, read_content(path), str(path))


def read_content(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: not a readable TOML recipe ({error})") from error


def check(kind: type[Recipe], content: dict[str, Any], where: str) -> Recipe:
    """Settings of a kind from outside values.

    Raises:
        InputError: Naming ``where`` they came from, the key and what it may be.
    """
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        raise InputError(f"{where}: {_explain(error, kind)}") from error


def _explain(error: ValidationError, kind: type[Settings]) -> str:
    problems = []
    for problem in error.errors():
        if problem["type"] == "too_short" and problem["input"]:
            continue  # its items were refused, each with its own message
        key = ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "extra_forbidden":
            choices = ", ".join(_settings_at(problem["loc"], kind).model_fields)
            problems.append(f"unknown key {key!r}; the keys are {choices}")
        else:
            message = problem["msg"].removeprefix("Value error, ")
            problems.append(f"{key}: ".removeprefix(": ") + message[0].lower() + message[1:])
    return "; ".join(problems)


def _settings_at(place: tuple[int | str, ...], kind: type[Settings]) -> type[Settings]:
    """The settings that a key lies in, also within a tuple or an optional field."""
    for part in place:
        if part in kind.model_fields:
            annotation = kind.model_fields[str(part)].annotation
            inner = [annotation, *get_args(annotation)]
            kind = next((t for t in inner if isinstance(t, type) and issubclass(t, Settings)), kind)
    return kind
