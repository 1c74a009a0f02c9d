"""Answer the paper's questions from the runs of `myocard benchmark ptbxl-local --test`.

    .venv/bin/python docs/experiments/answers.py out docs/results

Several encoders of one kind differ in their seed alone and are tested on the same records. A number
is the mean over them, its interval resamples patients, and its spread over encoders is beside it.
"""

import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from myocard.metrics.summary import difference, macro_resamples
from myocard.plot.canvas import BLUE, GREY, INK, VERMILION, canvas_of, to_svg
from myocard.results.saved import SavedRun, load_runs

POWER = 2.8
"""Standard errors that a true difference needs to be seen at 5 % with a power of 80 %."""
ROTATIONS = 3
"""Rotations in which a class has to be frequent enough, to be ordered among others."""
TASKS = {"ptbxl-superdiagnostic": "superclasses", "snomed-26": "SNOMED classes"}
OTHER = "cross-fitted, folds 1-5"
KINDS = {"plain": BLUE, "ipastmem": VERMILION, "random": GREY}
COMPARED = [
    ("best-layer", "last"),
    ("ppa", "last"),
    ("ppa", "best-layer"),
    ("scalar-mix", "best-layer"),
    ("class-mix", "best-layer"),
    ("class-mix", "scalar-mix"),
    ("concat", "best-layer"),
    ("gated-mix", "scalar-mix"),
    ("pma", "scalar-mix"),
]

Runs = dict[tuple[str, str, float, str, str], SavedRun]
"""By place, task, share of labels, encoder and readout."""


def kind_of(encoder: str) -> str:
    return encoder.split("-")[0]


def loaded(folder: Path) -> Runs:
    """Cross-fitted runs, and those that were carried to other sources."""
    found: Runs = {}
    for run in load_runs(folder / "results"):
        info = run.info
        where = "cross-fitted" if info.rotations else "carried" if info.trained_on else ""
        if where == "cross-fitted" and info.encoder.name.endswith("-b"):
            where = OTHER
        # Ridge heads are compared with these by ridge.py.
        if not where or info.test is None or info.head != "linear":
            continue
        readout = f"layer {info.layer}" if info.layer is not None else info.readout
        found[where, info.task, info.fraction, info.encoder.name, readout] = run
    chosen: dict[tuple[str, str, float, str], SavedRun] = {}
    for (where, task, share, encoder, readout), run in found.items():
        if where == "carried" and readout.startswith("layer "):
            key = where, task, share, encoder
            if key not in chosen or on_validation(run) > on_validation(chosen[key]):
                chosen[key] = run
    return found | {(*key, "best-layer"): run for key, run in chosen.items()}


def on_validation(run: SavedRun) -> float:
    return run.info.validation.main.macro.value or 0.0


def resamples(run: SavedRun) -> np.ndarray:
    predictions = run.predictions("test")
    patients = predictions.patients
    several = patients if len(set(patients)) < len(patients) else None
    return macro_resamples(predictions.targets, predictions.scores, groups=several, resamples=1000)


class Scores:
    """Macro AUROC of runs, on the same resamples of patients."""

    def __init__(self, runs: Runs) -> None:
        self.runs, self._known = runs, {}

    def of(self, key: tuple[str, str, float, str, str]) -> np.ndarray:
        if key not in self._known:
            self._known[key] = resamples(self.runs[key])
        return self._known[key]

    def encoders(self, where: str, task: str, share: float, kind: str, readout: str) -> list[str]:
        return sorted(
            e
            for (w, t, f, e, r) in self.runs
            if (w, t, f, r) == (where, task, share, readout) and kind_of(e) == kind
        )

    def mean(self, where: str, task: str, share: float, encoders: Iterable[str], readout: str):
        each = np.stack([self.of((where, task, share, e, readout)) for e in encoders])
        return each.mean(axis=0), each[:, 0]


def compared(scores: Scores, where: str, task: str, share: float) -> pd.DataFrame:
    """Readouts of each kind of encoder, against each other."""
    rows = []
    for kind in KINDS:
        for one, other in COMPARED:
            both = (scores.encoders(where, task, share, kind, each) for each in (one, other))
            encoders = sorted(set.intersection(*map(set, both)))
            if not encoders:
                continue
            first, alone = scores.mean(where, task, share, encoders, one)
            second, against = scores.mean(where, task, share, encoders, other)
            rows.append(
                {"task": task, "where": where, "labels": share, "encoder": kind}
                | {"readout": one, "against": other, "encoders": len(encoders)}
                | told(first, second, alone - against)
            )
    return pd.DataFrame(rows)


