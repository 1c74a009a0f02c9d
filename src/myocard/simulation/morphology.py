"""The shape of a beat: the waves of the normal heart and the change that each condition makes.

Directions are in Frank's axes (x left, y feet, z back). They were chosen so that the projected
leads meet the textbook's criteria (Surawicz and Knilans, Chou's Electrocardiography in Clinical
Practice); a condition's severity runs from barely to plainly visible.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator

from myocard.simulation.dipole import DOWER, REACH, Array, Waves, joined, rotation
from myocard.simulation.findings import possible

# Times from the main deflection of the QRS complex: septum, free wall, base.
_NORMAL_QRS = Waves.of(
    (-22, 8, (-0.14, 0.02, -0.24)), (0, 11, (1.0, 0.82, 0.15)), (22, 11, (-0.14, -0.12, 0.62))
)
_LEFT_BUNDLE_BRANCH_BLOCK = Waves.of(
    (-46, 15, (0.22, 0.12, -0.06)), (-12, 23, (0.75, 0.5, 0.55)), (32, 22, (0.8, 0.3, 0.75))
)
# Times from the onset of the P wave: right atrium, left atrium.
_NORMAL_P = Waves.of((38, 16, (0.035, 0.075, -0.045)), (68, 17, (0.05, 0.05, 0.03)))
# Times from the peak of the T wave, along a unit vector that the shape fills in.
_T_TIMES = Waves.of((-45, 50, (0.5, 0.0, 0.0)), (0, 34, (0.66, 0.0, 0.0)))
# Chance that a condition which is not among the findings is there to a small degree.
_BORDERLINE = 0.15


@dataclass(frozen=True)
class Shape:
    """QRS complex, ST segment and T wave of a beat.

    Attributes:
        qrs: Waves of the QRS complex, in time from its main deflection.
        st: ``(3,)`` dipole of the ST segment (mV).
        t: ``(3,)`` dipole at the peak of the T wave (mV).
        pr: Time from the onset of P to the onset of QRS (s).
        qt_corrected: QT interval at 60 beats a minute (s), after Fridericia.
    """

    qrs: Waves
    st: Array
    t: Array
    pr: float
    qt_corrected: float


@dataclass(frozen=True)
class Heart:
    """All waves of a heart.

    Attributes:
        shape: Its normal beat.
        p: P wave from the sinus node, in time from its onset.
        ectopic_p: P wave from elsewhere in the atria.
        ectopic: QRS complex of a premature ventricular beat, in time from its main deflection.
        ectopic_t: T wave of that beat, in the same time.
    """

    shape: Shape
    p: Waves
    ectopic_p: Waves
    ectopic: Waves
    ectopic_t: Waves

    def ventricles(self, qt: float) -> Waves:
        """Return QRS, ST segment and T wave, in time from the main deflection, for a QT (s)."""
        shape = self.shape
        st = Waves(np.array([shape.qrs.offset + 0.045]), np.array([0.036]), shape.st[None])
        return joined([shape.qrs, st, self.t(qt)])

    def t(self, qt: float) -> Waves:
        """Return the T wave, which ends a QT (s) after the onset of QRS, in the same time."""
        stretch = float(np.sqrt(qt / 0.39))
        peak = self.shape.qrs.onset + qt - REACH * stretch * _T_TIMES.width[-1]
        vector = np.outer(_T_TIMES.vector[:, 0], self.shape.t)
        return Waves(peak + stretch * _T_TIMES.at, stretch * _T_TIMES.width, vector)


def heart(findings: tuple[str, ...], sex: str, rng: Generator) -> Heart:
    """Draw the heart of a patient."""
    shape = _normal(sex, rng)
    for code, change in _CHANGES.items():
        severity = _severity(code, findings, rng)
        if severity > 0:
            shape = change(shape, severity)
    turn = rotation(rng.normal(0, 18), rng.normal(0, 9))
    turn_t = rotation(rng.normal(0, 10), rng.normal(0, 10)) @ turn
    qrs = shape.qrs._replace(vector=shape.qrs.vector @ turn.T)
    shape = replace(shape, qrs=qrs, st=turn @ shape.st, t=turn_t @ shape.t)
    size = np.exp(rng.normal(0, 0.22)) * (0.75 if "LVOLT" in findings else 1.0)
    p = _NORMAL_P._replace(vector=size * _NORMAL_P.vector @ turn.T)
    ectopic_p = p._replace(vector=p.vector @ rotation(rng.uniform(-140, -50), 20.0).T)
    return Heart(shape, p, ectopic_p, *_ectopic(rng))


def _severity(code: str, findings: tuple[str, ...], rng: Generator) -> float:
    """Draw the severity of a condition; 0 for most hearts without it among their findings.

    Some of these have it to a small degree, and some with the finding barely more: readers divide
    a continuum, and its two sides cannot be distinguished without error.
    """
    present, borderline, chance = rng.uniform(0.25, 1.2), rng.uniform(0.05, 0.55), rng.random()
    if code in findings:
        return present
    return borderline if chance < _BORDERLINE and possible(code, findings) else 0.0


def lead_vectors(rng: Generator) -> Array:
    """Draw the ``(8, 3)`` matrix of Dower for electrodes placed by hand."""
    return DOWER * np.exp(rng.normal(0, 0.07, (8, 1))) + rng.normal(0, 0.05, (8, 3))


def _normal(sex: str, rng: Generator) -> Shape:
    """Draw a normal beat."""
    size = np.exp(rng.normal(0, 0.2)) * (1.05 if sex == "M" else 0.93)
    stretch = np.clip(rng.normal(1, 0.07), 0.85, 1.18)
    uneven = np.exp(rng.normal(0, 0.18, (3, 1)))
    vector = size * _NORMAL_QRS.vector * uneven + rng.normal(0, 0.05, (3, 3))
    qrs = Waves(stretch * _NORMAL_QRS.at, stretch * _NORMAL_QRS.width, vector)
    # The crista and the outflow tract come last in everybody, in some enough for an r' in V1.
    last = Waves.of((38, 9, (-0.12, -0.12, -0.22)))
    last = last._replace(vector=last.vector * abs(rng.normal(0, 0.5)))
    return Shape(
        qrs=joined([qrs, last]),
        st=abs(rng.normal(0, 0.4)) * np.array([0.05, 0.04, -0.06]) + rng.normal(0, 0.008, 3),
        t=np.exp(rng.normal(0, 0.35)) * np.array([0.26, 0.21, -0.14]) + rng.normal(0, 0.025, 3),
        pr=float(np.clip(rng.normal(0.158, 0.02), 0.115, 0.2)),
        qt_corrected=float(np.clip(rng.normal(0.405 if sex == "F" else 0.395, 0.019), 0.35, 0.455)),
    )


def _left_bundle_branch_block(shape: Shape, severity: float) -> Shape:
    """Make activation slow, from the septum to the left and back; repolarisation opposes it."""
    size = np.linalg.norm(shape.qrs.vector[1]) / np.linalg.norm(_NORMAL_QRS.vector[1])
    stretch = 0.8 + 0.2 * severity
    # Below a half the left bundle still conducts some of the beat.
    share = min(1.0, 2 * severity)
    block = _LEFT_BUNDLE_BRANCH_BLOCK
    slow = Waves(stretch * block.at, stretch * block.width, share * size * block.vector)
    fast = shape.qrs._replace(vector=(1 - share) * shape.qrs.vector)
    qrs = joined([fast, slow]) if share < 1 else slow
    st = shape.st + severity * size * np.array([-0.09, -0.02, -0.12])
    t = (1 - 0.6 * share) * shape.t + share * size * np.array([-0.22, -0.05, -0.26])
    return replace(shape, qrs=qrs, st=st, t=t, qt_corrected=shape.qt_corrected + 0.035 * share)


def _right_bundle_branch_block(shape: Shape, severity: float) -> Shape:
    """Add a late wave to the right and front; T in V1 opposes it."""
    late = Waves.of((46, 15, (-0.5, -0.03, -0.62)))
    size = 0.2 + 0.75 * severity
    late = late._replace(at=late.at + 0.012 * severity, vector=size * late.vector)
    t = shape.t + severity * np.array([0.06, 0.0, 0.2])
    qt_corrected = shape.qt_corrected + 0.02
    return replace(shape, qrs=joined([shape.qrs, late]), t=t, qt_corrected=qt_corrected)


def _anterior_infarction(shape: Shape, severity: float) -> Shape:
    """Silence the front wall: forces point back; current of injury points to the front."""
    vector = shape.qrs.vector.copy()
    vector[0] += severity * np.array([0.04, 0.0, 0.5])
    vector[1] += severity * np.array([-0.15, 0.0, 0.22])
    st = shape.st + severity * np.array([0.03, -0.03, -0.17])
    t = shape.t + severity * np.array([-0.03, 0.0, 0.1])
    return replace(shape, qrs=shape.qrs._replace(vector=vector), st=st, t=t)


def _inferior_infarction(shape: Shape, severity: float) -> Shape:
    """Silence the lower wall: early forces point up; current of injury points down."""
    vector, width = shape.qrs.vector.copy(), shape.qrs.width.copy()
    vector[0] += severity * np.array([0.05, -0.5, 0.0])
    vector[1] += severity * np.array([0.0, -0.22, 0.0])
    width[0] *= 1 + 0.35 * severity
    st = shape.st + severity * np.array([-0.05, 0.15, 0.03])
    t = shape.t + severity * np.array([0.0, -0.12, 0.0])
    return replace(shape, qrs=shape.qrs._replace(vector=vector, width=width), st=st, t=t)


def _left_ventricular_hypertrophy(shape: Shape, severity: float) -> Shape:
    """Add force to the left and back; with severity the strain pattern."""
    vector = shape.qrs.vector.copy()
    vector[1] = (1.25 + 0.45 * severity) * vector[1] + severity * np.array([0.2, -0.15, 0.1])
    vector[2] = (1.25 + 0.45 * severity) * vector[2]
    strain = max(0.0, severity - 0.4)
    qrs = shape.qrs._replace(vector=vector, width=1.06 * shape.qrs.width)
    st = shape.st + strain * np.array([-0.09, -0.03, -0.06])
    t = shape.t + strain * np.array([-0.5, -0.2, -0.08])
    return replace(shape, qrs=qrs, st=st, t=t)


def _low_voltage(shape: Shape, severity: float) -> Shape:
    """Reduce all amplitudes, as behind fluid or fat."""
    size = 0.66 - 0.26 * severity
    qrs = shape.qrs._replace(vector=size * shape.qrs.vector)
    return replace(shape, qrs=qrs, st=size * shape.st, t=1.2 * size * shape.t)


def _first_degree_block(shape: Shape, severity: float) -> Shape:
    return replace(shape, pr=max(shape.pr, 0.185 + 0.09 * severity))


def _long_qt(shape: Shape, severity: float) -> Shape:
    return replace(shape, qt_corrected=max(shape.qt_corrected, 0.435 + 0.085 * severity))


_CHANGES: dict[str, Callable[[Shape, float], Shape]] = {
    "CLBBB": _left_bundle_branch_block,
    "CRBBB": _right_bundle_branch_block,
    "AMI": _anterior_infarction,
    "IMI": _inferior_infarction,
    "LVH": _left_ventricular_hypertrophy,
    "LVOLT": _low_voltage,
    "1AVB": _first_degree_block,
    "LNGQT": _long_qt,
}


def _ectopic(rng: Generator) -> tuple[Waves, Waves]:
    """Draw a broad beat from one ventricle to the other, and a T wave opposed to it."""
    from_left = np.array([[-0.45, 0.5, -0.9], [-0.55, 0.2, -0.75]])
    from_right = np.array([[0.7, 0.75, 0.35], [0.6, 0.55, 0.8]])
    first, second = from_left if rng.random() < 0.4 else from_right
    size = np.exp(rng.normal(0.0, 0.3))
    turn = rotation(rng.normal(0, 35), rng.normal(0, 15))
    vector = np.stack([first, second, -0.3 * (first + second)])
    at, width = np.array([-0.024, 0.028, 0.27]), np.array([0.021, 0.025, 0.062])
    vector = size * vector @ turn.T
    return Waves(at[:2], width[:2], vector[:2]), Waves(at[2:], width[2:], vector[2:])
