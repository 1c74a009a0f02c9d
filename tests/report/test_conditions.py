"""The cost of fewer labels and of fewer leads, beside what had them all."""

import pytest

from myocard.leads import LEAD_SETS
from myocard.report import write_report
from myocard.report.topics.conditions import blocks, label_efficiency, lead_sets
from myocard.results.compare.comparisons import Section, sections
from myocard.results.compare.pairs import compare
from myocard.results.saved import load_runs

SMALL = "small, pretrained · frozen · linear head"


def only_section(root) -> Section:
    (section,) = sections(load_runs(root))
    return section


@pytest.fixture
def few_labels(tmp_path, write):
    for readout, noise in (("last", 1.0), ("pma", 0.8)):
        write(tmp_path / "runs" / readout, readout, noise=noise)
        for share in (0.1, 0.01):
            folder = tmp_path / "runs" / f"{readout}-{share}"
            write(folder, readout, noise=noise + 0.2 - share, fraction=share)
    return tmp_path / "runs"


def test_scores_stand_by_the_share_of_labels_up_to_all_of_them(few_labels):
    section = only_section(few_labels)
    (figure,) = label_efficiency(section)
    runs = {run.place: run for run in section.every_run}
    for readout, lines in figure.numbers.groupby("readout"):
        assert lines["fraction"].tolist() == [0.01, 0.1, 1]
        assert lines["run"].tolist() == [
            f"runs/{readout}-0.01", f"runs/{readout}-0.1", f"runs/{readout}",
        ]  # fmt: skip
    for line in figure.numbers.to_dict("records"):
        assert line["score"] == runs[line["run"]].info.test.main.macro.value
        assert line["fraction"] == runs[line["run"]].info.fraction


def test_runs_of_fewer_labels_are_in_no_table_of_readouts(few_labels):
    section = only_section(few_labels)
    assert [run.folder.name for run in section.runs] == ["last", "pma"]
    assert len(section.reduced) == 4


@pytest.fixture
def few_leads(tmp_path, write):
    write(tmp_path / "runs" / "last")
    write(tmp_path / "runs" / "limb", noise=1.3, leads=LEAD_SETS["limb-6"])
    write(tmp_path / "runs" / "two", noise=1.6, leads=("I", "V3"))
    return tmp_path / "runs"


def test_a_readout_of_fewer_leads_is_held_against_itself_with_all(few_leads):
    section = only_section(few_leads)
    table = lead_sets(section)
    assert table.shown["Leads"].tolist() == ["limb-6", "I, V3"]
    runs = {run.folder.name: run for run in section.every_run}
    for name, line in zip(("limb", "two"), table.numbers.to_dict("records"), strict=True):
        assert line["run"] == f"runs/{name}"
        assert line["score"] == runs[name].info.test.main.macro.value
        expected = compare(runs[name], runs["last"], "test")
        assert {part: line[part] for part in expected._fields} == expected._asdict()
        assert line["difference"] < 0


def test_without_fewer_labels_or_leads_nothing_is_said_of_them(runs):
    assert blocks(only_section(runs)) == []


def test_fewer_labels_alone_make_a_page_too(tmp_path, write):
    write(tmp_path / "runs" / "few", fraction=0.1)
    page = write_report([tmp_path / "runs"], tmp_path / "out").read_text()
    assert "Scored on test: 80 records" in page
    assert "Leak check of small: no held-out record" in page
    assert "<h3>Readouts</h3>" not in page  # nothing was trained on all labels