def told(first: np.ndarray, second: np.ndarray, by_encoder: np.ndarray) -> dict[str, float]:
    found = difference(first, second)
    spread = by_encoder.std(ddof=1) if len(by_encoder) > 1 else np.nan
    return {
        "auroc": first[0],
        "against_auroc": second[0],
        "difference": found.difference,
        "low": found.low,
        "high": found.high,
        "p": found.p,
        "detectable": POWER * found.se,
        "sd_over_encoders": spread,
    }


def objectives(scores: Scores, where: str, task: str, share: float) -> pd.DataFrame:
    """IPASTMEM and random weights against plain pretraining, readout by readout."""
    rows = []
    for readout in ("last", "best-layer", "ppa", "scalar-mix", "class-mix", "concat"):
        by_kind = {k: scores.encoders(where, task, share, k, readout) for k in KINDS}
        plain = by_kind["plain"]
        for kind in ("ipastmem", "random"):
            encoders = by_kind[kind]
            if not encoders or not plain:
                continue
            first, alone = scores.mean(where, task, share, encoders, readout)
            second, against = scores.mean(where, task, share, plain, readout)
            pairs = alone - against if len(alone) == len(against) else alone - against.mean()
            rows.append(
                {"task": task, "where": where, "labels": share, "encoder": kind}
                | {"readout": readout, "against": "plain", "encoders": len(encoders)}
                | told(first, second, pairs)
            )
    return pd.DataFrame(rows)


def curves(scores: Scores, where: str, task: str) -> pd.DataFrame:
    rows = []
    for kind in KINDS:
        layers = {r for (w, t, f, e, r) in scores.runs if r.startswith("layer ") and t == task}
        for readout in sorted(layers):
            for encoder in scores.encoders(where, task, 1.0, kind, readout):
                values = scores.of((where, task, 1.0, encoder, readout))
                low, high = np.nanquantile(values[1:], [0.025, 0.975])
                rows.append(
                    {"task": task, "kind": kind, "encoder": encoder}
                    | {"layer": int(readout.split()[1]), "auroc": values[0]}
                    | {"low": low, "high": high}
                )
    return pd.DataFrame(rows)


def by_class(scores: Scores, task: str) -> pd.DataFrame:
    """Where each class is read: shares of its own mixture in every rotation."""
    rows = []
    for (where, its_task, share, encoder, readout), run in scores.runs.items():
        if (where, its_task, share, readout) != ("cross-fitted", task, 1.0, "class-mix"):
            continue
        for rotation, mixture in enumerate(run.info.mixtures):
            step = mixture.path[mixture.chosen]
            own = {optimum.classes[0]: optimum.weights for optimum in mixture.optima}
            # Where cross-validation chose equal shares, every class has them.
            shared = dict.fromkeys(run.info.classes, step.weights)
            for name, shares in (own or shared).items():
                weights = np.array(shares)
                rows.append(
                    {"task": task, "kind": kind_of(encoder), "encoder": encoder}
                    | {"rotation": rotation, "class": name, "pull": step.pull}
                    | {"centre": weights @ np.arange(1, len(weights) + 1)}
                    | {f"layer_{k + 1}": weight for k, weight in enumerate(weights)}
                )
    return pd.DataFrame(rows)


def orders(classes: pd.DataFrame) -> pd.DataFrame:
    """Rank correlation of the classes' centres between encoders."""
    if classes.empty:
        return pd.DataFrame()
    grouped = classes.groupby(["encoder", "class"])["centre"]
    often = grouped.mean()[grouped.size() >= ROTATIONS]
    centres = often.unstack("encoder").dropna()
    rows = []
    for k, one in enumerate(centres):
        for other in list(centres)[k + 1 :]:
            found = spearmanr(centres[one], centres[other])
            rows.append(
                {"task": classes["task"].iloc[0], "encoder": one, "other": other}
                | {"classes": len(centres), "spearman": found.statistic, "p": found.pvalue}
            )
    return pd.DataFrame(rows)


def of_both_halves(table: pd.DataFrame) -> pd.DataFrame:
    """The mean difference over both halves of the folds, which share no patient."""
    rows = []
    for names, pair in table.groupby(["task", "labels", "encoder", "readout", "against"]):
        halves = pair.set_index("where").reindex(["cross-fitted", OTHER])
        if halves["difference"].notna().all():
            mean = halves["difference"].mean()
            error = np.sqrt(np.square(halves["detectable"] / POWER).sum()) / 2
            rows.append(
                [*names, *halves["difference"], mean, mean - 1.96 * error, mean + 1.96 * error]
            )
    columns = ["task", "labels", "encoder", "readout", "against", "folds_6_10", "folds_1_5"]
    return pd.DataFrame(rows, columns=[*columns, "difference", "low", "high"])


