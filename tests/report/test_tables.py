"""Fixed results give these rows."""

import numpy as np
import pandas as pd
import pytest

from myocard.errors import InputError
from myocard.metrics.summary import difference, macro_resamples
from myocard.report.table import MISSING, Table, latex, signed
from myocard.report.topics.curves import layer_curves
from myocard.report.topics.readouts import by_class, encoders, single_layers, table
from myocard.results.compare.comparisons import sections
from myocard.results.compare.pairs import compare
from myocard.results.run import EncoderInfo
from myocard.results.saved import load_runs

SMALL = "small, pretrained · frozen · linear head"
RANDOM = "small, random weights · frozen · linear head"
ROCKET = "MiniRocket (no encoder) · ridge head"


def only_section(root):
    (section,) = sections(load_runs(root))
    return section


def test_rows_stand_by_encoder_and_readout(runs):
    shown = table(only_section(runs)).shown
    assert list(zip(shown["Encoder"], shown["Readout"], strict=True)) == [
        (SMALL, "last layer"),
        (SMALL, "best layer on validation (4)"),
        (SMALL, "scalar mix: one weight per layer"),
        (SMALL, "PMA: gated weights"),
        (RANDOM, "last layer"),
        (RANDOM, "best layer on validation (2)"),
        (ROCKET, "minirocket"),
    ]


def test_a_row_says_what_the_run_says_and_the_paired_difference(runs):
    section = only_section(runs)
    numbers = table(section).numbers.set_index("run")
    by_name = {run.folder.name: run for run in section.runs}
    test = {name: by_name[name].predictions("test") for name in ("last", "pma")}
    expected = difference(
        *(
            macro_resamples(test[name].targets, test[name].scores, groups=test[name].patients)
            for name in ("pma", "last")
        )
    )
    row = numbers.loc["runs/pma"]
    assert row["auroc"] == by_name["pma"].info.test.main.macro.value
    assert row["f1_seed_sd"] == by_name["pma"].info.test.scores["f1"].macro.seed_sd
    for name in ("difference", "low", "high", "p"):
        assert row[f"against_last_{name}"] == pytest.approx(getattr(expected, name))


def test_cells_are_rounded_and_signed(runs):
    found = table(only_section(runs))
    shown, numbers = found.shown.iloc[3], found.numbers.iloc[3]
    assert shown["Macro AUROC [95 %]"] == (
        f"{numbers['auroc']:.3f} [{numbers['auroc_low']:.3f}, {numbers['auroc_high']:.3f}]"
    )
    assert shown["Gain on last layer [95 %]"].startswith("+")
    assert found.shown.iloc[0]["Gain on last layer [95 %]"] == "reference"


def test_what_was_not_run_or_not_scored_on_test_is_missing_and_not_invented(runs, write):
    write(runs / "ppa", "ppa", test=False)
    section = only_section(runs)
    assert section.split == "test"
    shown = table(section).shown.set_index("Readout").loc["PPA: mean of the layers"]
    assert shown["Macro AUROC [95 %]"] == shown["F1"] == MISSING
    assert shown["Gain on last layer [95 %]"] == shown["p"] == MISSING
    assert shown["On validation"] != MISSING
    rocket = table(section).numbers.set_index("run").loc["runs/rocket"]
    assert np.isnan(rocket["against_last_difference"])


def test_runs_on_other_records_are_not_paired(runs):
    path = runs / "pma" / "predictions.parquet"
    frame = pd.read_parquet(path)
    frame["id"] = "other-" + frame["id"]
    frame.to_parquet(path)
    row = table(only_section(runs)).shown.set_index("Readout").loc["PMA: gated weights"]
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
    found = by_class(section, section.groups[0])
    assert found.shown["Class"].tolist() == ["CD", "MI", "NORM"]
    assert found.numbers["positives"].min() > 0


def test_an_encoder_is_held_against_random_weights_and_models_without_one(runs):
    section = only_section(runs)
    found = encoders(section)
    lines = found.shown[["Encoder", "Against", "Readout"]].to_numpy().tolist()
    assert lines == [
        [SMALL, RANDOM, "last layer"],
        [SMALL, ROCKET, "best on validation: layer 4"],
    ]
    places = found.numbers[["run", "against_run"]].to_numpy().tolist()
    assert places == [["runs/last", "runs/random-last"], ["runs/layer-4", "runs/rocket"]]
    by_place = {run.place: run for run in section.runs}
    for line in found.numbers.to_dict("records"):
        expected = compare(by_place[line["run"]], by_place[line["against_run"]], "test")
        assert {name: line[name] for name in expected._fields} == expected._asdict()


