"""Runs put side by side: by task, by encoder and head, and each against the last layer."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, product

from myocard.errors import InputError
from myocard.report.names import READOUTS, describe_encoder, label_of
from myocard.report.pairs import Difference, compare
from myocard.report.runs import Metrics, Run, Split

BEST_LAYER = "best layer on validation"


@dataclass(frozen=True)
class Row:
    """One readout of one encoder.

    Attributes:
        label: What was read, in words.
        run: The run.
        against_last: Against the last layer of the same group; None for the last layer itself, and
            where no such run was scored on the same records.
    """

    label: str
    run: Run
    against_last: Difference | None


@dataclass(frozen=True)
class Group:
    """The readouts of one encoder under one kind of training and one head.

    Attributes:
        label: Encoder, training and head, in words.
        runs: By readout; single layers are apart.
        layers: The runs that read a single layer, by layer.
        best_layer: Of ``layers``, the one with the highest macro AUROC on *validation*.
        split: What the section is scored on.
    """

    label: str
    runs: dict[str, Run]
    layers: dict[int, Run]
    split: Split

    @property
    def first(self) -> Run:
        return next(iter([*self.runs.values(), *self.layers.values()]))

    @property
    def family(self) -> tuple[str, str | None, str, str]:
        """What is the same encoder, training and head on every task."""
        states = self.first.states
        return states.encoder.name, states.encoder.hash, states.kind, states.head

    @property
    def random(self) -> bool:
        return self.first.states.encoder.random

    @property
    def pretrained(self) -> bool:
        return not self.random and self.first.states.kind != "baseline"

    @property
    def head(self) -> str:
        return self.first.states.head

    def may_stand_for(self, other: "Group") -> bool:
        """Whether this is what ``other``'s pretraining should be held against.

        The same size, training and head with random weights; or, for IPASTMEM, plain pretraining
        that is known to differ in nothing else.
        """
        mine, states = self.first.states, other.first.states
        if (mine.kind, mine.head) != (states.kind, states.head) or other.random:
            return False
        ours, theirs = mine.encoder, states.encoder
        if (ours.layers, ours.width) != (theirs.layers, theirs.width):
            return False
        alike = ours.pretraining is not None and ours.pretraining == theirs.pretraining
        return self.random or ((ours.mixture, theirs.mixture) == ("last", "mean") and alike)

    @property
    def best_layer(self) -> int | None:
        best = _best_on_validation(self.layers.values())
        return None if best is None else best.states.layer

    @property
    def best(self) -> Run | None:
        """Of all its readouts, the one with the highest macro AUROC on *validation*."""
        return _best_on_validation([*self.runs.values(), *self.layers.values()])

    def rows(self) -> list[Row]:
        """The rows of the readouts' table: the best layer stands below the last."""
        named = [(READOUTS.get(readout, readout), run) for readout, run in self.runs.items()]
        if self.best_layer is not None:
            best = (f"{BEST_LAYER} ({self.best_layer})", self.layers[self.best_layer])
            named.insert(int("last" in self.runs), best)
        last = self.runs.get("last")
        return [
            Row(label, run, compare(run, last, self.split) if last not in (None, run) else None)
            for label, run in named
        ]


def _best_on_validation(runs: Iterable[Run]) -> Run | None:
    values = ((run.states.validation.auroc.macro.value, run) for run in runs)
    scored = [(value, run) for value, run in values if value is not None]
    return max(scored, key=lambda pair: pair[0])[1] if scored else None


@dataclass(frozen=True)
class Match:
    """One encoder held against another, or against a model without one.

    Attributes:
        encoder: What it is called.
        against: What the other is called.
        readout: What is read of the encoder, in words.
        run: The encoder's run.
        against_run: The other's.
        found: Their paired difference.
    """

    encoder: str
    against: str
    readout: str
    run: Run
    against_run: Run
    found: Difference


