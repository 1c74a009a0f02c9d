"""TOML in, validated and frozen models out; an unknown key is an error."""

import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from myocard.errors import InputError


class Settings(BaseModel):
    """Settings: frozen, and closed to keys they do not know.

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
_PACE = ("checkpoint_every", "workers")


def read_recipe(path: str | Path, kind: type[Recipe], changes: Sequence[str] = ()) -> Recipe:
    """Read and check a recipe.

    Args:
        path: A TOML file, the name of a recipe that is shipped for this kind, or the folder of a
            task of one's own, which is the recipe's task then, wherever it lies.
        kind: The settings that it holds.
        changes: ``dotted.key=value`` each, the value as in TOML, put over what the file says.

    Raises:
        InputError: For a file that is missing or no TOML, an unknown or missing key, or a wrong
            value.
    """
    file = find_recipe(path, kind.__name__.removesuffix("Recipe").lower())
    content = read_content(file, changes)
    if Path(path).is_dir():
        content["task"] = str(path)
    return check(kind, content, named(file, changes))


def named(file: Path, changes: Sequence[str]) -> str:
    """The name of a recipe in messages."""
    return f"{file} with --set {', '.join(map(repr, changes))}" if changes else str(file)


RECIPE = "recipe.toml"
"""The recipe in the folder of a task of one's own."""


def find_recipe(path: str | Path, folder: str) -> Path:
    """The file of a recipe: a path, or the name of one that is shipped in ``folder``.

    The folder of a task of one's own holds a recipe of probes.

    Raises:
        InputError: When there is none; the message lists those that are shipped.
    """
    shipped = {
        file.name.removesuffix(".toml"): Path(str(file))
        for file in resources.files("myocard.recipe").joinpath("shipped", folder).iterdir()
    }
    if str(path) in shipped:
        return shipped[str(path)]
    if not Path(path).exists():
        raise InputError(f"{path}: no such recipe; shipped are {', '.join(sorted(shipped))}")
    if not Path(path).is_dir():
        return Path(path)
    if folder != "probe":
        raise InputError(
            f"{path}: a folder; name a recipe ({', '.join(sorted(shipped))}, or a file), and the "
            f"task by --set 'task = \"{path}\"'"
        )
    return Path(path) / RECIPE


def read_content(path: Path, changes: Sequence[str] = ()) -> dict[str, Any]:
    """Read a TOML file, and put ``changes`` over it.

    Raises:
        InputError: When the file or a change is no TOML.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: not a readable TOML recipe ({error})") from error
    return changed(content, changes)


def changed(content: dict[str, Any], changes: Sequence[str]) -> dict[str, Any]:
    """Put ``changes`` over settings.

    Raises:
        InputError: When a change is no TOML.
    """
    for change in changes:
        try:
            content = merged(content, tomllib.loads(change))
        except (ValueError, RecursionError) as error:
            raise InputError(
                f"{change!r}: not of the form key = value in TOML ({error}); quote words, as in "
                "--set 'task = \"superdiagnostic\"'"
            ) from error
    return content


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """``over`` put over ``base``, table by table."""
    both = {
        key: merged(base[key], value)
        if isinstance(value, Mapping) and isinstance(base.get(key), Mapping)
        else value
        for key, value in over.items()
    }
    return {**base, **both}


def check(kind: type[Recipe], content: dict[str, Any], where: str) -> Recipe:
    """Settings of a kind from outside values.

    Raises:
        InputError: Naming ``where`` they came from, the key and what it may be.
    """
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        raise InputError(f"{where}: {_explain(error, kind)}") from error


def one_of(names: Iterable[str]) -> Callable[[str], str]:
    """A pydantic validator that takes these names alone."""

    def validate(name: str) -> str:
        if name not in names:
            raise ValueError(f"no {name!r}; there are {', '.join(names)}")
        return name

    return validate


def choose(names: Iterable[str], name: str, what: str) -> None:
    """Refuse a name that is not registered, where it is used.

    Raises:
        InputError: Listing the choices.
    """
    if name not in names:
        raise InputError(f"no {what} {name!r}; there are {', '.join(names)}")


def without_pace(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings without those of ``[optimisation]`` that change no number, for inputs of a step."""
    if "optimisation" not in settings:
        return settings
    kept = {k: v for k, v in settings["optimisation"].items() if k not in _PACE}
    return settings | {"optimisation": kept}


def _explain(error: ValidationError, kind: type[Settings]) -> str:
    problems = []
    for problem in error.errors():
        if problem["type"] == "too_short" and problem["input"]:
            continue  # its items were refused, each with its own message
        key = ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "extra_forbidden":
            known, name = _settings_at(problem["loc"], kind), str(problem["loc"][-1])
            inside = [
                s for s in known.model_fields if name in _settings_at((s,), known).model_fields
            ]
            meant = "".join(f"{section}.{name} is one; " for section in inside)
            problems.append(
                f"unknown key {key!r}; {meant}the keys are {', '.join(known.model_fields)}"
            )
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
