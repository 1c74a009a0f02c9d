"""The longer words of the page, as data."""

import tomllib
from importlib import resources
from typing import Any


def read_words(name: str) -> Any:
    """The content of ``name.toml``, line breaks within a text undone."""
    text = resources.files("myocard.report.words").joinpath(f"{name}.toml").read_text("utf-8")
    return _unwrapped(tomllib.loads(text))


def _unwrapped(content: Any) -> Any:
    if isinstance(content, str):
        return content.replace("\n", " ").strip()
    if isinstance(content, dict):
        return {key: _unwrapped(value) for key, value in content.items()}
    return [_unwrapped(value) for value in content]


NOTES: dict[str, str] = read_words("notes")