def test_a_line_of_a_table_knows_its_run_where_there_is_one_for_each(runs):
    section = only_section(runs)
    found = table(section)
    assert found.places[0] == "runs/last"
    assert found.places == found.numbers["run"].tolist()
    by_readout = by_class(section, section.groups[0])  # a line holds several readouts
    assert set(by_readout.places) == {None}


def test_two_runs_of_one_cell_are_refused_by_name(runs, write):
    write(runs / "last-again", "last")
    with pytest.raises(InputError, match="last-again and .*last are the same readout"):
        only_section(runs)


def test_encoders_of_one_name_are_told_apart_by_hash(tmp_path, write, pretrained):
    for code in ("aaaa", "bbbb"):
        encoder = pretrained.model_copy(update={"hash": code})
        write(tmp_path / "runs" / code, "last", encoder=encoder)
    labels = [group.label for group in only_section(tmp_path / "runs").groups]
    assert labels == [f"{SMALL} ({code}, 200 training records)" for code in ("aaaa", "bbbb")]


def test_predictions_must_cover_the_same_records_for_every_seed(runs):
    path = runs / "last" / "predictions.parquet"
    frame = pd.read_parquet(path)
    frame.drop(frame[frame["split"] == "test"].index[:1]).to_parquet(path)
    with pytest.raises(InputError, match=r"predictions\.parquet: the test records"):
        table(only_section(runs))


def test_a_class_without_its_columns_is_named(runs):
    path = runs / "last" / "predictions.parquet"
    pd.read_parquet(path).drop(columns="score:MI").to_parquet(path)
    with pytest.raises(InputError, match=r"predictions\.parquet: no column score:MI"):
        table(only_section(runs))


def test_a_number_that_may_be_negative_keeps_its_sign_and_nan_is_missing():
    assert signed(-0.1, -0.2, 0.04) == "−0.100 [−0.200, +0.040]"
    assert signed(np.nan, np.nan, np.nan) == MISSING


def test_a_table_is_written_as_numbers_and_for_a_manuscript(tmp_path):
    shown = pd.DataFrame([{"Task": "a", "Score": "0.50"}])
    numbers = pd.DataFrame([{"task": "a", "score": 0.5}])
    Table("some", "Some numbers.", shown, numbers).write(tmp_path)
    assert pd.read_csv(tmp_path / "some.csv").equals(numbers)
    assert "0.50" in (tmp_path / "some.tex").read_text()


def test_latex_escapes_what_it_must():
    shown = pd.DataFrame([{"Encoder": "a_b & c", "Score": "0.5 %", "Gain": "−0.1"}])
    assert latex(shown).splitlines()[4] == r"a\_b \& c & 0.5 \% & $-$0.1 \\"


def test_an_encoder_of_two_leads_stands_beside_one_of_twelve(tmp_path, write):
    few = EncoderInfo(name="watch", hash="two", layers=5, width=192)
    write(tmp_path / "whole")
    write(tmp_path / "whole-few", leads=("I", "II"))
    write(tmp_path / "watch", leads=("I", "II"), encoder=few)
    (section,) = sections(load_runs(tmp_path))
    assert [run.folder.name for run in section.runs] == ["whole", "watch"]
    assert [run.folder.name for run in section.reduced] == ["whole-few"]


def test_layers_with_names_of_their_own_are_called_by_them(tmp_path, write):
    names = ("stem", "stage 1", "stage 2")
    encoder = EncoderInfo(name="resnet", layers=3, layer_names=names, ends="First, the stem's.")
    for layer in range(3):
        write(
            tmp_path / "runs" / f"{layer}", "layer", layer=layer, noise=3 - layer, encoder=encoder
        )
    write(tmp_path / "runs" / "last", "last", noise=1, encoder=encoder)
    section = only_section(tmp_path / "runs")
    assert single_layers(section).shown["Layer"].tolist() == ["0, stem", "1, stage 1", "2, stage 2"]
    assert "best layer on validation (2, stage 2)" in table(section).shown["Readout"].tolist()
    (figure,) = layer_curves(section)
    assert all(f">{name}<" in figure.svg for name in names)
    assert "Layer (0: embedding)" not in figure.svg
    assert figure.caption.endswith("First, the stem's.")


def test_random_weights_of_another_architecture_are_not_drawn_beside(runs, write):
    other = EncoderInfo(
        name="other", random=True, layers=5, width=192, preset="other", leak_check="records"
    )
    write(runs / "other", "layer", layer=3, encoder=other)
    (figure,) = layer_curves(only_section(runs))
    assert {name.split(" ")[0] for name in figure.numbers["encoder"]} == {"small,"}
