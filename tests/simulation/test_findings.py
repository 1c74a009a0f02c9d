"""Each finding is in the signal, where a textbook says it is."""

from collections.abc import Callable, Iterator
from functools import cache
from itertools import count, islice

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.signal import butter, find_peaks, sosfiltfilt

from myocard.leads import LEADS
from myocard.simulation import Simulated, simulate
from myocard.simulation.people import visit

RATE = 250
ECTOPY = ("PVC", "PAC")


@cache
def find(*wanted: str, without: tuple[str, ...] = ECTOPY) -> list[Simulated]:
    """The first 30 records of seed 7 that show ``wanted``."""

    def indices() -> Iterator[int]:
        for index in count():
            findings = set(visit(7, index, site="A").findings)
            if findings.issuperset(wanted) and findings.isdisjoint(without):
                yield index

    return [simulate(7, index, rate=float(RATE)) for index in islice(indices(), 30)]


@cache
def median_beat(simulated: Simulated) -> NDArray[np.float32]:
    """``(12, 250)`` from 0.4 s before the QRS to 0.6 s after, 0 mV just before it."""
    signal = simulated.record.signal
    places = np.rint(np.array(simulated.beats) * RATE).astype(int)
    places = places[(places > 100) & (places < signal.shape[1] - 150)]
    beats = np.stack([signal[:, place - 100 : place + 150] for place in places])
    return np.median(beats - beats[:, :, 84:90].mean(axis=2, keepdims=True), axis=0)


def part(simulated: Simulated, lead: str, start: float, end: float) -> NDArray[np.float32]:
    """A lead of the median beat between two times from the QRS (s)."""
    beat = median_beat(simulated)[LEADS.index(lead)]
    return beat[round((0.4 + start) * RATE) : round((0.4 + end) * RATE) + 1]


def typical(measure: Callable[[Simulated], float], *wanted: str) -> float:
    """Median of a measure over records with ``wanted``."""
    return float(np.median([measure(simulated) for simulated in find(*wanted)]))


def steepness(simulated: Simulated) -> NDArray[np.float32]:
    return np.sqrt((np.diff(median_beat(simulated)[:, 65:145]) ** 2).sum(axis=0))


def qrs_width(simulated: Simulated) -> float:
    """Time for which the beat is steeper than a sixth of its steepest (s)."""
    steep = np.flatnonzero(steepness(simulated) > steepness(simulated).max() / 6)
    return float(np.ptp(steep)) / RATE


def height(lead: str, start: float, end: float) -> Callable[[Simulated], float]:
    return lambda simulated: float(part(simulated, lead, start, end).mean())


def top(lead: str, start: float, end: float) -> Callable[[Simulated], float]:
    return lambda simulated: float(part(simulated, lead, start, end).max())


def bottom(lead: str, start: float, end: float) -> Callable[[Simulated], float]:
    return lambda simulated: float(part(simulated, lead, start, end).min())


def r_peaks(simulated: Simulated) -> NDArray[np.int64]:
    """Peaks of the energy between 6 and 30 Hz, as Pan and Tompkins' detector has them."""
    band = butter(2, (6, 30), "bandpass", fs=RATE, output="sos")
    energy = (sosfiltfilt(band, simulated.record.signal) ** 2).sum(axis=0)
    energy = np.convolve(energy, np.ones(30) / 30, "same")
    threshold = 0.3 * np.median([piece.max() for piece in np.array_split(energy, 5)])
    return find_peaks(energy, height=threshold, distance=0.28 * RATE)[0]


def rate_found(simulated: Simulated) -> float:
    return 60 / float(np.diff(r_peaks(simulated)).mean() / RATE)


def irregularity(simulated: Simulated) -> float:
    cycles = np.diff(simulated.beats)
    return float(cycles.std() / cycles.mean())


@pytest.mark.parametrize(("rhythm", "low", "high"), [("SBRAD", 35, 60), ("STACH", 100, 160)])
def test_slow_and_fast_sinus_rhythms_have_rates_to_their_names(
    rhythm: str, low: float, high: float
) -> None:
    for simulated in find(rhythm):
        assert low < rate_found(simulated) < high
        assert rate_found(simulated) == pytest.approx(simulated.heart_rate, rel=0.05)


@pytest.mark.parametrize(("rhythm", "low", "high"), [("SBRAD", 0, 60), ("STACH", 100, 300)])
def test_premature_beats_do_not_change_the_name_of_the_rate(
    rhythm: str, low: float, high: float
) -> None:
    for ectopy in ECTOPY:
        for simulated in find(rhythm, ectopy, without=()):
            assert low < simulated.heart_rate < high


def test_fibrillation_is_irregular_and_flutter_is_not() -> None:
    assert all(irregularity(simulated) < 0.02 for simulated in find("AFLT"))
    assert all(irregularity(simulated) > 0.04 for simulated in find("AFIB"))
    assert typical(irregularity, "AFIB") > 0.12


def test_sinus_arrhythmia_is_less_regular_than_sinus_rhythm() -> None:
    assert typical(irregularity, "SARRH") > 2 * typical(irregularity, "SR")


def test_the_ventricles_follow_two_to_four_waves_of_flutter() -> None:
    for simulated in find("AFLT"):
        ratio = simulated.atrial_rate / simulated.heart_rate
        assert ratio == pytest.approx(round(ratio), abs=0.05)
        assert round(ratio) in (2, 3, 4)


