"""Places of a benchmark's pieces on disk."""

from dataclasses import dataclass
from pathlib import Path

from myocard.benchmark.trials import BaselineTrial, Condition, Trial


@dataclass(frozen=True)
class Layout:
    """The folders below a benchmark's own."""

    out: Path

    @property
    def results(self) -> Path:
        return self.out / "results"

    @property
    def encoders(self) -> Path:
        return self.out / "encoders"

    @property
    def report(self) -> Path:
        return self.out / "report"

    def records(self, name: str) -> Path:
        return self.out / "records" / name

    def store(self, name: str) -> Path:
        return self.out / "stores" / name

    def features(self, condition: Condition) -> Path:
        return self.out / "features" / condition.store / condition.lead_set / condition.encoder

    def runs(self, trial: Trial | BaselineTrial) -> Path:
        return self.results / trial.place

    def rotations(self, trial: Trial) -> Path:
        """The folder of the runs that a cross-fitted trial pools."""
        return self.out / "rotations" / trial.place

    def layers(self, trial: Trial) -> Path:
        condition = trial.condition
        return self.results / condition.store / "layers" / condition.encoder / trial.recipe.task

    def transfers(self, origin: str, to: str) -> Path:
        return self.results / to / f"from-{origin}"
