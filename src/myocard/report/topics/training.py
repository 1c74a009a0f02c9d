"""Training: losses by step, reconstructions, and the effective rank of every checkpoint."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd
from pydantic import BaseModel, ValidationError

from myocard.errors import InputError
from myocard.plot.canvas import BLUE, canvas_of, to_svg
from myocard.report.blocks import Block, Chapter, Gallery, Words
from myocard.report.drawing import Figure
from myocard.report.topics.traces import reconstruction
from myocard.results.saved import find_files


class Spread(BaseModel):
    """The effective rank of the last layer's states of some records, from a ``config.json``."""

    value: float
    bound: float
    width: int
    records: int

    @property
    def words(self) -> Words:
        text = (
            f"effective rank (RankMe) of the last layer's states {self.value:.1f} of {self.width}, "
            f"over {self.records} records of the corpus."
        )
        if self.value >= self.bound:
            return Words(text, "facts")
        collapsed = f"Collapsed: below {self.bound:g}, all records have nearly the same states."
        return Words(f"{text} {collapsed}", "warn")


def chapters(paths: Sequence[Path]) -> list[Chapter]:
    """The chapter of training, if there is anything to tell."""
    losses = _each(paths, "log.jsonl", "loss", loss_curve)
    traces = _each(paths, "reconstruction.npz", "reconstruction", reconstruction)
    if not losses and not traces:
        return []
    blocks: list[Block] = [
        Words(f"{place}: {spread.words.text}", spread.words.tone)
        for place, spread in spreads(paths)
    ]
    blocks += [Gallery(traces, wide=True), Gallery(losses)]
    return [Chapter("pretraining", "Training", blocks)]


def _each(
    paths: Sequence[Path], name: str, stem: str, draw: Callable[[Path, str, str], Figure]
) -> list[Figure]:
    files = find_files(paths, name)
    return [draw(file, place, f"{stem}-{i}") for i, (file, place) in enumerate(files, start=1)]


def spreads(paths: Sequence[Path]) -> list[tuple[str, Spread]]:
    """The places of checkpoints in and below ``paths``, and how spread their states are.

    Raises:
        InputError: For a ``config.json`` that is not a checkpoint's.
    """
    found = []
    for path, place in find_files(paths, "config.json"):
        try:
            stated = json.loads(path.read_text()).get("origin", {}).get("effective_rank")
            if stated is not None:
                found.append((place, Spread.model_validate(stated)))
        except (ValueError, AttributeError, RecursionError, ValidationError) as error:
            raise InputError(f"{path}: not a checkpoint's; give another folder") from error
    return found


def loss_curve(log: Path, place: str, name: str) -> Figure:
    """The losses of one ``log.jsonl``."""
    table = _read_log(log)
    with canvas_of(5.4, 2.5) as canvas:
        axes = canvas.subplots()
        axes.plot(table["step"], table["loss"], color=BLUE, lw=1.2)
        axes.set(xlabel="Step", ylabel="Loss")
        axes.set_xlim(left=0)
        axes.grid(axis="y")
    svg = to_svg(canvas, name, f"Loss by step, {place}")
    last = table.iloc[-1]
    caption = f"{place}: loss by step; {last['loss']:.4f} at step {int(last['step'])}, the last."
    return Figure(name, caption, svg, table)


def _read_log(log: Path) -> pd.DataFrame:
    try:
        table = pd.DataFrame([json.loads(line) for line in log.read_text().splitlines()])
        return table.dropna(subset=["step", "loss"])
    except (ValueError, KeyError) as error:
        raise InputError(
            f'{log}: not a log; each line is a JSON object with "step" and "loss"'
        ) from error
