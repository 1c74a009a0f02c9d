"""What the report says of gates, from fixed runs."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import entropy

from myocard.metrics.scores import difference, macro_resamples
from myocard.report import write_report
from myocard.report.comparisons import Section, sections
from myocard.report.gates import departures, gates, records
from myocard.report.heatmaps import weights
from myocard.report.runs import find_runs

SMALL = "small, pretrained · frozen · linear head"
RHYTHM = {"records": 7, "mean": [0, 0.7, 0.1, 0.1, 0.1]}


def section(root: Path) -> Section:
    (found,) = sections(find_runs([root]))
    return found


@pytest.fixture
def gated(runs, write) -> Path:
    """PMA has a random twin, a twin of its mean weights, and weights by record."""
    write(runs / "frozen", "pma-frozen-gate", noise=1.2)
    write(runs / "other", "ppa", noise=0.9)
    shutil.copy(runs / "other" / "predictions.parquet", runs / "pma" / "substituted.parquet")
    by_record = np.random.default_rng(0).dirichlet(np.ones(4), size=160)
    table = pd.DataFrame({f"layer:{k + 1}": by_record[:, k] for k in range(4)})
    ids = [f"test{k:03}" for k in range(80)] * 2
    table = table.assign(id=ids, split="test", seed=np.repeat([0, 1], 80), **{"layer:0": 0.0})
    table = table[["id", "split", "seed", *(f"layer:{k}" for k in range(5))]]
    table.to_parquet(runs / "pma" / "weights.parquet")
    path = runs / "pma" / "run.json"
    states = json.loads(path.read_text())
    states["static_twins"] = {"substituted": {"validation": 0.7, "test": 0.6}}
    states["layer_weights"] |= {
        "entropy": {"mean": 1.04, "share": 0.75, "quantiles": {"0.5": 1.0}},
        "divergence": 0.123,
        "between_records": 0.25,
        "by_code": {"scp:AFIB": RHYTHM, "scp:IMI": RHYTHM},
    }
    path.write_text(json.dumps(states))
    return runs


def test_pma_is_held_against_what_lacks_a_part_of_it(gated):
    table = gates(section(gated))
    assert table.shown["Encoder"].unique().tolist() == [SMALL]
    assert table.shown["Comparison"].tolist() == [
        "PMA minus scalar mix",
        "PMA minus its mean weights, same head",
        "PMA minus PMA with its gate left at random",
    ]
    by_place = {run.place: run for run in section(gated).runs}
    test = {name: by_place[f"runs/{name}"].predictions("test") for name in ("pma", "other")}
    expected = difference(
        *(
            macro_resamples(test[name].targets, test[name].scores, groups=test[name].patients)
            for name in ("pma", "other")
        )
    )
    row = table.numbers.iloc[1]
    assert row["against_run"] == "runs/pma"
    for name in ("difference", "low", "high", "p"):
        assert row[name] == pytest.approx(expected[name])


def test_without_a_gate_there_is_nothing_to_compare(write, tmp_path):
    write(tmp_path / "runs" / "last", "last")
    found = section(tmp_path / "runs")
    assert gates(found).shown.empty
    assert departures(found).shown.empty
    assert records(found) == []


def test_departures_are_those_that_the_run_states(gated):
    table = departures(section(gated))
    assert table.shown.iloc[0].tolist() == [
        SMALL, "PMA: gated weights", "0.75", "0.123", "0.250", "0.600", "–",
    ]  # fmt: skip
    assert table.numbers["auroc_substituted"].tolist() == [0.6]


def test_weights_by_record_are_drawn_by_their_quantiles_and_entropy(gated):
    bands, entropies = records(section(gated))
    table = pd.read_parquet(gated / "pma" / "weights.parquet").filter(like="layer:")
    numbers = bands.numbers.set_index("layer")
    assert numbers.index.tolist() == [0, 1, 2, 3, 4]
    assert numbers.loc[3, "q95"] == pytest.approx(np.quantile(table["layer:3"], 0.95))
    assert numbers["mean"].sum() == pytest.approx(1)
    shares = entropy(table.to_numpy(), axis=1) / np.log(4)
    drawn = entropies.numbers
    inside = (drawn["low"] < 0.8) & (drawn["high"] <= 0.8 + 1e-9)
    assert drawn.loc[inside, "PMA: gated weights"].sum() == pytest.approx((shares < 0.8).mean())
    assert drawn["PMA: gated weights"].sum() == pytest.approx(1)


def test_rhythms_stand_below_the_classes_in_the_heat_map(gated):
    (group, *_) = section(gated).groups
    table = weights(group)
    assert table.index.tolist()[-4:] == ["CD", "MI", "NORM", "AFIB (7)"]
    assert table.loc["AFIB (7)"].tolist() == RHYTHM["mean"]


def test_the_page_has_a_part_about_gates(gated, tmp_path):
    write_report([gated], tmp_path / "out")
    page = (tmp_path / "out" / "report.html").read_text()
    assert page.index("Is the gate worth it?") < page.index("PMA minus its mean weights, same head")
    for name in ("gate-weights-1", "gate-entropy-1"):
        assert (tmp_path / "out" / "figures" / f"ptbxl-superdiagnostic-{name}.svg").exists()
