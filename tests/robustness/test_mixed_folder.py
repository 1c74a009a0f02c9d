"""A hospital's folder of files in every format, good and bad."""

import mixed_folder
import pandas as pd


def test_good_files_are_in_the_store_and_bad_ones_in_quarantine(tmp_path) -> None:
    bad = mixed_folder.write(tmp_path / "export", 90)
    store = mixed_folder.stored(tmp_path / "export", tmp_path / "store")
    quarantine = pd.read_csv(store.folder / "quarantine.csv")
    assert sorted(quarantine["id"]) == sorted(bad)
    assert set(quarantine["reason"]) == {"unreadable"}
    assert len(store.records) == 81