def test_fibrillation_has_no_p_wave() -> None:
    def p(simulated: Simulated) -> float:
        return float(part(simulated, "II", -0.18, -0.07).max())

    assert typical(p, "AFIB") < 0.5 * typical(p, "NORM")


def test_normal_amplitudes_are_those_of_people() -> None:
    assert 0.6 < typical(top("II", -0.03, 0.03), "NORM") < 1.6
    assert 0.05 < typical(top("II", -0.2, -0.05), "NORM") < 0.25
    assert 0.1 < typical(top("II", 0.15, 0.4), "NORM") < 0.6
    assert typical(bottom("V2", -0.05, 0.08), "NORM") < -0.5
    assert typical(bottom("aVR", -0.05, 0.08), "NORM") < -0.4
    assert 0.06 < typical(qrs_width, "NORM") < 0.11


@pytest.mark.parametrize("block", ["CLBBB", "CRBBB"])
def test_bundle_branch_blocks_widen_the_qrs_complex(block: str) -> None:
    assert typical(qrs_width, block) > typical(qrs_width, "NORM") + 0.02
    assert np.median([simulated.qrs for simulated in find(block)]) > 0.12


def test_bundle_branch_blocks_point_to_the_ventricle_that_comes_late() -> None:
    assert typical(height("V1", -0.05, 0.08), "CLBBB") < -0.3
    assert typical(height("V6", -0.05, 0.08), "CLBBB") > 0.2
    assert typical(top("V1", 0.03, 0.1), "CRBBB") > typical(top("V1", 0.03, 0.1), "NORM") + 0.2
    assert typical(bottom("I", 0.03, 0.1), "CRBBB") < typical(bottom("I", 0.03, 0.1), "NORM") - 0.1


def test_first_degree_block_moves_the_p_wave_away() -> None:
    def before(simulated: Simulated) -> float:
        search = part(simulated, "II", -0.35, -0.07)
        return 0.35 - float(search.argmax()) / RATE

    assert typical(before, "1AVB", "SR") > typical(before, "NORM", "SR") + 0.03


@pytest.mark.parametrize(
    ("infarction", "leads"), [("AMI", ("V1", "V2", "V3")), ("IMI", ("II", "III", "aVF"))]
)
def test_infarctions_raise_st_and_bring_q_waves_in_their_leads(
    infarction: str, leads: tuple[str, ...]
) -> None:
    for lead in leads:
        raised = typical(height(lead, 0.08, 0.11), infarction)
        assert raised > typical(height(lead, 0.08, 0.11), "NORM") + 0.03
        # A Q wave, or in V1 and V2 no more r before S.
        early = (lead, -0.05, -0.01)
        assert typical(height(*early), infarction) < typical(height(*early), "NORM") - 0.04


def test_anterior_st_elevation_is_not_inferior() -> None:
    def gap(simulated: Simulated) -> float:
        return height("V2", 0.08, 0.11)(simulated) - height("aVF", 0.08, 0.11)(simulated)

    assert typical(gap, "AMI") > typical(gap, "NORM") > typical(gap, "IMI")


def test_hypertrophy_and_low_voltage_are_apart_from_normal() -> None:
    def sokolow_lyon(simulated: Simulated) -> float:
        r = max(top(lead, -0.05, 0.05)(simulated) for lead in ("V5", "V6"))
        return r - bottom("V1", -0.05, 0.08)(simulated)

    def largest_limb_lead(simulated: Simulated) -> float:
        spans = [float(np.ptp(part(simulated, lead, -0.06, 0.08))) for lead in LEADS[:6]]
        return max(spans)

    assert typical(sokolow_lyon, "LVH") > 1.3 * typical(sokolow_lyon, "NORM")
    assert typical(sokolow_lyon, "LVH") > 2.5
    assert typical(largest_limb_lead, "LVOLT") < 0.75 * typical(largest_limb_lead, "NORM")


def test_long_qt_delays_the_t_wave() -> None:
    def corrected_peak(simulated: Simulated) -> float:
        time = 0.15 + float(np.abs(part(simulated, "V4", 0.15, 0.55)).argmax()) / RATE
        return time * float(simulated.heart_rate / 60) ** (1 / 3)

    assert typical(corrected_peak, "LNGQT") > typical(corrected_peak, "NORM") + 0.04


def test_premature_beats_come_early_and_ventricular_ones_are_broad() -> None:
    for ectopy in ECTOPY:
        for simulated in find("SR", ectopy, without=("CLBBB", "CRBBB")):
            cycles = np.diff(simulated.beats)
            assert cycles.min() < 0.95 * np.median(cycles)
    broadest = {
        ectopy: np.median([_broadest(one) for one in find("SR", ectopy, without=())])
        for ectopy in ECTOPY
    }
    assert broadest["PVC"] > broadest["PAC"] + 0.03


def _broadest(simulated: Simulated) -> float:
    """Longest time that any beat stays above half its largest deflection (s)."""
    signal = simulated.record.signal
    signal = signal - np.median(signal, axis=1, keepdims=True)
    size = np.sqrt((signal**2).sum(axis=0))
    widths = []
    for time in simulated.beats:
        place = round(time * RATE)
        beat = size[max(0, place - 25) : place + 26]
        widths.append(np.count_nonzero(beat > beat.max() / 2) / RATE)
    return max(widths)
