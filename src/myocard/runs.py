"""Runs as people hold them: a list that is also a table, scored anew, and shown in notebooks."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from html import escape
from pathlib import Path
from typing import Any, SupportsIndex, overload

import pandas as pd

from myocard.errors import InputError
from myocard.metrics.outcomes import NAMES
from myocard.metrics.summary import Metrics
from myocard.results import saved
from myocard.results.compare.comparisons import Group, Section, sections
from myocard.results.compare.names import describe_encoder, label_of
from myocard.results.frame import frame
from myocard.results.measures import Of
from myocard.results.rescoring import rescore
from myocard.results.run import Run
from myocard.results.saved import SavedRun

_MOST = 40
"""Rows of a table in a notebook."""
_STYLE = "background:#fff;color:#22262b;padding:.5em;overflow-x:auto;font:13px sans-serif"


class OpenRun(SavedRun):
    """A run that shows itself where it ends the cell of a notebook."""

    def _repr_html_(self) -> str:
        info = self.info
        about = f"{describe_encoder(self)} · {label_of(self)} · {info.head} head"
        found = {"validation": info.validation} | ({"test": info.test} if info.test else {})
        sizes = ", ".join(
            f"{name} {size.records} records of {size.patients} patients"
            for name, size in info.splits.items()
        )
        parts = [f"<p><b>{escape(info.task)}, {escape(info.source)}</b>: {escape(about)}</p>"]
        parts.append(f"<p>{escape(sizes)}; {len(info.seeds)} seeds. {escape(str(self.folder))}</p>")
        parts.append(_table(_by_output(found)))
        if info.layer_weights is not None and len(info.layer_weights.mean) > 1:
            parts.append(_figure("layer_weights", self))
        return _page(parts)


class Runs(list[OpenRun]):
    """Runs in the order of their places: a list with a table, new scores and a picture."""

    @overload
    def __getitem__(self, place: SupportsIndex) -> OpenRun: ...
    @overload
    def __getitem__(self, place: slice) -> "Runs": ...
    def __getitem__(self, place: SupportsIndex | slice) -> "OpenRun | Runs":
        """The run at a place, or the runs of a slice."""
        if isinstance(place, slice):
            return Runs(super().__getitem__(place))
        return super().__getitem__(place)

    def frame(self, *, test: bool = False) -> pd.DataFrame:
        """A row for each run, as ``results.frame`` has it; of validation, unless ``test``."""
        return frame(self, "test" if test else "validation")

    def where(self, **wanted: Any) -> "Runs":
        """The runs whose columns in ``frame`` have these values: ``where(readout="pma")``.

        Raises:
            InputError: For a column that ``frame`` does not have.
        """
        table = self.frame()
        lacking = [column for column in wanted if self and column not in table]
        if lacking:
            raise InputError(f"no column {lacking[0]!r}; choose from {', '.join(map(str, table))}")
        told = zip(
            self, table.astype(object).where(table.notna(), None).to_dict("records"), strict=True
        )
        return Runs(run for run, line in told if wanted.items() <= line.items())

    def rescore(
        self,
        metric: str | Of | Sequence[str | Of] | None = None,
        *,
        subgroups: Sequence[str] = (),
        records: pd.DataFrame | Path | str | None = None,
        test: bool = False,
        resamples: int | None = None,
    ) -> pd.DataFrame:
        """Score the runs anew from their predictions, as ``results.rescoring.rescore`` says."""
        return rescore(
            self, metric=metric, subgroups=subgroups, records=records, test=test,
            resamples=resamples,
        )  # fmt: skip

    def _repr_html_(self) -> str:
        if not self:
            return _page(["<p>no runs</p>"])
        parts = []
        for section in sections(self):
            parts.append(f"<p><b>{escape(section.task)}, {escape(section.source)}</b></p>")
            if any(group.layers for group in section.groups):
                parts.append(_figure("layer_curve", section.runs))
            parts.append(_table(_by_readout(section)))
        return _page(parts)


class RunFolders(list[Path]):
    """The folders that a program wrote: a list of paths that shows the runs in them."""

    def _repr_html_(self) -> str:
        return load_runs(*self)._repr_html_()


def load_runs(*folders: Path | str) -> Runs:
    """Find the runs in and below some folders, with their predictions, by place.

    Raises:
        InputError: For a folder that does not exist, or a ``run.json`` that is not of this schema.
    """
    return Runs(map(_opened, saved.load_runs(*folders)))


def open_run(folder: Path | str) -> OpenRun:
    """Open the run in a folder.

    Raises:
        InputError: When there is none, or its ``run.json`` is not of this schema.
    """
    folder = Path(folder)
    return OpenRun(folder, folder.name, Run.read(folder))


def _opened(run: SavedRun) -> OpenRun:
    return OpenRun(**{each.name: getattr(run, each.name) for each in fields(run)})


def _by_readout(section: Section) -> pd.DataFrame:
    """A row for each readout of a section; of single layers, the one that is best on validation."""
    return pd.DataFrame(
        [
            {
                "Encoder": describe_encoder(run),
                "Readout": label,
                "Head": run.info.head,
                f"{section.metric}, {section.split} [95 %]": _text(group, run),
            }
            for group in section.groups
            for label, run in _named(group)
        ]
    )


def _named(group: Group) -> Iterator[tuple[str, SavedRun]]:
    if group.best_layer is not None:
        best = group.layers[group.best_layer]
        yield f"{label_of(best)}, best on validation", best
    yield from ((label_of(run), run) for run in group.runs.values())


def _text(group: Group, run: SavedRun) -> str:
    found = group.score(run)
    return "not scored" if found is None else found.text


def _by_output(found: Mapping[str, Metrics]) -> pd.DataFrame:
    """A row for each metric and output, a column for each split."""
    lines: dict[tuple[str, str], dict[str, str]] = {}
    for split, metrics in found.items():
        for name, score in metrics.scores.items():
            outputs = {"macro": score.macro} | score.by_class
            for output, each in outputs.items():
                line = lines.setdefault((name, output), {"Metric": NAMES[name], "Of": output})
                line[f"{split} [95 %]"] = each.text
    return pd.DataFrame(lines.values())


def _figure(name: str, drawn: SavedRun | Iterable[SavedRun]) -> str:
    # A table alone should not wait for matplotlib.
    from myocard import plot
    from myocard.plot.inline import inline

    return inline(lambda: getattr(plot, name)(drawn), name.replace("_", " ") + " of the runs")


def _table(shown: pd.DataFrame) -> str:
    more = f"<p>… and {len(shown) - _MOST} more rows</p>" if len(shown) > _MOST else ""
    with pd.option_context("display.max_colwidth", None):
        return shown.head(_MOST).to_html(index=False, border=0, na_rep="", justify="left") + more


def _page(parts: Sequence[str]) -> str:
    return f'<div style="{_STYLE}">{"".join(parts)}</div>'