def draw_curves(table: pd.DataFrame, out: Path) -> None:
    tasks = [task for task in TASKS if task in set(table["task"])]
    with canvas_of(3.4 * len(tasks), 2.8) as canvas:
        for axes, task in zip(canvas.subplots(1, len(tasks), squeeze=False)[0], tasks, strict=True):
            for kind, colour in KINDS.items():
                rows = table[(table["task"] == task) & (table["kind"] == kind)]
                for _, one in rows.groupby("encoder"):
                    axes.plot(one["layer"], one["auroc"], color=colour, lw=0.8, alpha=0.5)
                mean = rows.groupby("layer")["auroc"].mean()
                axes.plot(mean.index, mean, color=colour, marker="o", ms=3, label=kind)
            axes.set_title(TASKS[task])
            axes.set_xlabel("Layer")
            axes.set_ylabel("Macro AUROC")
            axes.grid(axis="y")
        axes.legend(loc="lower right")
    svg = to_svg(canvas, "curves", "Macro AUROC of every layer")
    (out / "curves.svg").write_text(svg)


def draw_differences(table: pd.DataFrame, out: Path, name: str, title: str) -> None:
    """Differences with their intervals, one line each."""
    labels = [
        f"{row.readout} − {row.against}, {row.encoder}, {TASKS[row.task]}"
        if row.against != "plain"
        else f"{row.readout}: {row.encoder} − plain, {TASKS[row.task]}"
        for row in table.itertuples()
    ]
    with canvas_of(6.4, 0.19 * len(table) + 0.8) as canvas:
        axes = canvas.subplots()
        for place, row in enumerate(table.itertuples()):
            colour = KINDS[row.encoder]
            axes.plot([row.low, row.high], [place, place], color=colour, lw=1.4)
            axes.plot(row.difference, place, "o", color=colour, ms=4)
        axes.axvline(0, color=INK, lw=0.8)
        axes.set_yticks(range(len(labels)), labels, fontsize=7)
        axes.invert_yaxis()
        axes.set_xlabel("Difference in macro AUROC [95 %]")
        axes.grid(axis="x")
    (out / f"{name}.svg").write_text(to_svg(canvas, name, title))


def draw_classes(table: pd.DataFrame, out: Path, task: str) -> None:
    order = table.groupby("class")["centre"].mean().sort_values().index
    kinds = {kind: colour for kind, colour in KINDS.items() if kind in set(table["kind"])}
    with canvas_of(5.4, 0.24 * len(order) + 0.9) as canvas:
        axes = canvas.subplots()
        for shift, (kind, colour) in enumerate(kinds.items()):
            rows = table[table["kind"] == kind]
            for place, name in enumerate(order):
                centres = rows.loc[rows["class"] == name, "centre"]
                low, middle, high = centres.quantile([0.1, 0.5, 0.9])
                height = place + 0.2 * (shift - 1)
                axes.plot([low, high], [height, height], color=colour, lw=1.2)
                axes.plot(
                    middle, height, "o", color=colour, ms=3, label=kind if not place else None
                )
        axes.set_yticks(range(len(order)), order)
        axes.invert_yaxis()
        axes.set_xlabel("Layer that the class is read from (centre of its weights)")
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=len(kinds))
        axes.grid(axis="x")
    (out / f"classes-{task}.svg").write_text(to_svg(canvas, f"classes-{task}", "Layers by class"))


def main() -> None:
    runs, out = loaded(Path(sys.argv[1])), Path(sys.argv[2])
    out.mkdir(parents=True, exist_ok=True)
    scores = Scores(runs)
    settings = sorted({key[:3] for key in runs})
    tables = {
        "readouts": pd.concat([compared(scores, *each) for each in settings]),
        "objectives": pd.concat([objectives(scores, *each) for each in settings]),
        "curves": pd.concat([curves(scores, "cross-fitted", task) for task in TASKS]),
        "classes": pd.concat([by_class(scores, task) for task in TASKS]),
        "orders": pd.concat([orders(by_class(scores, task)) for task in TASKS]),
    }
    compared_all = pd.concat([tables["readouts"], tables["objectives"]])
    tables["halves"] = of_both_halves(compared_all.query("where != 'carried'"))
    for name, table in tables.items():
        table.round(4).to_csv(out / f"{name}.csv", index=False)
        print(f"{name}: {len(table)} rows")
    draw_curves(tables["curves"], out)
    whole = tables["readouts"].query("where == 'cross-fitted' and labels == 1")
    draw_differences(whole, out, "readouts", "Readouts compared")
    draw_differences(
        tables["objectives"].query("where == 'cross-fitted' and labels == 1"),
        out, "objectives", "Objectives compared",
    )  # fmt: skip
    for task, rows in tables["classes"].groupby("task"):
        draw_classes(rows, out, str(task))


if __name__ == "__main__":
    main()
