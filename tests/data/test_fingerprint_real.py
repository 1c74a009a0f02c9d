"""PTB-XL's own copies of a record, and one made elsewhere, are one record; no two others are."""

from pathlib import Path

from myocard.data.fingerprint import TOLERANCE, copies, fingerprint, nearest
from myocard.data.sources import entries


def test_forms_of_one_real_record_are_told_from_other_records(real_data: Path) -> None:
    forms = (("ptbxl-500", "ptbxl"), ("ptbxl-100", "ptbxl"), ("ptbxl-100", "ptbxl_z"))
    listed = [{e.id: e for e in entries(source, real_data / name)} for source, name in forms]
    ids = sorted(listed[0])[::4]
    originals, *other_forms = [[fingerprint(form[id_].read()) for id_ in ids] for form in listed]
    for prints in other_forms:
        rows, places = copies(prints, originals)
        assert rows.tolist() == places.tolist() == list(range(len(ids)))
    for index, mine in enumerate(originals):
        others = originals[:index] + originals[index + 1 :]
        assert nearest([mine], others)[1][0] > 1.5 * TOLERANCE
