"""The page and its files: complete, self-contained, and the same for the same results."""

import json
import logging
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from myocard.errors import InputError
from myocard.files.step import LOG
from myocard.report import write_report
from myocard.report.page import PAGE

VOID = {"meta", "link", "br", "hr", "img", "input"}


class Page(HTMLParser):
    """Text, links and ids of a page; a tag that closes what was not open fails."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []  # what a browser would load
        self.ways: list[str] = []  # where a reader may go
        self.ids: list[str] = []
        self.text = ""
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        if tag not in VOID:
            self.open.append(tag)
        self.handle_startendtag(tag, attrs)

    def handle_startendtag(self, tag, attrs):
        names = (
            ("src", "xlink:href", "data") if tag == "a" else ("src", "href", "xlink:href", "data")
        )
        self.links += [v for k, v in attrs if k in names]
        self.ways += [v for k, v in attrs if tag == "a" and k == "href"]
        self.ids += [v for k, v in attrs if k == "id"]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def text_of(page: Path) -> str:
    return " ".join(Page(page.read_text()).text.split())


@pytest.fixture
def page(report: Path) -> Page:
    return Page((report / "report.html").read_text())


@pytest.fixture
def few(tmp_path, write) -> Path:
    """A folder with one run."""
    return write(tmp_path / "runs" / "last").parent


def test_the_page_is_what_is_returned(few, tmp_path):
    page = write_report([few], tmp_path / "out")
    assert page == tmp_path / "out" / "report.html"
    assert page.is_file()


def test_the_page_is_well_formed_and_loads_nothing(page):
    assert page.links
    inside = {link for link in page.links if not link.startswith("data:image/png;base64,")}
    assert inside <= {f"#{name}" for name in page.ids}
    assert len(page.ids) == len(set(page.ids))


def test_every_way_out_of_the_page_leads_to_a_part_of_it_or_a_file(page, report):
    anchors = {f"#{name}" for name in page.ids}
    files = {way for way in page.ways if not way.startswith("#")}
    assert set(page.ways) - files <= anchors
    assert all((report / file).is_file() for file in files)


def test_a_readouts_row_leads_to_its_run_and_from_there_to_the_file(page, report):
    assert page.ways.count("#run-runs-last") >= 1
    assert "run-runs-last" in page.ids
    assert "../runs/last/run.json" in page.ways


def test_the_page_asks_for_no_script_font_or_style_from_elsewhere(report):
    source = (report / "report.html").read_text()
    assert not re.search(r"<script|@import|@font-face|url\((?!#)", source)


def test_the_page_tells_what_a_reader_needs_to_judge_it(page):
    text = " ".join(page.text.split())
    assert "Scored on test: 80 records of 40 patients." in text
    assert "Train: 200 records (3 copies dropped), folds 1, 2. Validation: " in text
    assert "50 bootstrap resamples by patient, macro over defined classes." in text
    assert "HYP (no positive in test)." in text
    assert "mean weight of every layer, on test." in text
    assert "myocard probe recipe.toml" in text
    assert "No run of this task was scored on test" not in text


def test_every_figure_comes_with_its_numbers(report):
    stems = {path.stem for path in (report / "figures").glob("*.svg")}
    assert stems == {path.stem for path in (report / "figures").glob("*.csv")}
    assert stems == {
        "loss-1", "reconstruction-1", "ptbxl-superdiagnostic-gains",
        "ptbxl-superdiagnostic-layers-1", "ptbxl-superdiagnostic-weights-1",
        "ptbxl-superdiagnostic-reliability-1",
    }  # fmt: skip


def test_every_table_comes_as_numbers_and_for_a_manuscript(report):
    stems = {path.stem for path in (report / "tables").glob("*.csv")}
    assert stems == {path.stem for path in (report / "tables").glob("*.tex")}
    told = ("calibration", "delong-1", "operating-1", "subgroups-1")
    assert {"across-tasks", *(f"ptbxl-superdiagnostic-{name}" for name in told)} <= stems


def test_the_layer_curve_draws_the_random_encoder_beside_the_pretrained_one(report):
    numbers = pd.read_csv(report / "figures/ptbxl-superdiagnostic-layers-1.csv")
    single = numbers[numbers["readout"] == "layer"].groupby("encoder")["layer"].apply(list)
    assert single["small, pretrained · frozen · linear head"] == [0, 1, 2, 3, 4]
    assert single["small, random weights · frozen · linear head"] == [2]
    assert numbers.loc[numbers["best"], "layer"].tolist() == [4, 2]


def test_the_weights_are_drawn_by_mixture_and_class(report):
    numbers = pd.read_csv(report / "figures/ptbxl-superdiagnostic-weights-1.csv")
    assert numbers["mixture"].tolist() == ["scalar mix", "PMA, all records", "CD", "MI", "NORM"]
    assert numbers["4"].tolist() == [0.4, 0.1, 0.25, 0.25, 0.25]


def test_the_same_results_give_the_same_bytes(report, runs, pretraining, tmp_path):
    write_report([runs, pretraining], tmp_path / "out")
    files = [path for path in report.rglob("*") if path.is_file()]
    assert len(files) > 10
    for path in files:
        twin = tmp_path / "out" / path.relative_to(report)
        assert path.read_bytes() == twin.read_bytes(), path


def test_results_without_test_say_so_loudly(write, tmp_path):
    write(tmp_path / "runs" / "last", test=False)
    text = text_of(write_report([tmp_path / "runs"], tmp_path / "out"))
    assert "No run of this task was scored on test. All numbers here are from validation" in text
    assert "The test records took no part" not in text


def test_a_name_cannot_smuggle_markup_into_the_page(write, tmp_path):
    named = {"cohort": {"task": "<b>&"}, "command": "<script>alert(1)</script>"}
    write(tmp_path / "runs" / "last", **named)
    write_report([tmp_path / "runs"], tmp_path / "out")
    source = (tmp_path / "out" / "report.html").read_text()
    assert "<script" not in source
    assert "<b>&" not in source


@pytest.mark.parametrize(
    ("leak_check", "tone", "told"),
    [
        ("records", "facts", "Leak check of small: no held-out record is among those"),
        ("names", "warn", "No leak check of small: only the names of its data sets are known"),
        ("none", "warn", "No leak check of small: nobody says what it was pretrained on"),
        (None, "warn", "No leak check of small: nobody says what it was pretrained on"),
    ],
)
def test_the_page_says_how_each_encoder_was_checked_for_leaks(
    write, pretrained, tmp_path, leak_check, tone, told
):
    encoder = pretrained.model_copy(update={"leak_check": leak_check})
    write(tmp_path / "runs" / "last", encoder=encoder)
    source = write_report([tmp_path / "runs"], tmp_path / "out").read_text()
    assert source.count("eak check of") == 1
    assert f'<p class="{tone}">{told}' in source


@pytest.mark.parametrize(
    ("datasets", "source", "tone", "told"),
    [
        (("ptbxl", "code15"), "ptbxl", "warn", "Leak by name: small has seen this data set"),
        (("challenge",), "chapman and ptbxl", "warn", "Leak by name: small has seen this data set"),
        (("code15", "mimic-iv-ecg"), "ptbxl", "facts", "No leak by name: small was pretrained on"),
    ],
)
def test_an_encoder_of_which_names_are_known_is_marked_on_what_it_has_seen(
    write, pretrained, tmp_path, datasets, source, tone, told
):
    encoder = pretrained.model_copy(update={"leak_check": "names", "datasets": datasets})
    write(tmp_path / "runs" / "last", encoder=encoder, cohort={"source": source})
    text = write_report([tmp_path / "runs"], tmp_path / "out").read_text()
    assert f'<p class="{tone}">{told}' in text
    assert (f"small, pretrained, has seen {datasets[0]} ·" in text) == (tone == "warn")


def test_encoders_of_one_name_that_were_checked_otherwise_are_both_told_of(
    write, pretrained, tmp_path
):
    for digit, leak_check in zip("012", ("records", "names", "none"), strict=True):
        encoder = pretrained.model_copy(update={"hash": digit, "leak_check": leak_check})
        write(tmp_path / "runs" / digit, encoder=encoder)
    text = text_of(write_report([tmp_path / "runs"], tmp_path / "out"))
    assert text.count("Leak check of small") == 1
    assert text.count("No leak check of small") == 2


def test_of_what_was_never_pretrained_no_leak_check_is_asked(write, baseline, random, tmp_path):
    write(tmp_path / "runs" / "last", encoder=random.model_copy(update={"leak_check": None}))
    baseline(tmp_path / "runs" / "rocket")
    text = text_of(write_report([tmp_path / "runs"], tmp_path / "out"))
    assert "eak check of" not in text


def test_findings_name_the_readouts_that_beat_the_last_layer(report):
    text = text_of(report / PAGE)
    assert "PMA: gated weights" in text.split("Higher: ")[1].split(".")[0]


def test_a_broken_run_is_one_error_that_names_the_file_and_leaves_nothing(runs, tmp_path):
    path = runs / "pma" / "run.json"
    stated = json.loads(path.read_text())
    del stated["head"]
    path.write_text(json.dumps(stated))
    with pytest.raises(InputError, match=r"pma/run\.json: head: Field required"):
        write_report([runs], tmp_path / "out")
    path.write_text("{")
    with pytest.raises(InputError, match=r"pma/run\.json: the file: Invalid JSON"):
        write_report([runs], tmp_path / "out")
    assert list(tmp_path.iterdir()) == [runs]


def test_a_report_of_unchanged_results_is_kept(few, tmp_path, caplog):
    page = write_report([few], tmp_path / "out")
    page.write_text("as it was")
    caplog.set_level(logging.INFO, LOG.name)
    assert write_report([few], tmp_path / "out") == page
    assert page.read_text() == "as it was"
    assert "made from the same inputs; kept" in caplog.text


def test_the_order_of_folders_and_how_they_are_written_do_not_matter(
    few, pretraining, tmp_path, monkeypatch
):
    page = write_report([few, pretraining], tmp_path / "out")
    page.write_text("as it was")
    monkeypatch.chdir(tmp_path)
    write_report([pretraining, Path("runs")], Path("out"))
    assert page.read_text() == "as it was"


def test_a_report_that_moves_with_its_results_is_kept(few, tmp_path):
    (tmp_path / "here").mkdir()
    runs = few.rename(tmp_path / "here" / "runs")
    write_report([runs], tmp_path / "here" / "out").write_text("as it was")
    there = (tmp_path / "here").rename(tmp_path / "there")
    assert write_report([there / "runs"], there / "out").read_text() == "as it was"


def test_a_run_that_is_new_comes_into_the_report(few, write, tmp_path):
    page = write_report([few], tmp_path / "out")
    assert "all layers concatenated" not in page.read_text()
    write(few / "concat", "concat")
    assert write_report([few], tmp_path / "out") == page
    assert "all layers concatenated" in page.read_text()


def scores_halved(folder: Path, name: str) -> None:
    path = folder / name
    table = pd.read_parquet(path)
    columns = table.columns[table.columns.str.startswith(("score:", "layer:"))]
    table[columns] = table[columns] / 2
    table.to_parquet(path)


def losses_halved(folder: Path) -> None:
    lines = map(json.loads, (folder / "log.jsonl").read_text().splitlines())
    halved = [json.dumps(line | {"loss": line["loss"] / 2}) for line in lines]
    (folder / "log.jsonl").write_text("\n".join(halved))


def traces_halved(folder: Path) -> None:
    with np.load(folder / "reconstruction.npz") as file:
        arrays = dict(file)
    arrays["reconstruction"] /= 2
    np.savez(folder / "reconstruction.npz", **arrays)


def rank_stated(folder: Path) -> None:
    rank = {"value": 3.0, "bound": 2.0, "width": 96, "records": 256}
    (folder / "config.json").write_text(json.dumps({"origin": {"effective_rank": rank}}))


@pytest.mark.parametrize("name", ["predictions.parquet", "substituted.parquet", "weights.parquet"])
def test_a_run_whose_tables_have_changed_is_drawn_again(write, tmp_path, name):
    shares = np.full((2, 80, 5), 0.2)
    write(tmp_path / "runs" / "pma", "pma", static={"substituted": 0.9}, weights=shares)
    page = write_report([tmp_path / "runs"], tmp_path / "out")
    page.write_text("as it was")
    scores_halved(tmp_path / "runs" / "pma", name)
    assert write_report([tmp_path / "runs"], tmp_path / "out").read_text() != "as it was"


@pytest.mark.parametrize("change", [losses_halved, traces_halved, rank_stated])
def test_a_training_that_has_changed_is_drawn_again(pretraining, tmp_path, change):
    page = write_report([pretraining], tmp_path / "out")
    page.write_text("as it was")
    change(pretraining)
    assert write_report([pretraining], tmp_path / "out").read_text() != "as it was"


def test_a_report_of_other_folders_is_refused(few, pretraining, tmp_path):
    page = write_report([few], tmp_path / "out")
    before = page.read_text()
    told = r'out: made from other inputs: results is \["runs"\], not \["checkpoint"\]; choose'
    with pytest.raises(InputError, match=told):
        write_report([pretraining], tmp_path / "out")
    assert page.read_text() == before


def test_folders_without_results_are_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    told = r"no run\.json, layers\.json, delineation\.json, log\.jsonl, .* in or below .*empty"
    with pytest.raises(InputError, match=told):
        write_report([tmp_path / "empty"], tmp_path / "out")
    with pytest.raises(InputError, match="no such folder"):
        write_report([tmp_path / "nowhere"], tmp_path / "out")


def test_a_log_or_reconstruction_of_another_form_names_itself(pretraining, tmp_path):
    (pretraining / "log.jsonl").write_text('{"epoch": 1}\n')
    with pytest.raises(InputError, match=r"log\.jsonl: not a log"):
        write_report([pretraining], tmp_path / "out")
    (pretraining / "log.jsonl").unlink()
    (pretraining / "reconstruction.npz").write_text("nothing")
    with pytest.raises(InputError, match=r"reconstruction\.npz: needs the arrays"):
        write_report([pretraining], tmp_path / "out")


@pytest.mark.parametrize(("value", "told"), [(11.26, False), (1.2, True)])
def test_the_spread_of_an_encoders_states_is_told_and_a_collapse_is_a_warning(
    pretraining, tmp_path, value, told
):
    rank = {"value": value, "bound": 2.0, "width": 96, "records": 256}
    (pretraining / "config.json").write_text(json.dumps({"origin": {"effective_rank": rank}}))
    write_report([pretraining], tmp_path / "out")
    page = (tmp_path / "out" / "report.html").read_text()
    assert f"states {value:.1f} of 96, over 256 records" in page
    assert ("Collapsed: below 2" in page) == told
    assert ('<p class="warn">checkpoint' in page) == told


def test_a_config_of_another_form_names_itself(pretraining, tmp_path):
    for text in ("nothing", "[]", '{"origin": {"effective_rank": 3}}'):
        (pretraining / "config.json").write_text(text)
        with pytest.raises(InputError, match=r"config\.json: not a checkpoint's"):
            write_report([pretraining], tmp_path / "out")
