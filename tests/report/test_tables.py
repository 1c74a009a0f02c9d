"""Fixed results give these rows."""

import numpy as np
import pandas as pd
import pytest

from myocard.errors import InputError
from myocard.leads import LEADS
from myocard.metrics.scores import difference, macro_resamples
from myocard.report.comparisons import sections
from myocard.report.runs import find_runs
from myocard.report.tables import MISSING, by_class, latex, readouts, single_layers

SMALL = "small, pretrained · frozen · linear head"
RANDOM = "small, random weights · frozen · linear head"
ROCKET = "MiniRocket (no encoder) · ridge head"


def only_section(root):
    (section,) = sections(find_runs([root]))
    return section


def test_rows_stand_by_encoder_and_readout(runs):
    shown = readouts(only_section(runs)).shown
    assert list(zip(shown["Encoder"], shown["Readout"], strict=True)) == [
        (SMALL, "last layer"),
        (SMALL, "best layer on validation (4)"),
        (SMALL, "scalar mix: learned weights"),
        (SMALL, "PMA: gated weights"),
        (RANDOM, "last layer"),
        (RANDOM, "best layer on validation (2)"),
        (ROCKET, "features"),
    ]


def test_a_row_says_what_the_run_says_and_the_paired_difference(runs):
    section = only_section(runs)
    numbers = readouts(section).numbers.set_index("run")
    by_name = {run.folder.name: run for run in section.runs}
    test = {name: by_name[name].predictions("test") for name in ("last", "pma")}
    expected = difference(
        *(
            macro_resamples(test[name].targets, test[name].scores, groups=test[name].patients)
            for name in ("pma", "last")
        )
    )
    row = numbers.loc["runs/pma"]
    assert row["auroc"] == by_name["pma"].states.test.auroc.macro.value
    assert row["f1_seed_sd"] == by_name["pma"].states.test.f1.macro.seed_sd
    for name in ("difference", "low", "high", "p"):
        assert row[f"against_last_{name}"] == pytest.approx(expected[name])


def test_cells_are_rounded_and_signed(runs):
    table = readouts(only_section(runs))
    shown, numbers = table.shown.iloc[3], table.numbers.iloc[3]
    assert shown["Macro AUROC [95 %]"] == (
        f"{numbers['auroc']:.3f} [{numbers['auroc_low']:.3f}, {numbers['auroc_high']:.3f}]"
    )
    assert shown["Gain on last layer [95 %]"].startswith("+")
    assert table.shown.iloc[0]["Gain on last layer [95 %]"] == "reference"


def test_what_was_not_run_or_not_scored_on_test_is_missing_and_not_invented(runs, write):
    write(runs / "ppa", "ppa", test=False)
    section = only_section(runs)
    assert section.split == "test"
    shown = readouts(section).shown.set_index("Readout").loc["PPA: mean of the layers"]
    assert shown["Macro AUROC [95 %]"] == shown["F1"] == MISSING
    assert shown["Gain on last layer [95 %]"] == shown["p"] == MISSING
    assert shown["On validation"] != MISSING
    rocket = readouts(section).numbers.set_index("run").loc["runs/rocket"]
    assert np.isnan(rocket["against_last_difference"])


def test_runs_on_other_records_are_not_paired(runs):
    path = runs / "pma" / "predictions.parquet"
    frame = pd.read_parquet(path)
    frame["id"] = "other-" + frame["id"]
    frame.to_parquet(path)
    row = readouts(only_section(runs)).shown.set_index("Readout").loc["PMA: gated weights"]
    assert row["Macro AUROC [95 %]"] != MISSING
    assert row["Gain on last layer [95 %]"] == MISSING


def test_the_best_layer_is_chosen_on_validation_and_not_on_test(tmp_path, write):
    write(tmp_path / "runs" / "good", "layer", layer=1, noise=0.5, test=False)
    write(tmp_path / "runs" / "worse", "layer", layer=2, noise=2.0)
    (group,) = only_section(tmp_path / "runs").groups
    assert group.best_layer == 1


def test_single_layers_and_classes_are_tabulated(runs):
    section = only_section(runs)
    assert single_layers(section).numbers["layer"].tolist() == [0, 1, 2, 3, 4, 2]
    table = by_class(section, section.groups[0])
    assert table.shown["Class"].tolist() == ["CD", "MI", "NORM"]
    assert table.numbers["positives"].min() > 0


def test_two_runs_of_one_cell_are_refused_by_name(runs, write):
    write(runs / "last-again", "last")
    with pytest.raises(InputError, match="last-again and .*last are the same readout"):
        only_section(runs)


def test_encoders_of_one_name_are_told_apart_by_hash(tmp_path, write):
    for code in ("aaaa", "bbbb"):
        encoder = {"name": "small", "hash": code, "layers": 5}
        write(tmp_path / "runs" / code, "last", encoder=encoder)
    labels = [group.label for group in only_section(tmp_path / "runs").groups]
    assert labels == [f"{SMALL} ({code}, 200 training records)" for code in ("aaaa", "bbbb")]


def test_predictions_must_cover_the_same_records_for_every_seed(runs):
    path = runs / "last" / "predictions.parquet"
    frame = pd.read_parquet(path).reset_index(drop=True)
    frame.drop(frame[frame["split"] == "test"].index[:1]).to_parquet(path)
    with pytest.raises(InputError, match=r"predictions\.parquet: the test records"):
        readouts(only_section(runs))


def test_a_class_without_its_columns_is_named(runs):
    path = runs / "last" / "predictions.parquet"
    pd.read_parquet(path).drop(columns="score:MI").to_parquet(path)
    with pytest.raises(InputError, match="lacks the column 'score:MI'"):
        readouts(only_section(runs))


def test_latex_escapes_what_it_must():
    shown = pd.DataFrame([{"Encoder": "a_b & c", "Score": "0.5 %", "Gain": "−0.1"}])
    assert latex(shown).splitlines()[4] == r"a\_b \& c & 0.5 \% & $-$0.1 \\"


def test_an_encoder_of_two_leads_stands_beside_one_of_twelve(tmp_path, write):
    few = {"name": "watch", "hash": "two", "layers": 5, "width": 192}
    write(tmp_path / "whole", leads=[*LEADS])
    write(tmp_path / "whole-few", leads=["I", "II"])
    write(tmp_path / "watch", leads=["I", "II"], encoder=few)
    (section,) = sections(find_runs([tmp_path]))
    assert [run.folder.name for run in section.runs] == ["whole", "watch"]
    assert [run.folder.name for run in section.reduced] == ["whole-few"]
