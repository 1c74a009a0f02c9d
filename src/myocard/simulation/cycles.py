"""The cycles of a record: the waves that its beats show, and where each begins and ends."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from myocard.simulation.dipole import Array, Waves, joined
from myocard.simulation.findings import SINUS
from myocard.simulation.morphology import Heart
from myocard.simulation.people import Visit
from myocard.simulation.rhythm import Beats
from myocard.waves import QRS, Delineation, P, T, apart


class Cycle(NamedTuple):
    """Waves that some of a record's beats show.

    Attributes:
        waves: All of them, in time from ``at``.
        named: Those that a delineation names, by kind.
        at: ``(beats,)`` their time at each beat of the record (s).
        shown: ``(beats,)`` true for the beats that show them.
    """

    waves: Waves
    named: Mapping[int, Waves]
    at: Array
    shown: NDArray[np.bool_]


def cycles(body: Heart, pulse: Beats, drawn: Visit, qt: float) -> list[Cycle]:
    """List the cycles of a record; atrial fibrillation and flutter have no waves of their own."""
    early, ventricular = pulse.premature, "PVC" in drawn.findings
    own = ~early if ventricular else np.ones_like(early)
    named = {QRS: body.shape.qrs, T: body.t(qt)}
    found = [Cycle(body.ventricles(qt), named, pulse.at, own)]
    if ventricular:
        named = {QRS: body.ectopic, T: body.ectopic_t}
        found.append(Cycle(joined([*named.values()]), named, pulse.at, early))
    if drawn.rhythm in SINUS:
        p_onset = pulse.at + body.shape.qrs.onset - body.shape.pr
        found.append(Cycle(body.p, {P: body.p}, p_onset, ~early))
        if not ventricular:
            found.append(Cycle(body.ectopic_p, {P: body.ectopic_p}, p_onset + 0.02, early))
    return found


def delineated(found: Sequence[Cycle], seconds: float) -> Delineation:
    """Return the waves that lie in the record, or in part: the truth, equal for all leads."""
    kinds, onsets, offsets = [], [], []
    for cycle in found:
        at = cycle.at[cycle.shown]
        for kind, waves in cycle.named.items():
            kinds.append(np.full(len(at), kind, np.int8))
            onsets.append(at + waves.onset)
            offsets.append(at + waves.offset)
    truth = apart(np.concatenate(kinds), np.concatenate(onsets), np.concatenate(offsets))
    return truth.chosen((truth.offset > 0) & (truth.onset < seconds))
