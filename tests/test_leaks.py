"""A record is known again, whatever it is called, and a stranger is not."""

import pandas as pd
import pytest

from myocard.auditing import leaks
from myocard.checkpoint import CORPUS_COLUMNS
from myocard.leaks import recognise, seen
from myocard.tasks import task


@pytest.fixture
def corpus(store) -> pd.DataFrame:
    """Records 3 and 20 of the store."""
    return store.records.loc[[3, 20], list(CORPUS_COLUMNS)]


@pytest.mark.parametrize(
    ("how", "changes"),
    [
        ("same waveform as", {"source": "other", "id": "new", "patient": "new"}),
        ("same record as", {"sha256": "other"}),
    ],
)
def test_a_record_is_known_by_its_waveform_or_by_its_source_and_id(store, corpus, how, changes):
    met = recognise(corpus.assign(**changes), store.records)
    assert met["row"].tolist() == [3, 20]
    assert met["how"].tolist() == [how] * 2
    assert met["id"].tolist() == corpus.assign(**changes)["id"].tolist()


def test_a_stranger_is_not_known(store, corpus):
    stranger = corpus.assign(sha256="other", source="other")
    assert recognise(stranger, store.records).empty
    assert recognise(corpus.iloc[:0], store.records).empty
    assert not seen(stranger, store.records).any()


def test_another_record_of_a_patient_is_known(store, corpus):
    visit = corpus.iloc[:1].assign(id="another visit", sha256="of another waveform")
    same = store.records["patient"] == corpus["patient"].iloc[0]
    words = seen(visit, store.records)
    assert words.tolist() == ["same patient as sim another visit" if one else "" for one in same]


def test_the_audit_lists_records_that_are_held_out_and_no_others(store):
    corpus = store.records[list(CORPUS_COLUMNS)]
    held_out = store.records["fold"].isin([9, 10])
    assert len(leaks(corpus, store.records, [9, 10])) == held_out.sum()
    first = store.records[held_out].iloc[0]
    told = f"sim {first['id']}, fold {first['fold']}: same waveform as sim {first['id']}"
    assert leaks(corpus, store.records, [9, 10])[0] == told
    _, kept = task("ptbxl-form").targets(store.records["codes"].map(list))
    few = leaks(corpus, store.records, [9, 10], task("ptbxl-form"))
    assert len(few) == (held_out & kept).sum() < held_out.sum()
