"""Whether an encoder still tells records apart, as its checkpoint says."""

import json
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ValidationError

from myocard.errors import InputError
from myocard.report.runs import find_files


class Spread(BaseModel):
    """The effective rank of the last layer's states of some records, from a ``config.json``."""

    value: float
    bound: float
    width: int
    records: int

    @property
    def collapsed(self) -> bool:
        return self.value < self.bound

    @property
    def sentence(self) -> str:
        said = (
            f"effective rank (RankMe) of the last layer's states {self.value:.1f} of {self.width}, "
            f"over {self.records} records of the corpus."
        )
        if not self.collapsed:
            return said
        return f"{said} Collapsed: below {self.bound:g}, it says nearly the same of every record."


def spreads(paths: Sequence[Path]) -> list[tuple[str, Spread]]:
    """The places of checkpoints in and below ``paths``, and how spread their states are.

    Raises:
        InputError: For a ``config.json`` that is not a checkpoint's.
    """
    found = []
    for path, place in find_files(paths, "config.json"):
        try:
            said = json.loads(path.read_text()).get("about", {}).get("effective_rank")
            if said is not None:
                found.append((place, Spread.model_validate(said)))
        except (ValueError, AttributeError, RecursionError, ValidationError) as error:
            raise InputError(f"{path}: not a checkpoint's; give another folder") from error
    return found
