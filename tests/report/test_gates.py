"""Answers of the report about gates, from fixed runs."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import entropy
from sklearn.metrics import roc_auc_score

from myocard.metrics.summary import difference, macro_resamples
from myocard.report import write_report
from myocard.report.topics.gates import blocks, departures, gates, records
from myocard.report.topics.weights import weights
from myocard.results.compare.comparisons import Section, sections
from myocard.results.run import CodeWeights, Entropy, LayerWeights
from myocard.results.saved import load_runs

SMALL = "small, pretrained · frozen · linear head"
RHYTHM = CodeWeights(records=7, mean=(0, 0.7, 0.1, 0.1, 0.1))


def section(root: Path) -> Section:
    (found,) = sections(load_runs(root))
    return found


@pytest.fixture
def gated(runs, write) -> Path:
    """PMA beside PMA without a trained gate, with a static mixture and weights by record."""
    write(runs / "frozen", "pma-frozen-gate", noise=1.2)
    by_record = np.random.default_rng(0).dirichlet(np.ones(4), size=(2, 80))
    by_class = dict.fromkeys(("CD", "MI", "NORM"), (0, 0.25, 0.25, 0.25, 0.25))
    stated = LayerWeights(
        split="test",
        mean=(0, 0.4, 0.3, 0.2, 0.1),
        by_class=by_class,
        by_code={"scp:AFIB": RHYTHM, "scp:IMI": RHYTHM},
        entropy=Entropy(mean=1.04, share=0.75, quantiles={"0.5": 1.0}),
        divergence=0.123,
        between_records=0.25,
    )
    write(
        runs / "pma",
        "pma",
        noise=0.6,
        layer_weights=stated,
        static={"substituted": 0.9},
        weights=np.pad(by_record, [(0, 0), (0, 0), (1, 0)]),
    )
    return runs


def test_pma_is_held_against_what_lacks_a_part_of_it(gated):
    table = gates(section(gated))
    assert table.shown["Encoder"].unique().tolist() == [SMALL]
    assert table.shown["Comparison"].tolist() == [
        "PMA minus scalar mix",
        "PMA minus its mean weights, same head",
        "PMA minus PMA with its gate left at random",
    ]
    (pma,) = (run for run in section(gated).runs if run.place == "runs/pma")
    sides = [each.predictions("test") for each in (pma, pma.with_static_mixture("substituted"))]
    assert not np.array_equal(sides[0].scores, sides[1].scores)
    expected = difference(*(macro_resamples(s.targets, s.scores, groups=s.patients) for s in sides))
    row = table.numbers.iloc[1]
    assert row["against_run"] == "runs/pma"
    for name, value in expected._asdict().items():
        assert row[name] == pytest.approx(value)


def test_without_a_gate_there_is_nothing_to_compare(write, tmp_path):
    write(tmp_path / "runs" / "last", "last")
    found = section(tmp_path / "runs")
    assert gates(found).shown.empty
    assert departures(found).shown.empty
    assert records(found) == []
    assert blocks(found) == []


def test_departures_are_those_that_the_run_states(gated):
    table = departures(section(gated))
    (pma,) = (run for run in section(gated).runs if run.place == "runs/pma")
    mean = pma.with_static_mixture("substituted").predictions("test")
    area = np.mean([roc_auc_score(mean.targets, each) for each in mean.scores])
    assert table.shown.iloc[0].tolist() == [
        SMALL, "PMA: gated weights", "0.75", "0.123", "0.250", f"{area:.3f}", "–",
    ]  # fmt: skip
    assert table.numbers["score_substituted"].item() == pytest.approx(area)


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
    assert table.loc["AFIB (7)"].tolist() == list(RHYTHM.mean)


def test_the_page_has_a_part_about_gates(gated, tmp_path):
    write_report([gated], tmp_path / "out")
    page = (tmp_path / "out" / "report.html").read_text()
    assert page.index("Is the gate worth it?") < page.index("PMA minus its mean weights, same head")
    for name in ("gate-weights-1", "gate-entropy-1"):
        assert (tmp_path / "out" / "figures" / f"ptbxl-superdiagnostic-{name}.svg").exists()
