"""LUDB (Kalyakulina et al. 2020, physionet.org/content/ludb): diagnoses as header comments."""

import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from myocard.data.formats.wfdb import read_wfdb
from myocard.data.formats.wfdb_header import Header, read_header
from myocard.data.labels import scheme
from myocard.data.sources.entry import Entry
from myocard.data.sources.index import age, sex
from myocard.errors import InputError


def entries(folder: Path) -> list[Entry]:
    """All records in ``folder`` or its ``data``; each is a patient of its own.

    A code is ``ludb:`` with the sentence in lower case and hyphens, such as
    ``ludb:stemi-anterior-wall`` or, for a rhythm, ``ludb:sinus-bradycardia``. Records with none of
    PTB-XL's superclasses and no other state (pacing, early repolarisation, …) also get
    ``ludb:normal``, which LUDB itself does not say. ``ludb_superclass.csv`` is the map. A record
    whose header cannot be read is listed without codes, and fails when it is read.
    """
    root = folder / "data" if (folder / "data").is_dir() else folder
    return [_entry(path) for path in sorted(root.glob("*.hea"), key=_number)]


def _number(path: Path) -> tuple[int, str]:
    return (int(path.stem) if path.stem.isdigit() else 0, path.stem)


def _entry(path: Path) -> Entry:
    try:
        header = read_header(path)
    except InputError:
        header = Header(0, None, (), (), ())  # Reading the record raises it again.
    return Entry(
        id=path.stem,
        path=path,
        read=partial(read_wfdb, path),
        patient=path.stem,
        codes=_codes(header.comments),
        age=age(header.comment("age") or ""),
        sex=sex(header.comment("sex") or ""),
    )


def _codes(comments: Sequence[str]) -> tuple[str, ...]:
    start = [row for row, line in enumerate(comments) if line.lower().startswith("<diagnoses>")]
    if not start:
        return ()
    slugs = [_slug(line) for line in comments[start[0] + 1 :] if line]
    table = scheme("ludb")
    if slugs and all(table.get(slug, {}).get("may_be_normal") == "yes" for slug in slugs):
        slugs.append("normal")
    return tuple(f"ludb:{slug}" for slug in dict.fromkeys(slugs))


def _slug(sentence: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", sentence.lower().removeprefix("rhythm:")).strip("-")
