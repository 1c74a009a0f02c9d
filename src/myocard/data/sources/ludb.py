"""LUDB (Kalyakulina et al. 2020, physionet.org/content/ludb): diagnoses as header comments."""

import re
from pathlib import Path

from myocard.data.formats.wfdb_header import Header
from myocard.data.labels import scheme
from myocard.data.sources.entry import Entry
from myocard.data.sources.headers import read_headers


def entries(folder: Path) -> list[Entry]:
    """List all records in ``folder`` or its ``data``; each is a patient of its own.

    A code is ``ludb:`` with the sentence in lower case and hyphens, such as
    ``ludb:stemi-anterior-wall`` or, for a rhythm, ``ludb:sinus-bradycardia``. Records with none of
    PTB-XL's superclasses and no other state (pacing, early repolarisation, …) also get
    ``ludb:normal``, which LUDB itself does not say. ``ludb_superclass.csv`` is the map. A record
    whose header cannot be read is listed without codes, and fails when it is read.

    Raises:
        InputError: When no header has a line ``#<diagnoses>``.
    """
    root = root_of(folder)
    return read_headers(root, sorted(_headers(root), key=_number), "<diagnoses>", _codes)


def root_of(folder: Path) -> Path:
    """Return the folder of the records in ``folder``: its ``data``, if there is one."""
    return folder / "data" if (folder / "data").is_dir() else folder


def _headers(root: Path) -> list[Path]:
    return [path for path in root.iterdir() if path.suffix.lower() == ".hea"]


def _number(path: Path) -> tuple[int, str]:
    return (int(path.stem) if path.stem.isdigit() else 0, path.stem)


def _codes(header: Header) -> tuple[str, ...] | None:
    """Read the sentences after ``#<diagnoses>``; None where that line is missing."""
    starts = [line.lower().startswith("<diagnoses>") for line in header.comments]
    if True not in starts:
        return None
    sentences = header.comments[starts.index(True) + 1 :]
    slugs = [_slug(sentence) for sentence in sentences if sentence]
    table = scheme("ludb")
    if slugs and all(table.get(slug, {}).get("may_be_normal") == "yes" for slug in slugs):
        slugs.append("normal")
    return tuple(f"ludb:{slug}" for slug in dict.fromkeys(slugs))


def _slug(sentence: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", sentence.lower().removeprefix("rhythm:")).strip("-")
