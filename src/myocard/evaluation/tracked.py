"""Evaluation runs in an experiment tracker: settings, metrics with intervals, files."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from myocard.files.manifest import file_hash
from myocard.metrics.summary import Estimate
from myocard.plot.canvas import canvas_of
from myocard.plot.curves import curve, draw_curve, layered, limits_of
from myocard.results.compare.comparisons import Group, Section, sections
from myocard.results.frame import identity
from myocard.results.run import RUN, Run
from myocard.results.saved import SavedRun, load_runs
from myocard.training.trackers import is_logged, open_tracker
from myocard.training.tracking import Tracking, flat

_EXPERIMENT = "evaluation"


def track_runs(tracking: Tracking, folders: Sequence[Path]) -> int:
    """Log the runs in and below some folders, each once, with the layer curves that they are in.

    Args:
        tracking: The tracker.
        folders: Folders that hold runs.

    Returns:
        The number of runs that were logged now.

    Raises:
        InputError: When the tracker cannot be reached, or two runs are the same readout.
    """
    logged = 0
    for section in sections(load_runs(*folders)):
        for run, group in _with_groups(section):
            key = file_hash(run.folder / RUN)
            if not is_logged(tracking, run.info.name, _EXPERIMENT, key):
                _log(tracking, run, key, None if group is None else _curve(section, group))
                logged += 1
    return logged


def _with_groups(section: Section) -> Iterator[tuple[SavedRun, Group | None]]:
    """Every run, and the group of the layer curve that it belongs to."""
    for group in section.groups:
        for run in group.every_run:
            yield run, group if group.layers else None
    yield from ((run, None) for run in section.reduced)


def _log(tracking: Tracking, run: SavedRun, key: str, figure: Figure | None) -> None:
    info = run.info
    opened = open_tracker(tracking, info.name, _EXPERIMENT, key=key)
    settings = {name: value for name, value in identity(run).items() if name != "layer"}
    layer = {} if info.layer is None else {"layer": info.layer}
    about = {
        "seeds": ",".join(map(str, info.seeds)),
        "penalties": ",".join(f"{choice.penalty:g}" for choice in info.chosen),
        "encoder_hash": info.encoder.hash,
        "store_hash": info.hashes.store,
        "command": info.command,
        "recipe": info.recipe.model_dump(mode="json"),
    }
    opened.log_hyperparams(flat(settings | layer | about))
    opened.log_metrics(dict(_numbers(info)), 0)
    if figure is not None:
        opened.log_figure("layer_curve", figure, 0)
    # The last one: it tells that all is there.
    opened.log_file(run.folder / RUN)
    opened.finalize("success")


def _numbers(info: Run) -> Iterator[tuple[str, float]]:
    """Every metric of every split with the ends of its interval."""
    for split in ("validation", "test"):
        metrics = info.metrics(split)
        for name, score in metrics.scores.items() if metrics else ():
            yield from _ends(f"{split}/{name}", score.macro)
            for output, each in score.by_class.items():
                yield from _ends(f"{split}/{name}/{output}", each)


def _ends(name: str, found: Estimate) -> Iterator[tuple[str, float]]:
    for end, value in (("", found.value), ("_low", found.low), ("_high", found.high)):
        if value is not None:
            yield f"{name}{end}", value


def _curve(section: Section, group: Group) -> Figure:
    """The layer curve of a group."""
    limits = limits_of(map(curve, layered(section)))
    with canvas_of(5.4, 3.3) as canvas:
        draw_curve(canvas.subplots(), section, group, [], limits)
        canvas.legend(loc="outside lower center", ncols=4, handlelength=1.4, columnspacing=1.2)
    return canvas
