"""Where a benchmark keeps what."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from myocard.benchmark.trials import Condition, Trial
from myocard.recipe import CorpusPart

Advance = Callable[[str, int, int], None]
"""What is being done, how much of it is done, and how much there is."""


@dataclass(frozen=True)
class Places:
    """Where a benchmark keeps what."""

    out: Path

    @property
    def results(self) -> Path:
        return self.out / "results"

    @property
    def encoders(self) -> Path:
        return self.out / "encoders"

    def store(self, name: str) -> Path:
        return self.out / "stores" / name

    def part(self, named: CorpusPart) -> CorpusPart:
        """A part of a corpus with the folder of its store for the store's name."""
        return named.model_copy(update={"store": self.store(str(named.store))})

    def features(self, condition: Condition) -> Path:
        return self.out / "features" / condition.store / condition.lead_set / condition.encoder

    def anatomy(self, trial: Trial) -> Path:
        condition = trial.condition
        return self.results / condition.store / "layers" / condition.encoder / trial.recipe.task
