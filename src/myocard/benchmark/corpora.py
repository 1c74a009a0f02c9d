"""Stores by name and the corpora made of them: what encoders are pretrained on, and what never."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from myocard.data.preparation.examination import ALLOWABLE
from myocard.data.sources import SOURCES
from myocard.errors import InputError
from myocard.recipe import CorpusPart, Settings
from myocard.recipe.settings import one_of
from myocard.simulation.layouts import LAYOUTS
from myocard.simulation.sites import SITES

SourceName = Annotated[str, AfterValidator(one_of(SOURCES))]
FaultName = Annotated[str, AfterValidator(one_of(ALLOWABLE))]
LayoutName = Annotated[str, AfterValidator(one_of(LAYOUTS))]
SiteName = Annotated[str, AfterValidator(one_of(SITES))]


class Simulation(Settings):
    """Simulated records, laid out as a vendor would."""

    layout: LayoutName = "ptbxl"
    records: int = Field(gt=0)
    site: SiteName = "A"
    seed: int = 0


class StoreSettings(Settings):
    """Records to prepare: those of a vendor's folder, simulated ones, or other stores as one."""

    source: SourceName | None = Field(
        default=None, description="what the folder is: ptbxl-100, chapman, …"
    )
    family: str | None = Field(
        default=None, description="shared with stores that hold its records or patients too"
    )
    folder: str | None = Field(default=None, description="$NAME is read from the environment")
    dataset: str | None = Field(
        default=None, description="within which an id or patient is one; the source's by default"
    )
    simulate: Simulation | None = None
    of: tuple[str, ...] = Field(
        default=(), description="stores above it in the file; of a record in two, the first form"
    )
    seconds: float = Field(default=10.0, gt=0)
    allow: tuple[FaultName, ...] = ()
    raw: int | None = Field(
        default=None,
        gt=0,
        description="rate in Hz of records kept without a filter, for any encoder",
    )
    filtered: bool = Field(default=False, description="the records come through the input's filter")
    standardise: Literal["record", "lead"] | None = Field(
        default=None, description="z-score while preparing, so that unlike units can be joined"
    )

    @model_validator(mode="after")
    def _from_one_place(self) -> "StoreSettings":
        if [self.folder is None, self.simulate is None, not self.of].count(False) != 1:
            raise ValueError("give one of folder, simulate and of")
        if (self.source is None) != bool(self.of):
            raise ValueError("give a source, unless the store is made of others")
        own = {"source", "dataset", "seconds", "allow", "raw", "filtered", "standardise"}
        if self.raw and (self.filtered or self.standardise):
            raise ValueError("raw records are neither filtered nor standardised")
        if self.of and (stated := sorted(own & self.model_fields_set)):
            raise ValueError(
                f"{', '.join(stated)} cannot be set beside `of`: its parts have their own"
            )
        return self


class Corpus(Settings):
    """Parts of stores, and those of another corpus.

    Attributes:
        parts: Its own.
        of: The corpus whose parts are taken too; it stands above this one in the file.
        without: Families of stores that are left out of them, and of corpora made of them.
    """

    parts: tuple[CorpusPart, ...] = ()
    of: str | None = None
    without: tuple[str, ...] = ()


@dataclass(frozen=True)
class HeldOut:
    """Records that an encoder must not be pretrained on: folds of a store, or all of it."""

    encoder: str
    store: str
    folds: tuple[int, ...] | None = None

    def among(self, part: CorpusPart) -> str:
        """Name in words the records that are in a part of a corpus; nothing where none is."""
        stated = [{*folds} for folds in (part.folds, self.folds) if folds is not None]
        common = set.intersection(*stated) if stated else None
        if str(part.store) != self.store or common == set():
            return ""
        return f"folds {sorted(common)} of {self.store}" if common else self.store


def resolve(
    corpora: Mapping[str, Corpus], families: Mapping[str, str], where: str
) -> dict[str, Corpus]:
    """Every corpus with all of its parts, and all that it and those it is made of are without.

    Args:
        corpora: By name.
        families: The family of each store.
        where: The file, for messages.

    Raises:
        InputError: For a corpus or family that there is not, or a corpus of which nothing is left.
    """
    found: dict[str, Corpus] = {}
    for name, corpus in corpora.items():
        place = f"{where}: corpora.{name}"
        if corpus.of is not None and corpus.of not in found:
            raise InputError(f"{place}: no corpus {corpus.of!r} above it in the file")
        for family in corpus.without:
            if family not in families.values():
                known = ", ".join(sorted(set(families.values())))
                raise InputError(f"{place}: no family {family!r}; there are {known}")
        base = found[corpus.of] if corpus.of else Corpus()
        without = corpus.without + base.without
        parts = corpus.parts + base.parts
        kept = tuple(p for p in parts if families.get(str(p.store)) not in without)
        if not kept:
            raise InputError(f"{place}: no part is left")
        found[name] = Corpus(parts=kept, without=without)
    return found


def expand(folder: str, store: str) -> Path:
    """A vendor's folder, names of the environment replaced.

    Raises:
        InputError: For a name that is not set.
    """
    path = os.path.expandvars(folder)
    if "$" in path:
        raise InputError(f"stores.{store}: {path} is not set; export it as the vendor's folder")
    return Path(path)
