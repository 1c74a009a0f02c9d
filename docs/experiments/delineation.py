"""Delineation from every layer of ecg-nano and of openecg, against the simulator's own truth.

    pip install --no-deps openecg opendsp
    python docs/experiments/delineation.py OUT docs/results [RECORDS]

In contrast to LUDB's layout, every wave of a record is known to its first and last second, and a
patient's records share a fold. OUT gets stores, and a `delineation.json` for each encoder and for
its random weights; `myocard report OUT/delineation` draws them. Finished ones are kept.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from true_sizes import has_openecg, openecg

from myocard.cli.progress import shown
from myocard.data.preparation import Wanted, prepare
from myocard.encoders.protocol import ECGEncoder
from myocard.evaluation.delineation import delineate
from myocard.metrics.boundaries import TOLERANCES
from myocard.models.checkpoint import load_encoder
from myocard.plot.canvas import BLUE, PURPLE, VERMILION, canvas_of, to_svg
from myocard.report.drawing import write_numbers
from myocard.results.delineation import MEAN, DelineationMeasures
from myocard.simulation import entries, simulate

SEED = 3
COLOURS = dict(zip(TOLERANCES, (PURPLE, BLUE, VERMILION), strict=True))


def encoders() -> Iterator[ECGEncoder]:
    yield load_encoder(Path("ecg-nano"))
    if has_openecg():
        yield openecg()


def delineated(encoder: ECGEncoder, out: Path, records: int) -> list[DelineationMeasures]:
    """Prepare, simulate the truth of each record, and delineate; then with random weights."""
    expected, name = encoder.input, encoder.info.name
    wanted = Wanted(expected.rate, 10.0, expected.leads, expected.band)
    listed = entries(records, SEED)
    store = prepare(listed, out / "stores" / name, wanted, source="simulator", jobs=1)
    numbers = [int(record[1:]) for record in store.records["id"]]
    hearts = [simulate(SEED, number, rate=50).delineation for number in numbers]
    waves = [dict.fromkeys(expected.leads, heart) for heart in hearts]
    found = []
    with shown() as progress:
        for each in (encoder, encoder.randomised(0)):
            folder = out / "delineation" / each.info.name
            delineate(each, store, waves, folder, test=True, progress=progress)
            found.append(DelineationMeasures.read(folder))
    return found


def lines(found: DelineationMeasures) -> list[dict[str, object]]:
    """Return F1 of all boundaries, of each, and of beats, by layer and tolerance."""
    return [
        {"encoder": found.encoder.name, "layer": each.layer, "event": each.event,
         "tolerance": each.tolerance, "f1": each.f1.value, "low": each.f1.low,
         "high": each.f1.high, "best": each.layer == found.best_layer}
        for each in found.accuracy
    ]  # fmt: skip


def drawn(table: pd.DataFrame, out: Path) -> None:
    """Draw F1 of all boundaries by layer, and beside it that of random weights."""
    names = [name for name in table["encoder"].unique() if not name.startswith("random-")]
    whole = table[table["event"] == MEAN]
    with canvas_of(3.6 * len(names), 3.3) as canvas:
        panels = canvas.subplots(1, len(names), sharey=True, squeeze=False)[0]
        for axes, name in zip(panels, names, strict=True):
            draw_one(axes, whole[whole["encoder"] == name], "solid", " ms")
            random = whole[whole["encoder"] == f"random-{name}-0"]
            draw_one(axes, random, (0, (4, 2)), " ms, random weights")
            axes.set_title(name)
            axes.set_xlabel("Layer (0: embedding)")
            axes.grid(axis="y")
        panels[0].set_ylabel("F1, mean of six boundaries [95 %]")
        canvas.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=2,
                      fontsize=8)  # fmt: skip
    svg = to_svg(canvas, "delineation", "F1 of boundaries by layer")
    (out / "delineation.svg").write_text(svg)


def draw_one(axes: Axes, own: pd.DataFrame, style: object, words: str) -> None:
    for tolerance, colour in COLOURS.items():
        rows = own[own["tolerance"] == tolerance]
        axes.fill_between(rows["layer"], rows["low"], rows["high"], color=colour, alpha=0.12, lw=0)
        axes.plot(rows["layer"], rows["f1"], color=colour, ls=style, lw=1.3,
                  label=f"{tolerance}{words}")  # fmt: skip


def main(out: Path, results: Path, records: int) -> None:
    found = [each for encoder in encoders() for each in delineated(encoder, out, records)]
    table = pd.DataFrame([line for each in found for line in lines(each)]).round(4)
    write_numbers(table, results / "delineation.csv")
    drawn(table, results)
    for each in found:
        for gain in each.gains:
            print(each.encoder.name, "best", each.best_layer, "less last,", gain)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 600)
