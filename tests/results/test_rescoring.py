"""Old runs scored anew from what they keep."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score
from written_runs import write_run

from myocard.errors import InputError
from myocard.results.frame import frame
from myocard.results.rescoring import rescore
from myocard.results.saved import SavedRun, load_runs


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[SavedRun]:
    place = tmp_path_factory.mktemp("runs")
    write_run(place / "last", noise=1.0)
    write_run(place / "pma", "pma", noise=0.5)
    return load_runs(place)


@pytest.mark.parametrize("split", ["validation", "test"])
def test_a_runs_own_numbers_come_out_again(runs, split):
    table = rescore(runs, test=split == "test").set_index(["run", "metric", "output"]).sort_index()
    for run in runs:
        metrics = run.info.metrics(split)
        for name, score in metrics.scores.items():
            for output, wanted in {"macro": score.macro, **score.by_class}.items():
                line = table.loc[run.place, name, output]
                found = line[["value", "low", "high", "seed_sd"]].to_numpy(float)
                assert found == pytest.approx(
                    [wanted.value, wanted.low, wanted.high, wanted.seed_sd], abs=1e-12
                )
        assert (table.loc[run.place, "records"] == metrics.records).all()


def test_a_function_of_ones_own_is_scored_as_a_registered_metric(runs):
    def own(targets, scores):
        return roc_auc_score(targets, scores)

    table = rescore(runs[:1], metric=[own, "auroc"], resamples=20)
    numbers = ["value", "low", "high", "seed_sd"]
    mine, theirs = (table.query("metric == @name")[numbers] for name in ("own", "auroc"))
    np.testing.assert_allclose(mine, theirs, atol=1e-12)


def test_a_subgroup_is_its_records_alone(runs):
    found = runs[0].predictions("test")
    table = rescore(runs[:1], metric="auroc", subgroups=["sex=F"], test=True).query(
        "subgroup == 'F'"
    )
    inside = (found.traits["sex"] == "F").to_numpy()
    for k, name in enumerate(runs[0].info.classes):
        line = table.set_index("output").loc[name]
        if found.targets[inside, k].sum() < 10:
            assert np.isnan(line["value"])
            assert "fewer than 10" in line["note"]
        else:
            areas = [
                roc_auc_score(found.targets[inside, k], scores[inside, k])
                for scores in found.scores
            ]
            assert line["value"] == pytest.approx(np.mean(areas))
    assert table["records"].unique() == [inside.sum()]


def test_other_columns_come_from_a_table_of_records(runs, tmp_path: Path):
    ids = runs[0].predictions("test").ids
    records = pd.DataFrame({"id": ids, "rate": np.arange(len(ids)) + 40.0, "ward": "A"})
    records.loc[:9, "ward"] = "B"
    file = tmp_path / "records.csv"
    records.to_csv(file, index=False)
    for given in (records, file):
        table = rescore(
            runs[:1], metric="auroc", subgroups=["rate=60..100", "ward"], records=given, test=True
        )
        sizes = table.query("output == 'macro'").set_index("subgroup")["records"]
        assert sizes.to_dict() == {"all records": 80, "60..100": 40, "A": 70, "B": 10}


def test_what_cannot_be_asked_is_refused_by_name(runs, tmp_path: Path):
    with pytest.raises(InputError, match="no metric 'r2'; choose from auroc"):
        rescore(runs, metric="r2")
    with pytest.raises(InputError, match="no column 'ward', but sex, age; give --records"):
        rescore(runs, subgroups=["ward=B"])
    with pytest.raises(InputError, match="no record has sex=X"):
        rescore(runs, subgroups=["sex=X"])
    for records in (pd.DataFrame({"ward": ["B"]}), pd.DataFrame({"id": ["1", "1"]})):
        with pytest.raises(InputError, match="one row for each"):
            rescore(runs, subgroups=["sex"], records=records)
    write_run(tmp_path / "closed", test=False)
    with pytest.raises(InputError, match="test was not scored"):
        rescore(load_runs(tmp_path), test=True)


def test_a_measure_that_says_nothing_of_a_run_says_why(tmp_path: Path):
    write_run(tmp_path / "flat", noise=0.0)
    (run,) = load_runs(tmp_path)
    file = run.folder / run.file
    table = pd.read_parquet(file)
    table[[name for name in table if name.startswith("score:")]] = 2.0
    table.to_parquet(file)
    found = rescore([run], resamples=10).set_index(["metric", "output"])
    assert "the same score" in found.loc[("auroc", "MI"), "note"]
    assert "no probabilities" in found.loc[("brier", "MI"), "note"]
    assert found.loc[("auroc", "macro"), "note"] == "without CD, MI, NORM"
    assert np.isnan(found.loc[("auroc", "macro"), "value"])


def test_a_frame_has_a_row_for_each_run_of_the_split_that_is_asked_for(runs, tmp_path: Path):
    closed = load_runs(write_run(tmp_path / "closed", test=False))
    for split in ("validation", "test"):
        table = frame([*runs, *closed], split)
        values = [m.main.macro.value if m else np.nan
                  for m in (run.info.metrics(split) for run in (*runs, *closed))]  # fmt: skip
        np.testing.assert_array_equal(table["value"], values)
        assert table["readout"].tolist() == ["last", "pma", "last"]
    assert frame(runs)["penalty"].tolist() == ["", ""]
