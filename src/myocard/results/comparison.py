"""Comparisons of models on disk: ``comparison.json``."""

from typing import Literal

from pydantic import Field

from myocard.metrics.summary import Frozen, Interval, Score
from myocard.metrics.verdicts import Verdict
from myocard.outcomes import Outcome
from myocard.recipe import Settings
from myocard.results.document import Document
from myocard.results.run import command, versions
from myocard.tasks.own.settings import Kind

COMPARISON = "comparison.json"


class Plan(Settings):
    """The questions that are put to the predictions.

    Attributes:
        kind: What the models predict; None for what runs among them say, else classes.
        decimal: Decimal mark of texts whose cells do not prove it.
        split: The records that models are compared on.
        patients: A table of ids and patients, ``none`` where no two records are of one patient, or
            None where the predictions tell.
        common: Compare the records that all models score, where some score more.
        reference: The model that all others are held against; None for all pairs.
        choose_on: Take as reference the model that is best on this split.
        subgroups: Columns by which records are told apart, besides sex, age, site and device.
        resamples: Number of bootstrap resamples.
        seed: Seed of the resamples.
    """

    kind: Kind | None = None
    decimal: Literal[".", ","] | None = None
    split: str = "test"
    patients: str | None = None
    common: bool = False
    reference: str | None = None
    choose_on: str | None = None
    subgroups: tuple[str, ...] = ()
    resamples: int = 4_000
    seed: int = 0


class Calibration(Frozen):
    """Calibration of the scores of a class, as a mean over seeds.

    Attributes:
        error: Expected calibration error.
        by_chance: The error that true probabilities would have on as many records.
        slope: Slope of Cox's line; below 1, the probabilities are too extreme. None without one.
        intercept: Its intercept at a slope of 1; above 0, the probabilities are too low.
    """

    error: float
    by_chance: float
    slope: float | None
    intercept: float | None


class ComparedModel(Frozen):
    """A model, and its scores on the records that are compared.

    Attributes:
        sha256: Hash of its table.
        dropped: Number of its records that another model does not score.
        scores: By measure; without value where the measure says nothing of them.
        calibration: By class; none where its scores are no probabilities.
    """

    name: str
    file: str
    sha256: str
    seeds: int
    dropped: int
    scores: dict[str, Score]
    calibration: dict[str, Calibration]


class PairedTest(Frozen):
    """A paired difference, its 95 % interval and its test.

    Attributes:
        p: Two-sided bootstrap's, by patient.
        p_holm: Adjusted for all pairs, and outputs, under the same measure.
        detectable: Smallest true difference that these patients would have shown with 80 % power.
        p_delong: DeLong's, which takes records as independent; only of the AUROC of a class.
    """

    difference: float
    low: float
    high: float
    p: float
    p_holm: float
    detectable: float
    p_delong: float | None


class Contrast(Frozen):
    """The verdict on the claim that ``model`` is better than ``against``.

    Attributes:
        label: An output; None for the mean over outputs.
        test: Of ``model`` less ``against``; None where that is untestable.
        reason: Why it is untestable.
    """

    model: str
    against: str
    measure: str
    label: str | None
    verdict: Verdict
    reason: str | None
    test: PairedTest | None


class SubgroupContrast(Frozen):
    """A paired difference among some of the records, over the outputs that can be scored there."""

    model: str
    against: str
    measure: str
    trait: str
    subgroup: str
    records: int
    patients: int
    classes: tuple[str, ...]
    difference: float
    low: float
    high: float


class Comparison(Document):
    """All that ``comparison.json`` says.

    Attributes:
        outcome: Kind of what the models predict.
        classes: Names of their outputs.
        left_out: Outputs that cannot be tested on these records, each with the reason.
        patients: Number of patients; None where no two records are of one.
        reference: The model that the others are held against; None for all pairs.
        contrasts: Every pair, measure and output, and the mean over outputs where there are
            several.
    """

    FILE = COMPARISON
    FIX = "run `myocard compare` again"

    version: Literal[1] = Field(default=1, alias="schema")
    plan: Plan
    records: int
    patients: int | None
    outcome: Outcome = "any"
    classes: tuple[str, ...]
    left_out: dict[str, str]
    reference: str | None
    interval: Interval
    models: tuple[ComparedModel, ...]
    contrasts: tuple[Contrast, ...]
    subgroups: tuple[SubgroupContrast, ...]
    versions: dict[str, str] = Field(default_factory=versions)
    command: str = Field(default_factory=command)
