"""The account of a solved mixture in a run: its path, and the certificate of what was taken."""

from myocard.metrics.summary import Frozen


class Step(Frozen):
    """A mixture of some freedom.

    Attributes:
        pull: Strength of what holds the mixture back: toward equal shares, in nats per nat of
            divergence, or of a gate, per half of its squares. None at the first step.
        score: Headline score in cross-validation over training and validation records.
        lost: How much that is below the best step's.
        error: Standard error of ``lost`` over the folds.
        weights: Share of each block, averaged over classes that have shares of their own.
        scores: Headline score by split, fitted on the training records.
    """

    pull: float | None
    score: float
    lost: float
    error: float
    weights: tuple[float, ...]
    scores: dict[str, float]


class Optimum(Frozen):
    """The certificate of a static mixture.

    Attributes:
        classes: The classes that share it.
        weights: Share of each block.
        low: The least share of each block over the folds of cross-validation.
        high: The largest.
        objective: Loss with penalties, in nats.
        gap: Nats by which the objective, were it convex, could at most be lower.
        prices: Change of the loss by a first share of each block in place of the mixture, in nats.
        optima: Distinct optima that were found, from equal shares and every single block.
        worse: How much higher the objective of the last of them is.
    """

    classes: tuple[str, ...]
    weights: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    objective: float
    gap: float
    prices: tuple[float, ...]
    optima: int
    worse: float


class Mixture(Frozen):
    """The path of a mixture from no freedom to all of it: equal to free shares, static to gated.

    Attributes:
        chosen: Index of the step that was taken: the first within a standard error of the best.
        penalty: Penalty of the head at every step, the best at equal shares in cross-validation.
        folds: Folds of the cross-validation.
        path: The steps.
        optima: Certificates of the chosen step of a static mixture, one for each group of classes;
            none for equal shares.
        slope: Largest derivative that is left of a gate at the chosen step; None at the first.
    """

    chosen: int
    penalty: float
    folds: int
    path: tuple[Step, ...]
    optima: tuple[Optimum, ...] = ()
    slope: float | None = None
