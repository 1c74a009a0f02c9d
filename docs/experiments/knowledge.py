"""Measure what each layer knows of the ECG, and what of a diagnosis is left when that is erased.

    pip install neurokit2
    .venv/bin/python docs/experiments/knowledge.py out docs/results ENCODER [ENCODER …]

``out`` is that of `myocard benchmark ptbxl-local`, whose encoders are read. Quantities of simulated
records are the simulator's; those of PTB-XL (folds 6 to 10 of ``ptbxl_100``, in mV) are NeuroKit2's
(Makowski et al. 2021; discrete wavelets on lead II), at 100 Hz, and limb-lead geometry.
"""

import os
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from myocard.data.leaks import nothing_known
from myocard.data.preparation import prepare, prepare_folder
from myocard.data.preparation.examination import Wanted
from myocard.data.sources import entries as entries_of
from myocard.data.store import Store
from myocard.encoders.protocol import ECGEncoder
from myocard.evaluation.features import Features, extract
from myocard.evaluation.layers.knowledge import eraser, explained, fitted, identity
from myocard.metrics.scores import auroc, bootstrap_counts, macro
from myocard.models.checkpoint import load_encoder
from myocard.plot.canvas import BLUE, GREY, VERMILION, canvas_of, to_svg
from myocard.recipe import ProbeRecipe, check
from myocard.record import Record
from myocard.simulation import entries, simulate
from myocard.tasks.cohort import assemble_for
from myocard.training.loop import seeded

SIMULATED = 1500
RESAMPLES = 1000
TASK = "ptbxl-superdiagnostic"
FAMILIES = {"plain": BLUE, "ipastmem": VERMILION, "random": GREY}
TITLES = {
    "heart_rate": "Heart rate",
    "pr": "PR interval",
    "qrs": "QRS width",
    "qt": "QT interval",
    "axis": "QRS axis",
    "st": "ST level, V2",
    "r": "R amplitude, V5",
    "diagnosis": "Diagnosis",
    "left": "Diagnosis, these erased",
    "identity": "Patient identity",
}
ANGLES = {"axis": ("axis_sin", "axis_cos")}


def simulated_truth(index: int) -> dict[str, float]:
    """The simulator's quantities of a record; ST and R are read off its signal at known beats."""
    truth = simulate(0, index, rate=500.0)
    lead = {name: truth.record.signal[row] for row, name in enumerate(truth.record.leads)}
    angle = np.deg2rad(truth.qrs_axis)
    return {
        "heart_rate": truth.heart_rate,
        "pr": np.nan if truth.pr is None else truth.pr,
        "qrs": truth.qrs,
        "qt": truth.qt,
        "axis_sin": np.sin(angle),
        "axis_cos": np.cos(angle),
        **amplitudes(lead, np.array(truth.beats), truth.qrs, 500.0),
    }


def amplitudes(
    lead: dict[str, np.ndarray], beats: np.ndarray, width: float, rate: float
) -> dict[str, float]:
    """Median ST level 60 ms behind QRS in V2, and R in V5, against the level before QRS (mV)."""
    if not np.isfinite(width):
        return {}
    inside = beats[(beats > 0.3) & (beats < len(lead["V2"]) / rate - 0.3)]
    before = ((inside - width / 2 - 0.03) * rate).astype(int)
    behind = ((inside + width / 2 + 0.06) * rate).astype(int)
    around = np.arange(-int(0.06 * rate), int(0.06 * rate) + 1)
    peaks = lead["V5"][(inside * rate).astype(int)[:, None] + around].max(axis=1)
    return {
        "st": float(np.median(lead["V2"][behind] - lead["V2"][before])),
        "r": float(np.median(peaks - lead["V5"][before])),
    }


def delineated(record: Record) -> dict[str, float]:
    """NeuroKit2's quantities of a record in mV; NaN where it finds none."""
    import neurokit2 as nk

    lead = {name: record.signal[row] for row, name in enumerate(record.leads)}
    rate = int(record.rate)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            cleaned = nk.ecg_clean(lead["II"], sampling_rate=rate)
            _, found = nk.ecg_peaks(cleaned, sampling_rate=rate)
            beats = np.asarray(found["ECG_R_Peaks"])
            _, waves = nk.ecg_delineate(cleaned, beats, sampling_rate=rate, method="dwt")
    except (ValueError, IndexError, ZeroDivisionError):
        return {}
    if len(beats) < 4:
        return {}
    onset, offset = (np.array(waves[f"ECG_R_{end}"], float) for end in ("Onsets", "Offsets"))
    width = np.nanmedian(offset - onset) / rate
    net = [np.nanmedian(_areas(lead[name], onset, offset)) for name in ("I", "aVF")]
    # aVF is augmented: its lead vector is shorter by the square root of three quarters.
    angle = np.arctan2(net[1] * 2 / np.sqrt(3), net[0])
    return {
        "heart_rate": 60 * rate / np.median(np.diff(beats)),
        "pr": np.nanmedian(onset - np.array(waves["ECG_P_Onsets"], float)) / rate,
        "qrs": width,
        "qt": np.nanmedian(np.array(waves["ECG_T_Offsets"], float) - onset) / rate,
        "axis_sin": np.sin(angle),
        "axis_cos": np.cos(angle),
        **amplitudes(lead, beats / rate, width, rate),
    }


