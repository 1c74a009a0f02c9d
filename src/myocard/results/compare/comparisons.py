"""Runs by task, by encoder and head, and each against the last layer."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, product

from myocard.errors import InputError
from myocard.metrics.outcomes import NAMES
from myocard.metrics.summary import Estimate, Metrics
from myocard.outcomes import CLASSES
from myocard.results.compare.names import READOUTS, describe_encoder, label_of, named_layer
from myocard.results.compare.pairs import Candidate, Difference, Pair, compare, paired
from myocard.results.run import Run, SplitName
from myocard.results.saved import SavedRun

_BEST_LAYER = "best layer on validation"
_MAIN = ("last", "layer", "pma")


@dataclass(frozen=True)
class Row:
    """One readout of one encoder.

    Attributes:
        label: The readout, in words.
        run: The run.
        against_last: Against the last layer of the same group; None for the last layer itself, and
            where no such run was scored on the same records.
    """

    label: str
    run: SavedRun
    against_last: Difference | None


@dataclass(frozen=True)
class Group:
    """The readouts of one encoder under one kind of training and one head.

    Attributes:
        label: Encoder, training and head, in words.
        runs: By readout; single layers are apart.
        layers: The runs that read a single layer, by layer.
        best_layer: The one of ``layers`` with the highest score on *validation*; none of
            cross-fitted ones, since a validation fold of some rotation is the test fold of another.
        split: The split that the section is scored on.
    """

    label: str
    runs: dict[str, SavedRun]
    layers: dict[int, SavedRun]
    split: SplitName

    @property
    def first(self) -> SavedRun:
        return self.every_run[0]

    @property
    def every_run(self) -> list[SavedRun]:
        return [*self.runs.values(), *self.layers.values()]

    @property
    def family(self) -> tuple[str, str | None, str, int | None, str]:
        """The fields that are the same on every task: encoder, training, common width and head."""
        info = self.first.info
        return info.encoder.name, info.encoder.hash, info.kind, info.common_width, info.head

    @property
    def random(self) -> bool:
        return self.first.info.encoder.random

    @property
    def pretrained(self) -> bool:
        return not self.random and self.first.info.kind != "baseline"

    @property
    def head(self) -> str:
        return self.first.info.head

    def may_stand_for(self, other: "Group") -> bool:
        """Tell whether ``other``'s pretraining should be held against this.

        The same size, training and head with random weights; or, for IPASTMEM, plain pretraining
        that is known to differ in nothing else.
        """
        mine, info = self.first.info, other.first.info
        if self.family[2:] != other.family[2:] or other.random:
            return False
        ours, theirs = mine.encoder, info.encoder
        if ours.architecture != theirs.architecture:
            return False
        alike = ours.pretraining is not None and ours.pretraining == theirs.pretraining
        return self.random or ((ours.mixture, theirs.mixture) == ("last", "mean") and alike)

    @property
    def best_layer(self) -> int | None:
        best = _best_on_validation(self.layers.values())
        return None if best is None else best.info.layer

    @property
    def best(self) -> SavedRun | None:
        """The run with the highest score on *validation*, of all that are not pooled."""
        return _best_on_validation(self.every_run)

    def score(self, run: SavedRun) -> Estimate | None:
        """The leading metric of a run; None where it was not scored on ``split``."""
        metrics = run.info.metrics(self.split)
        return metrics.main.macro if metrics else None

    def rows(self) -> list[Row]:
        """The rows of the readouts' table: the best layer stands below the last."""
        named = [(label_of(run), run) for run in self.runs.values()]
        if self.best_layer is not None:
            layer = named_layer(self.first.info.encoder, self.best_layer)
            best = (f"{_BEST_LAYER} ({layer})", self.layers[self.best_layer])
            named.insert(int("last" in self.runs), best)
        last = self.runs.get("last")
        return [
            Row(label, run, compare(run, last, self.split) if last not in (None, run) else None)
            for label, run in named
        ]

    def main_rows(self) -> list[Row]:
        """The scored rows of the last layer, the best layer and PMA, of a pretrained encoder.

        The finer tables tell of no others, which would bury the answer.
        """
        rows = self.rows() if self.pretrained else []
        return [r for r in rows if r.run.info.readout in _MAIN and self.score(r.run)]


def _best_on_validation(runs: Iterable[SavedRun]) -> SavedRun | None:
    split = [run for run in runs if not run.info.rotations]
    values = ((run.info.validation.main.macro.value, run) for run in split)
    scored = [(value, run) for value, run in values if value is not None]
    return max(scored, key=lambda pair: pair[0])[1] if scored else None


