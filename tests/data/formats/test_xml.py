"""XML of every format under hostile hands: an ECG or one clear error, never anything else."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from verdicts import check_refused
from writing.aecg import aecg
from writing.cardiosoft import cardiosoft
from writing.muse import muse
from writing.schiller import schiller
from writing.sierra import sierra
from writing.signals import Counts, counts

from myocard.data.formats.found import HEAD
from myocard.data.formats.reading import FORMATS, read
from myocard.data.formats.xml import root_of
from myocard.errors import InputError

WRITERS: dict[str, Callable[[Counts], bytes]] = {
    "GE MUSE XML": muse,
    "Philips Sierra XML": sierra,
    "HL7 aECG": aecg,
    "GE CardioSoft XML": cardiosoft,
    "Schiller XML": schiller,
}
WRITTEN = {name: write(counts()) for name, write in WRITERS.items()}
every_format = pytest.mark.parametrize("name", WRITERS)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("xml") / "ecg"


@every_format
def test_the_first_bytes_tell_the_format(name: str) -> None:
    assert [each.name for each in FORMATS if each.starts(WRITTEN[name][:HEAD])] == [name]


@every_format
def test_a_file_is_read_whatever_it_is_called(tmp_path: Path, name: str) -> None:
    signals = []
    for called in ("ecg.xml", "ECG.XML", "ecg.csv", "ecg"):
        path = tmp_path / called
        path.write_bytes(WRITTEN[name])
        signals.append(read(path).signal)
    assert all(np.array_equal(signals[0], signal) for signal in signals)


def _with(name: str, document_type: str = "", text: str = "") -> bytes:
    """Return a written file with a document type, and with text before the end of its root."""
    encoding = "utf-16" if name == "Philips Sierra XML" else "latin-1"
    content = WRITTEN[name].decode(encoding)
    content = content.replace('<!DOCTYPE RestingECG SYSTEM "restecg.dtd">', "")
    content = content.replace("?>", f"?>{document_type}", 1)
    end = content.rindex("</")
    return (content[:end] + text + content[end:]).encode(encoding)


_LAUGHS = "<!ENTITY a0 'ha'>"
_LAUGHS += "".join(f"<!ENTITY a{n + 1} '" + 10 * f"&a{n};" + "'>" for n in range(9))


@every_format
@pytest.mark.parametrize(
    "declared",
    [
        '<!ENTITY a "b">',
        _LAUGHS,
        '<!ENTITY a SYSTEM "file:///etc/passwd">',
        '<!ENTITY % a SYSTEM "http://127.0.0.1/a.dtd"> %a;',
    ],
)
def test_declared_entities_are_refused(path: Path, name: str, declared: str) -> None:
    path.write_bytes(_with(name, f"<!DOCTYPE x [{declared}]>"))
    with pytest.raises(InputError, match="declares entities"):
        read(path)


@every_format
def test_a_document_type_elsewhere_is_not_fetched(path: Path, name: str) -> None:
    path.write_bytes(_with(name, '<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd">'))
    assert read(path).signal.shape[1] == 40


@every_format
def test_an_entity_of_a_document_type_elsewhere_is_not_dropped(path: Path, name: str) -> None:
    path.write_bytes(_with(name, '<!DOCTYPE x SYSTEM "x.dtd">', "<a>&lost;</a>"))
    with pytest.raises(InputError, match="entities"):
        read(path)


@every_format
@pytest.mark.parametrize(
    "text",
    [
        "<a>" * 100_000 + "</a>" * 100_000,
        "<a>" * 300_000,
        "<a " + " ".join(f'a{number}=""' for number in range(100_000)) + "/>",
    ],
    ids=["nested", "unclosed", "attributes"],
)
def test_levels_and_attributes_without_end_are_refused(
    tmp_path: Path, name: str, text: str
) -> None:
    check_refused({"r": _with(name, text=text)}, tmp_path, "more levels or attributes than any ECG")


@every_format
def test_a_file_that_is_cut_off_is_refused(path: Path, name: str) -> None:
    for kept in np.linspace(200, len(WRITTEN[name]) - 30, 40, dtype=int):
        path.write_bytes(WRITTEN[name][:kept])
        with pytest.raises(InputError):
            read(path)


def test_a_name_without_its_encoding_is_refused() -> None:
    with pytest.raises(InputError, match="broken XML"):
        root_of(b'<?xml version="1.0" encoding="klingon"?><a/>')
