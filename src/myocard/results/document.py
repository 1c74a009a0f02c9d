"""A JSON file of results, of one schema."""

from pathlib import Path
from typing import ClassVar, TypeVar

from pydantic import ValidationError

from myocard.errors import InputError
from myocard.metrics.summary import Frozen

_Document = TypeVar("_Document", bound="Document")


class Document(Frozen):
    """A JSON file of results, of one schema."""

    FILE: ClassVar[str]
    FIX: ClassVar[str]
    """Advice where the file cannot be read."""

    def write(self, folder: Path) -> None:
        text = self.model_dump_json(indent=2, by_alias=True)
        (folder / self.FILE).write_text(text + "\n", encoding="utf-8")

    @classmethod
    def read(cls: type[_Document], folder: Path) -> _Document:
        """Read the file in ``folder``.

        Raises:
            InputError: When it is not there, or not of this schema.
        """
        path = folder / cls.FILE
        if not folder.exists():
            raise InputError(f"{folder}: no such folder; {cls.FIX}")
        if not path.exists():
            raise InputError(f"{folder}: no {cls.FILE} there; {cls.FIX}")
        try:
            return cls.model_validate_json(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, ValidationError) as error:
            why = first_problem(error) if isinstance(error, ValidationError) else error
            raise InputError(f"{path}: {why}; {cls.FIX}") from error


def first_problem(error: ValidationError) -> str:
    """The place of the first value that was refused, and why."""
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc'])) or 'the file'}: {first['msg']}"