def _areas(lead: np.ndarray, onset: np.ndarray, offset: np.ndarray) -> list[float]:
    whole = np.isfinite(onset) & np.isfinite(offset)
    pairs = zip(onset[whole].astype(int), offset[whole].astype(int), strict=True)
    return [float((lead[a : b + 1] - lead[a]).sum()) for a, b in pairs] or [np.nan]


def cached(path: Path, make: Callable[[], pd.DataFrame]) -> pd.DataFrame:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        make().to_csv(path)
    return pd.read_csv(path, index_col=0, dtype={"id": str})


def simulated_store(out: Path, like: ECGEncoder) -> tuple[Store, pd.DataFrame]:
    wanted = Wanted(like.input.rate, 10.0, like.input.leads, like.input.band)
    store = prepare(entries(SIMULATED, 0), out / "stores" / "simulated", wanted, source="sim")
    table = cached(out / "knowledge" / "simulated.csv", lambda: pd.DataFrame(
        [simulated_truth(index) for index in range(SIMULATED)],
        index=[f"A{index:06d}" for index in range(SIMULATED)],
    ))  # fmt: skip
    return store, table


def real_store(out: Path, like: ECGEncoder) -> tuple[Store, pd.DataFrame]:
    folder = Path(os.environ["MYOCARD_DATA"]) / "ptbxl_100"
    store = prepare_folder("ptbxl-100", folder, out / "stores" / "ptbxl_mv", like.input)
    listed = [e for e in entries_of("ptbxl-100", folder) if e.fold is not None and e.fold > 5]
    table = cached(out / "knowledge" / "ptbxl.csv", lambda: pd.DataFrame(
        [delineated(entry.read()) for entry in listed], index=[entry.id for entry in listed]
    ))  # fmt: skip
    table.index = table.index.astype(str)
    return store, table


def measured(
    features: Features, table: pd.DataFrame, encoder: str, where: str
) -> list[dict[str, object]]:
    """R² of every quantity and layer, with an interval over patients."""
    records = features.records
    rows = np.flatnonzero(records["id"].isin(table.dropna().index))
    values = table.loc[records["id"].iloc[rows]].to_numpy(float)
    patients = records["patient"].iloc[rows].to_numpy(object)
    counts = bootstrap_counts(patients, records=len(rows), resamples=RESAMPLES)
    counts = np.vstack([np.ones(len(rows)), counts])
    names, lines = list(table.columns), []
    for layer, states in enumerate(features.states[rows].astype(float).transpose(1, 0, 2)):
        shares = explained(values, fitted(states, values, patients), counts)
        r2 = dict(zip(names, shares.T, strict=True))
        for angle, (sine, cosine) in ANGLES.items():
            r2[angle] = (r2.pop(sine) + r2.pop(cosine)) / 2
        lines += [
            line(where, encoder, layer, name, column, len(rows)) for name, column in r2.items()
        ]
    return lines


def line(
    where: str, encoder: str, layer: int, what: str, values: np.ndarray, records: int
) -> dict[str, object]:
    low, high = np.nanquantile(values[1:], [0.025, 0.975])
    return {
        "records": records, "where": where, "encoder": encoder, "layer": layer, "what": what,
        "value": values[0], "low": low, "high": high,
    }  # fmt: skip