@dataclass(frozen=True)
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
    split: Split
    groups: tuple[Group, ...]
    reduced: tuple[Run, ...]
    trained_on: str | None = None

    @property
    def runs(self) -> list[Run]:
        return [run for g in self.groups for run in [*g.runs.values(), *g.layers.values()]]

    @property
    def every_run(self) -> list[Run]:
        return [*self.runs, *self.reduced]

    def matches(self) -> Iterator[Match]:
        """Each encoder against what it should beat.

        Those of its size, under every readout that both have; and models without an encoder, with
        the readout that is best on validation.
        """
        for group, other in product(self.groups, self.groups):
            if other.may_stand_for(group):
                for readout, run in group.runs.items():
                    words, against = READOUTS.get(readout, readout), other.runs.get(readout)
                    yield from self._match(group, other, words, run, against)
            elif group.pretrained and other.first.states.kind == "baseline":
                best = group.best
                if best is not None:
                    words = f"best on validation: {label_of(best)}"
                    yield from self._match(group, other, words, best, other.best)

    def _match(
        self, group: Group, other: Group, words: str, run: Run, against: Run | None
    ) -> Iterator[Match]:
        found = compare(run, against, self.split)
        if found is not None and against is not None:
            yield Match(group.label, other.label, words, run, against, found)

    @property
    def metrics(self) -> Metrics | None:
        """The metrics of the first run that was scored on the section's split."""
        return next((m for run in self.runs if (m := run.states.metrics(self.split))), None)


def sections(runs: Iterable[Run]) -> list[Section]:
    """The runs by task.

    Raises:
        InputError: When two runs fill the same cell.
    """
    keyed = sorted(runs, key=_section_key)
    found = [list(members) for _, members in groupby(keyed, key=_section_key)]
    tasks = [members[0].states.task for members in found]
    names = [
        task if tasks.count(task) == 1 else f"{task}-{tasks[:place].count(task) + 1}"
        for place, task in enumerate(tasks)
    ]
    return [_section(name, members) for name, members in zip(names, found, strict=True)]


def _section_key(run: Run) -> tuple[str, ...]:
    states = run.states
    stores = (states.hashes.get(name, "") for name in ("store", "trained_on"))
    return states.task, states.trained_on or "", states.source, *stores


def _section(name: str, runs: list[Run]) -> Section:
    split: Split = "test" if any(run.states.test for run in runs) else "validation"
    most: dict[str, int] = {}
    for run in runs:
        most[run.states.encoder.name] = max(leads_of(run), most.get(run.states.encoder.name, 0))
    reduced = [
        r for r in runs if r.states.fraction < 1 or leads_of(r) < most[r.states.encoder.name]
    ]
    whole = sorted((run for run in runs if run not in reduced), key=_group_key)
    groups = [_group(list(members), split) for _, members in groupby(whole, key=_group_key)]
    first = runs[0].states
    named = tuple(_tell_apart(groups))
    reduced_runs = tuple(reduced)
    return Section(first.task, first.source, name, split, named, reduced_runs, first.trained_on)


def leads_of(run: Run) -> int:
    """How many leads a run read: all twelve unless it says so."""
    return 12 if run.states.leads is None else len(run.states.leads)


def _group_key(run: Run) -> tuple[bool, bool, bool, str, str, str, str, int]:
    states, encoder = run.states, run.states.encoder
    return (
        states.kind == "baseline",
        encoder.random,
        encoder.mixture == "mean",
        encoder.name,
        encoder.hash or "",
        states.kind,
        states.head,
        int(states.splits.get("train", {}).get("records", 0)),
    )


def _group(members: Sequence[Run], split: Split) -> Group:
    cells: dict[str | int, Run] = {}
    for run in sorted(members, key=_readout_order):
        cell = run.states.readout if run.states.layer is None else run.states.layer
        if cell in cells:
            raise InputError(
                f"{run.folder} and {cells[cell].folder} are the same readout of the same encoder "
                "and head; leave one of them out"
            )
        cells[cell] = run
    runs = {cell: run for cell, run in cells.items() if isinstance(cell, str)}
    layers = {cell: run for cell, run in cells.items() if isinstance(cell, int)}
    kind = {"probe": "frozen", "finetune": "fine-tuned", "baseline": ""}[members[0].states.kind]
    parts = (describe_encoder(members[0]), kind, f"{members[0].states.head} head")
    return Group(" · ".join(filter(None, parts)), runs, layers, split)


def _readout_order(run: Run) -> tuple[int, str, int]:
    known = [*READOUTS]
    readout = run.states.readout
    place = known.index(readout) if readout in known else len(known)
    return place, readout, run.states.layer or 0


def _tell_apart(groups: list[Group]) -> list[Group]:
    """Add the encoder's hash and the training records where a label stands for several groups."""
    labels = [group.label for group in groups]
    return [group if labels.count(group.label) == 1 else _with_detail(group) for group in groups]


def _with_detail(group: Group) -> Group:
    states = group.first.states
    records = states.splits.get("train", {}).get("records", "?")
    detail = f"{(states.encoder.hash or 'no hash')[:8]}, {records} training records"
    return Group(f"{group.label} ({detail})", group.runs, group.layers, group.split)
