"""Every real sample can be prepared, and what is left out is left out for a known reason."""

from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from myocard.data.preparation import Wanted, prepare
from myocard.data.signal import Band, Preprocessing
from myocard.data.sources import entries
from myocard.data.store import Store
from myocard.leads import LEADS

SHORT = ["438277", "358121", "795649", "1238362", "2754228", "2657522"]
WANTED = Wanted(100, 10.0, LEADS)


def prepared(source: str, folder: Path, out: Path) -> tuple[Store, pd.DataFrame]:
    store = prepare(entries(source, folder), out, WANTED, source=source, jobs=1)
    return store, pd.read_csv(out / "quarantine.csv", dtype=str)


# In a lead or several, an electrode was off, and a converter's last bits were recorded.
LAST_BITS = {"1553541", "1607439", "1980306", "2484180", "2749655"}


def test_cinc2011s_flat_leads_are_found_exactly(real_data: Path, tmp_path) -> None:
    folder = real_data / "cinc2011"
    store, quarantine = prepared("cinc2011", folder, tmp_path / "store")
    labels = pd.read_csv(folder / "labels.csv", dtype={"record": str})
    flat = set(labels.loc[labels["flat_leads"] > 0, "record"]) | LAST_BITS
    assert set(quarantine["reason"]) == {"flat_lead"}
    assert set(quarantine["id"]) == flat
    assert store.records["id"].tolist() == [x for x in labels["record"] if x not in flat]


@pytest.mark.parametrize(
    ("folder", "records", "unit"), [("ptbxl", 324, "mV"), ("ptbxl_z", 1486, "NU")]
)
def test_ptbxl_is_prepared_without_loss(
    real_data: Path, tmp_path, folder: str, records: int, unit: str
) -> None:
    store, quarantine = prepared("ptbxl-100", real_data / folder, tmp_path / "store")
    assert (len(store.records), len(quarantine), store.made.unit) == (records, 0, unit)
    table = pd.read_csv(real_data / folder / "ptbxl_database.csv")
    assert store.records["id"].tolist() == table["ecg_id"].astype(str).tolist()
    assert store.records["fold"].tolist() == table["strat_fold"].tolist()
    # Codes are the quoted words of a cell such as {'NORM': 100.0, 'SR': 0.0}.
    published = Counter(table["scp_codes"].str.findall(r"'([^']+)'").explode())
    found = Counter(code.removeprefix("scp:") for own in store.records["codes"] for code in own)
    assert found == published
    window = store.windows([0, records - 1], Preprocessing(100, 250))
    np.testing.assert_allclose(window.std(axis=-1), 1, atol=1e-4)


def test_our_way_from_500_to_100_hertz_is_close_to_ptbxls(real_data: Path, tmp_path) -> None:
    wanted = Wanted(100, 10.0, LEADS, Band(0.67, 40.0))
    windows = []
    for rate in (100, 500):
        found = entries(f"ptbxl-{rate}", real_data / "ptbxl")[:20]
        store = prepare(found, tmp_path / str(rate), wanted, source="ptbxl", jobs=1)
        windows.append(store.windows(range(20), Preprocessing(100, 1000, band=wanted.band)))
    agreement = (windows[0] * windows[1]).mean(axis=-1)
    assert np.median(agreement) > 0.98


@pytest.mark.parametrize(
    ("source", "folder", "listed", "barred"),
    [
        ("chapman", "chapman_sample", 35, {}),
        ("ecg-arrhythmia", "chapman_sample", 20, {"flat_lead": ["JS20004", "JS20008"]}),
        # Georgia's E07510.mat holds the same bytes as E07509.mat.
        ("challenge", "cinc2021_sample", 29, {"duplicate": ["E07510"]}),
        ("cpsc2018", "cpsc2018_sample", 10, {}),
        # Six of ten hold 7 s.
        ("code15", "code15_sample", 10, {"too_short": SHORT}),
    ],
)
def test_small_samples_lose_nothing_without_a_reason(
    real_data: Path, tmp_path, source: str, folder: str, listed: int, barred: dict
) -> None:
    store, quarantine = prepared(source, real_data / folder, tmp_path / "store")
    assert quarantine.groupby("reason")["id"].apply(list).to_dict() == barred
    assert len(store.records) + len(quarantine) == listed
    assert set(store.records["fold"]) <= set(range(1, 11))
    assert store.signals.any(axis=-1).all()
