"""Rankings of encoders on disk: ``leaderboard.json``."""

from typing import Literal

from pydantic import Field

from myocard.metrics.summary import Estimate, Frozen
from myocard.results.document import Document
from myocard.results.run import LeakCheck, SplitName, command, versions

LEADERBOARD = "leaderboard.json"


class Readout(Frozen):
    """A readout of an encoder and its score.

    Attributes:
        name: The readout in words.
        head: Its head.
        score: The leading metric on the board's split.
        run: Place of its run.
    """

    name: str
    head: str
    score: Estimate
    run: str


class Gap(Frozen):
    """A paired difference to the first of the board, and its p adjusted for all pairs (Holm)."""

    difference: float
    low: float
    high: float
    p_holm: float


class Entry(Frozen):
    """An encoder on a board.

    Attributes:
        place: From 1, by the score of ``best``.
        ties: Letters; two encoders that share one were not told apart.
        hash: Hash of its weights; None for a model without an encoder.
        best: The readout that is best on validation.
        last: The last layer under the head that is best on validation.
        mixture: The mixture that is best on validation.
        gap: Difference to the first; None for the first, and where nothing can be tested.
        records: Records of each data set that it was pretrained on, where they are known.
        datasets: Names of the data sets that it was pretrained on, where they are known.
        seen: Data sets among these that hold tested records.
        leak_check: Knowledge of its pretraining by which leaks were looked for.
        seeds: Number of seeds of ``best``.
    """

    place: int
    ties: str
    encoder: str
    hash: str | None
    kind: Literal["probe", "finetune", "baseline"]
    random: bool
    best: Readout
    last: Readout | None
    mixture: Readout | None
    gap: Gap | None
    records: dict[str, int] | None
    datasets: tuple[str, ...] | None
    seen: tuple[str, ...]
    leak_check: LeakCheck | None
    seeds: int


class Board(Frozen):
    """The encoders of one task on one data set.

    Attributes:
        trained_on: Another data set that the classifiers were trained on.
        metric: The leading metric, in words.
        resamples: Number of bootstrap resamples of paired differences.
        left_out: Outputs on which no pair can be tested, each with the reason.
        unranked: Encoders that were scored on other records or not on this split, with the reason.
    """

    task: str
    source: str
    trained_on: str | None
    metric: str
    split: SplitName
    records: int
    patients: int
    resamples: int
    entries: tuple[Entry, ...]
    left_out: dict[str, str]
    unranked: dict[str, str]


class Leaderboard(Document):
    """All that ``leaderboard.json`` says."""

    FILE = LEADERBOARD
    FIX = "run `myocard leaderboard` again"

    version: Literal[1] = Field(default=1, alias="schema")
    boards: tuple[Board, ...]
    versions: dict[str, str] = Field(default_factory=versions)
    command: str = Field(default_factory=command)