def left_of_diagnosis(
    features: Features, table: pd.DataFrame, encoder: str
) -> list[dict[str, object]]:
    """Macro AUROC of superclasses from each layer: as it is, and less the quantities."""
    recipe = check(ProbeRecipe, {"task": TASK, "min_positives": 5}, "knowledge")
    cohort = assemble_for(recipe, features.records, nothing_known(features.records))
    ids = features.records["id"]
    chosen = np.sort(np.concatenate(list(cohort.rows.values())))
    rows = chosen[ids.iloc[chosen].isin(table.dropna().index)]
    targets = cohort.targets[rows].astype(float)
    values = table.loc[ids.iloc[rows]].to_numpy(float)
    patients = features.records["patient"].iloc[rows].to_numpy(object)
    counts = bootstrap_counts(patients, records=len(rows), resamples=200)
    counts = np.vstack([np.ones(len(rows)), counts])
    noise, lines = np.random.default_rng(0).normal(size=values.shape), []
    for layer, states in enumerate(features.states[rows].astype(float).transpose(1, 0, 2)):
        forms = {
            "diagnosis": states,
            "left": eraser(states, values)(states),
            "left, as much noise erased": eraser(states, noise)(states),
        }
        for what, form in forms.items():
            scores = macro(auroc(targets > 0, fitted(form, targets, patients), counts))
            lines.append(line("ptbxl", encoder, layer, what, scores, len(rows)))
    return lines


def of_patients(features: Features, encoder: str) -> list[dict[str, object]]:
    """Identity of repeated patients in folds that the encoder was not pretrained on."""
    rows = np.flatnonzero(features.records["fold"] > 5)
    patients = features.records["patient"].iloc[rows].to_numpy(object)
    lines = []
    for layer, states in enumerate(features.states[rows].astype(float).transpose(1, 0, 2)):
        found = identity(states, patients)
        repeated = np.isfinite(found)
        counts = bootstrap_counts(patients[repeated], records=repeated.sum(), resamples=RESAMPLES)
        counts = np.vstack([np.ones(repeated.sum()), counts])
        values = counts @ found[repeated] / counts.sum(axis=1)
        lines.append(line("ptbxl", encoder, layer, "identity", values, int(repeated.sum())))
    return lines


def drawn(table: pd.DataFrame, out: Path) -> None:
    """One panel for each quantity, a line for the mean of each family, on both kinds of records."""
    quantities = list(TITLES)[:7]
    rows = [("sim", quantities), ("ptbxl", quantities), ("ptbxl", list(TITLES)[7:])]
    family = table["encoder"].str.split("-").str[0]
    means = table.assign(family=family).groupby(["family", "where", "what", "layer"])
    means = means.mean(numeric_only=True).reset_index()
    with canvas_of(11.5, 5.6) as canvas:
        panels = canvas.subplots(3, 7, sharex=True)
        for line_of_panels, (where, names) in zip(panels, rows, strict=True):
            for axes, what in zip(line_of_panels, names, strict=False):
                for name, colour in FAMILIES.items():
                    chosen = (means[["family", "where", "what"]] == [name, where, what]).all(axis=1)
                    shown = means[chosen]
                    ends = shown["low"], shown["high"]
                    axes.fill_between(shown["layer"], *ends, color=colour, alpha=0.15, lw=0)
                    axes.plot(shown["layer"], shown["value"], color=colour, lw=1.3, label=name)
                axes.set_title(TITLES[what], fontsize=8)
                axes.grid(axis="y")
            for axes in line_of_panels[len(names) :]:
                axes.set_axis_off()
        panels[0, 0].set_ylabel("R², simulated")
        panels[1, 0].set_ylabel("R², PTB-XL")
        panels[2, 0].set_ylabel("AUROC, PTB-XL")
        panels[2, 1].set_xlabel("Layer (0: embedding)")
        panels[2, 3].legend(*panels[0, 0].get_legend_handles_labels(), loc="center")
    out.write_text(to_svg(canvas, "knowledge", "What every layer knows"))


def main() -> None:
    out, results, names = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]
    encoders: list[ECGEncoder] = [load_encoder(out / "encoders" / name) for name in names]
    encoders.append(encoders[0].randomised(0))
    simulated, real = simulated_store(out, encoders[0]), real_store(out, encoders[0])
    joined = Store.joined(
        Path("ptbxl"), [Store.open(out / "stores" / name) for name in ("ptbxl_z", "ptbxl_100")]
    )
    lines: list[dict[str, object]] = []
    for encoder in encoders:
        name, folder = encoder.info.name, out / "knowledge" / encoder.info.name
        for where, (store, table) in {"sim": simulated, "ptbxl": real}.items():
            features = extract(encoder, store, folder / where)
            lines += measured(features, table, name, where)
        lines += left_of_diagnosis(features, real[1], name)
        lines += of_patients(extract(encoder, joined, folder / "joined"), name)
        print(name, flush=True)
    table = pd.DataFrame(lines).round(4)
    table.to_csv(results / "knowledge.csv", index=False, lineterminator="\n")
    drawn(table, results / "knowledge.svg")


if __name__ == "__main__":
    with seeded(0):
        main()