@dataclass(frozen=True, kw_only=True)
class Section:
    """One task on one data set.

    Attributes:
        task: Its name.
        source: The data set.
        name: Unlike those of other sections; stem of its files.
        split: "test" as soon as one run was scored on test, else "validation".
        groups: Pretrained encoders first, then random ones, then baselines.
        reduced: Runs that were given fewer labels or fewer leads than others of their encoder.
        trained_on: Another data set, for probes that were transferred to this one.
    """

    task: str
    source: str
    name: str
    split: SplitName
    groups: tuple[Group, ...]
    reduced: tuple[SavedRun, ...]
    trained_on: str | None = None

    @property
    def runs(self) -> list[SavedRun]:
        return [run for group in self.groups for run in group.every_run]

    @property
    def every_run(self) -> list[SavedRun]:
        return [*self.runs, *self.reduced]

    def stem(self, what: str, group: Group) -> str:
        """A name of files that tell of one group."""
        return f"{self.name}-{what}-{self.groups.index(group) + 1}"

    def matches(self) -> Iterator[Pair]:
        """Each encoder against what it should beat.

        Random encoders of its size, under every readout that both have; and models without an
        encoder, with the readout that is best on validation.
        """
        return paired(self._candidates(), self.split)

    def _candidates(self) -> Iterator[Candidate]:
        for group, other in product(self.groups, self.groups):
            named, best = {"Encoder": group.label, "Against": other.label}, group.best
            if other.may_stand_for(group):
                for readout, run in group.runs.items():
                    yield named | {"Readout": label_of(run)}, run, other.runs.get(readout)
            elif group.pretrained and other.first.info.kind == "baseline" and best is not None:
                label = f"best on validation: {label_of(best)}"
                yield named | {"Readout": label}, best, other.best

    @property
    def metric(self) -> str:
        """The leading metric, in words."""
        info = self.every_run[0].info
        name = NAMES[info.validation.headline]
        return f"Macro {name}" if info.outcome in CLASSES else name

    @property
    def metrics(self) -> Metrics | None:
        """The metrics of the first run that was scored on the section's split."""
        return next((m for run in self.every_run if (m := run.info.metrics(self.split))), None)


def sections(runs: Iterable[SavedRun]) -> list[Section]:
    """The runs by task.

    Raises:
        InputError: When two runs fill the same cell, or are of two tasks of one name.
    """
    runs = list(runs)
    _require_one_meaning(runs)
    keyed = sorted(runs, key=_section_key)
    found = [list(members) for _, members in groupby(keyed, key=_section_key)]
    tasks = [members[0].info.task for members in found]
    names = [
        task if tasks.count(task) == 1 else f"{task}-{tasks[:place].count(task) + 1}"
        for place, task in enumerate(tasks)
    ]
    return [_section(name, members) for name, members in zip(names, found, strict=True)]


def _require_one_meaning(runs: Iterable[SavedRun]) -> None:
    """Refuse tasks of people's own that are called alike and have other labels."""
    first: dict[str, SavedRun] = {}
    for run in runs:
        other = first.setdefault(run.info.task, run)
        if other.info.labels != run.info.labels:
            raise InputError(
                f"{other.folder} and {run.folder} are of two tasks called {run.info.task}, with "
                "other labels; make one of them in a folder of another name, and probe it again"
            )


def _section_key(run: SavedRun) -> tuple[str, ...]:
    info = run.info
    stores = (info.hashes.store, info.hashes.trained_on or "")
    return info.task, info.trained_on or "", info.source, *stores, str(info.rotations or "")


def _section(name: str, runs: list[SavedRun]) -> Section:
    split: SplitName = "test" if any(run.info.test for run in runs) else "validation"
    most: dict[str, int] = {}
    for run in runs:
        most[run.info.encoder.name] = max(leads_of(run), most.get(run.info.encoder.name, 0))
    reduced = [r for r in runs if r.info.fraction < 1 or leads_of(r) < most[r.info.encoder.name]]
    whole = sorted((run for run in runs if run not in reduced), key=_group_key)
    groups = [_group(list(members), split) for _, members in groupby(whole, key=_group_key)]
    first = runs[0].info
    return Section(
        task=first.task,
        source=f"{first.source}, cross-fitted" if first.rotations else first.source,
        name=name,
        split=split,
        groups=_tell_apart(groups),
        reduced=tuple(reduced),
        trained_on=first.trained_on,
    )


def leads_of(run: SavedRun) -> int:
    """Number of leads that a run read."""
    return len(run.info.leads)


def _group_key(run: SavedRun) -> tuple[bool, bool, bool, str, str, str, str, int, int]:
    info, encoder = run.info, run.info.encoder
    return (
        info.kind == "baseline",
        encoder.random,
        encoder.mixture == "mean",
        encoder.name,
        encoder.hash or "",
        info.kind,
        info.head,
        info.common_width or 0,
        info.splits["train"].records if "train" in info.splits else 0,
    )


def _group(members: Sequence[SavedRun], split: SplitName) -> Group:
    cells: dict[str | int, SavedRun] = {}
    for run in sorted(members, key=_readout_order):
        cell = run.info.readout if run.info.layer is None else run.info.layer
        if cell in cells:
            raise InputError(
                f"{run.folder} and {cells[cell].folder} are the same readout of the same encoder "
                "and head; leave one of them out"
            )
        cells[cell] = run
    runs = {cell: run for cell, run in cells.items() if isinstance(cell, str)}
    layers = {cell: run for cell, run in cells.items() if isinstance(cell, int)}
    first = members[0].info
    kind = {"probe": "frozen", "finetune": "fine-tuned", "baseline": ""}[first.kind]
    mapped = f"layers mapped to {first.common_width} dimensions" if first.common_width else ""
    parts = (describe_encoder(members[0]), kind, mapped, f"{first.head} head")
    return Group(" · ".join(filter(None, parts)), runs, layers, split)


def _readout_order(run: SavedRun) -> tuple[int, str, int]:
    places = {readout: place for place, readout in enumerate(READOUTS)}
    return places.get(run.info.readout, len(places)), run.info.readout, run.info.layer or 0


def _tell_apart(groups: Sequence[Group]) -> tuple[Group, ...]:
    """Add the encoder's hash and the training records where a label stands for several groups."""
    labels = [group.label for group in groups]
    return tuple(
        replace(group, label=f"{group.label} ({_detail(group.first.info)})")
        if labels.count(group.label) > 1
        else group
        for group in groups
    )


def _detail(info: Run) -> str:
    records = info.splits["train"].records if "train" in info.splits else "?"
    return f"{(info.encoder.hash or 'no hash')[:8]}, {records} training records"
