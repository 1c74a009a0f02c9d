"""Headers: what they say, what they leave out, and what broken ones do."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from myocard.data.formats.wfdb_header import parse_header, read_header
from myocard.errors import InputError

PLAIN = """00001_hr 2 500 5000
00001_hr.dat 16 1000.0(0)/mV 16 0 -115 13047 0 I
00001_hr.dat 16 200.5(-7)/uV 16 3 -50 11561 0 AVR
#<age>: 51
# Sex: Female
# Dx: 426177001,164934002
"""


def test_every_field_of_a_plain_header_is_read() -> None:
    header = parse_header(PLAIN)
    first, second = header.signals
    assert (header.rate, header.samples, header.segments) == (500, 5000, ())
    assert (first.file, first.format, first.offset) == ("00001_hr.dat", 16, 0)
    assert (first.gain, first.baseline, first.unit, first.name) == (1000, 0, "mV", "I")
    assert (second.gain, second.baseline, second.unit, second.name) == (200.5, -7, "uV", "AVR")


def test_comments_are_found_in_any_case_and_bracket() -> None:
    header = parse_header(PLAIN)
    assert header.comment("Age") == "51"
    assert header.comment("sex") == "Female"
    assert header.comment("dx") == "426177001,164934002"
    assert header.comment("Rx") is None


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("r.dat 16", (200.0, 0, "mV")),
        ("r.dat 16 0", (200.0, 0, "mV")),
        ("r.dat 16 0/uV 12 1024 0 0 0 II", (200.0, 1024, "uV")),
        ("r.dat 16 100 12 1024", (100.0, 1024, "mV")),
        ("r.dat 16 100(5) 12 1024", (100.0, 5, "mV")),
        ("r.dat 16 1e3(0)/NU 12 1024", (1000.0, 0, "NU")),
        ("r.dat 16 -.5 12", (-0.5, 0, "mV")),
    ],
)
def test_what_a_signal_line_leaves_out_takes_wfdbs_defaults(
    line: str, expected: tuple[float, int, str]
) -> None:
    signal = parse_header(f"r 1 500 10\n{line}").signals[0]
    assert (signal.gain, signal.baseline, signal.unit) == expected


def test_a_storage_field_may_hold_frames_skew_and_offset() -> None:
    signal = parse_header("r 1 360\nr.mat 212x2:3+24 200").signals[0]
    assert (signal.format, signal.samples_per_frame, signal.skew, signal.offset) == (212, 2, 3, 24)


@pytest.mark.parametrize(
    ("line", "rate", "samples"),
    [
        ("r 1", 250, None),
        ("r 1 360", 360, None),
        ("r 1 500/1000(2.5) 650000", 500, 650000),
        ("r 1 500 0", 500, None),
        ("r 1 500 7500 11:39:16 05/02/2020", 500, 7500),
        ("A0001 1 500 7500 05-Feb-2020 11:39:16", 500, 7500),
    ],
)
def test_a_record_line_in_each_of_its_forms(line: str, rate: float, samples: int | None) -> None:
    header = parse_header(f"# before it all\n\n{line}\r\nr.dat 16\r\n")
    assert (header.rate, header.samples) == (rate, samples)


def test_a_record_of_segments_names_them() -> None:
    header = parse_header("r/3 2 250 30\nr_1 10\n~ 5\nr_2 15")
    assert header.segments == (("r_1", 10), ("~", 5), ("r_2", 15))
    assert header.signals == ()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# only a comment",
        "r",
        "r x 500 10\nr.dat 16",
        "r 0 500 10",
        "r 100000000000 500 10",
        "r 1 fast 10\nr.dat 16",
        "r 1 500 -10\nr.dat 16",
        "r/0 1 500 10",
        "r 1 500 10\nr.dat sixteen",
        "r 1 500 10\nr.dat 16 big",
        "r 1 500 10\nr.dat 16 1e-300",
        "r 1 500 10\nr.dat 16 1e999",
        "r 1 500 10\nr.dat 16 200(" + "9" * 5000 + ")",
        "r/1 1 500 10\nr_1",
        # The lost newlines of JS01052.hea and JS23074.hea.
        PLAIN.replace("5000\n", "5000 "),
        PLAIN.replace("I\n", "I ", 1),
    ],
)
def test_a_broken_header_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        parse_header(text)


def test_a_lost_newline_before_the_comments_leaves_no_lead_of_that_name() -> None:
    header = parse_header(PLAIN.replace("AVR\n", "AVR"))
    assert header.signals[1].name == "AVR#<age>: 51"


def test_a_missing_header_is_named(tmp_path) -> None:
    with pytest.raises(InputError, match=r"nobody\.hea: cannot read the header"):
        read_header(tmp_path / "nobody.hea")


def test_a_huge_file_is_not_taken_for_a_header(tmp_path) -> None:
    path = tmp_path / "huge.hea"
    path.write_bytes(b"# " + b"x" * 2_000_000)
    with pytest.raises(InputError, match="longer than any"):
        read_header(path)


_WORDS = st.sampled_from(
    [
        "r",
        "r/2",
        "12",
        "500/360(1)",
        "16x1+24",
        "212",
        "1000.0(0)/mV",
        "-1",
        "0",
        "1e5",
        "/",
        "#",
        "I",
    ]
)


_LINES = st.lists(_WORDS, max_size=10).map(" ".join)


@given(st.one_of(st.text(), st.lists(_LINES, max_size=5).map("\n".join)))
def test_any_text_is_a_header_or_an_input_error(text: str) -> None:
    try:
        header = parse_header(text)
    except InputError:
        return
    assert bool(header.signals) != bool(header.segments)
    assert all(signal.gain != 0 for signal in header.signals)
