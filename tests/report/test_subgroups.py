"""Membership of subgroups, and what is told of each."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from myocard.report.topics.subgroups import blocks, subgroups
from myocard.results.compare.comparisons import sections
from myocard.results.saved import load_runs
from myocard.results.strata import MIN_POSITIVES, strata

AGES = [39.9, 40, 59, 60, 79.5, 80, 300, np.nan]


def table_of(root):
    (section,) = sections(load_runs(root))
    return section, subgroups(section, section.groups[0])


def test_every_record_is_in_one_subgroup_of_each_trait():
    traits = pd.DataFrame({"sex": ["F", "M", None, "F"] * 2, "age": AGES})
    found = list(strata(traits))
    for trait in traits:
        inside = np.stack([mask for name, _, mask in found if name == trait])
        assert (inside.sum(axis=0) == 1).all()
    names = {name: mask.tolist() for trait, name, mask in found if trait == "sex"}
    assert names["unknown"] == [False, False, True, False] * 2


def test_ages_are_banded_from_their_lower_end_and_in_order():
    found = {
        name: np.flatnonzero(mask).tolist() for _, name, mask in strata(pd.DataFrame({"age": AGES}))
    }
    assert found == {"< 40": [0], "40–59": [1, 2], "60–79": [3, 4], "≥ 80": [5, 6], "unknown": [7]}
    assert list(found) == ["< 40", "40–59", "60–79", "≥ 80", "unknown"]


def test_a_trait_that_all_records_share_tells_nothing():
    assert list(strata(pd.DataFrame({"site": ["A"] * 4, "device": [None] * 4}))) == []


def test_a_subgroup_is_scored_on_its_records_and_the_classes_that_are_common_in_it(tmp_path, write):
    write(tmp_path / "last", "last")
    section, table = table_of(tmp_path)
    scored = section.groups[0].runs["last"].predictions("test")
    assert {"sex", "age"} <= set(table.numbers["trait"])
    for line in table.numbers.query("trait == 'sex'").to_dict("records"):
        inside = (scored.traits["sex"] == line["subgroup"]).to_numpy()
        targets = scored.targets[inside]
        kept = ((targets == 1).sum(axis=0) >= MIN_POSITIVES) & (
            (targets == 0).sum(axis=0) >= MIN_POSITIVES
        )
        assert (line["records"], line["classes"]) == (40, kept.sum())
        assert line["positives"] == targets[:, kept].sum()
        areas = [roc_auc_score(targets[:, kept], s[inside][:, kept]) for s in scored.scores]
        assert line["value"] == pytest.approx(np.mean(areas))
        assert line["low"] < line["value"] < line["high"]
        everyone = [roc_auc_score(scored.targets[:, kept], s[:, kept]) for s in scored.scores]
        assert line["all_records"] == pytest.approx(np.mean(everyone))
    assert "unknown" not in set(table.numbers["subgroup"])  # five records: too few


def test_predictions_that_tell_nothing_of_their_records_have_no_subgroups(tmp_path, write):
    write(tmp_path / "last", "last", cohort={"traits": False})
    section, table = table_of(tmp_path)
    assert table.shown.empty
    assert blocks(section) == []


def test_a_random_encoder_is_not_split_into_subgroups(tmp_path, write, random):
    write(tmp_path / "last", "last", encoder=random)
    assert table_of(tmp_path)[1].shown.empty
