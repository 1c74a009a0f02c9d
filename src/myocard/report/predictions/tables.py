"""The tables of a comparison, and its verdicts as sentences."""

from collections.abc import Iterator, Sequence

import pandas as pd

from myocard.metrics.outcomes import NAMES
from myocard.outcomes import CLASSES
from myocard.report.table import MISSING, Table, estimate, gathered, number, p_text, signed
from myocard.results.comparison import Comparison, Contrast, PairedTest

MEAN = "macro"
"""The mean over outputs, in tables."""

_DELONG = "DeLong's p"
_TESTED = ("Difference [95 %]", "p", "p, Holm", _DELONG, "Detectable")
_NUMBERS = tuple(PairedTest.model_fields)


def headline(comparison: Comparison) -> list[Contrast]:
    """The contrasts of the mean over outputs, or of the one output."""
    label = None if len(comparison.classes) > 1 else comparison.classes[0]
    return [each for each in comparison.contrasts if each.label == label]


def by_class(comparison: Comparison) -> list[Contrast]:
    """The contrasts of every output, where there are several."""
    several = len(comparison.classes) > 1
    return [each for each in comparison.contrasts if several and each.label is not None]


def pair_of(contrast: Contrast) -> str:
    return f"{contrast.model} − {contrast.against}"


def differences(comparison: Comparison) -> Table:
    """The table of differences; its numbers are those of every output too."""
    caption = f"Paired differences on {comparison.plan.split}."
    shown = _shown(headline(comparison), comparison).drop(columns=[_word(comparison), _DELONG])
    return Table("comparison", caption, shown, numbers_of(comparison.contrasts))


def class_differences(comparison: Comparison) -> Table:
    """The table of differences by output; empty for one output."""
    contrasts = by_class(comparison)
    caption = f"Paired differences by {_word(comparison).lower()} on {comparison.plan.split}."
    shown = _shown(contrasts, comparison)
    if comparison.outcome not in CLASSES:
        shown = shown.drop(columns=_DELONG)
    return Table("classes", caption, shown, numbers_of(contrasts))


def _word(comparison: Comparison) -> str:
    """Name of an output."""
    return "Class" if comparison.outcome in CLASSES else "Output"


def numbers_of(contrasts: Sequence[Contrast]) -> pd.DataFrame:
    """The contrasts with one number a column, NaN where untestable."""
    lines = [
        each.model_dump(exclude={"test"}) | (each.test.model_dump() if each.test else {})
        for each in contrasts
    ]
    columns = ["model", "against", "measure", "label", *_NUMBERS, "verdict", "reason"]
    frame = pd.DataFrame(lines, columns=columns)
    return frame.fillna({"label": MEAN}).astype(dict.fromkeys(_NUMBERS, float))


def _shown(contrasts: Sequence[Contrast], comparison: Comparison) -> pd.DataFrame:
    """The contrasts as text, those of a pair together."""
    pairs = list(dict.fromkeys(map(pair_of, contrasts)))
    by_pair = sorted(contrasts, key=lambda each: pairs.index(pair_of(each)))
    columns = ("Pair", _word(comparison), "Measure", *_TESTED, "Verdict")
    return pd.DataFrame(map(_cells, by_pair), columns=columns)


def _cells(contrast: Contrast) -> tuple[str, ...]:
    test = contrast.test
    told = (MISSING,) * 5
    if test is not None:
        told = (
            signed(test.difference, test.low, test.high),
            p_text(test.p),
            p_text(test.p_holm),
            p_text(test.p_delong),
            number(test.detectable),
        )
    measure = NAMES[contrast.measure]
    return (pair_of(contrast), contrast.label or MEAN, measure, *told, contrast.verdict)


def sentences(comparison: Comparison) -> Iterator[str]:
    """The verdict on each pair under the leading measure, in words."""
    contrasts = headline(comparison)
    for each in contrasts:
        if each.measure == contrasts[0].measure:
            yield _sentence(each)


def _sentence(contrast: Contrast) -> str:
    claim = f"“{contrast.model} is better than {contrast.against}”: {contrast.verdict}"
    test = contrast.test
    if test is None:
        return f"{claim}, as {contrast.reason}."
    p, seen = p_text(test.p_holm), signed(test.difference, test.low, test.high)
    told = (
        f"{claim}. Difference in {_measure(contrast)} {seen}, "
        f"p {p if p.startswith('<') else f'= {p}'} after Holm"
    )
    if contrast.verdict == "unresolved":
        told += f"; {number(test.detectable)} would have been seen with 80 % power"
    return f"{told}."


def _measure(contrast: Contrast) -> str:
    return f"{'' if contrast.label else 'macro '}{NAMES[contrast.measure]}"


def models(comparison: Comparison) -> Table:
    """The table of every model's scores and calibration."""
    lines, shown = [], []
    for model in comparison.models:
        for label in (MEAN, *comparison.classes):
            if label == MEAN and len(comparison.classes) == 1:
                continue
            line: dict[str, object] = {"model": model.name, "label": label}
            cells = {"Model": model.name, _word(comparison): label}
            for name, score in model.scores.items():
                found = score.macro if label == MEAN else score.by_class[label]
                parts = found.model_dump(include={"value", "low", "high", "seed_sd"})
                line |= {f"{name}_{part}": value for part, value in parts.items()}
                cells[f"{NAMES[name]} [95 %]"] = estimate(found)
            lines.append(line)
            shown.append(cells)
    caption = f"Each model's scores on {comparison.plan.split}."
    return Table("models", caption, pd.DataFrame(shown), pd.DataFrame(lines))


def calibrations(comparison: Comparison) -> Table:
    """The table of every model's calibration; empty where no scores are probabilities."""
    lines = [
        {"model": model.name, "label": name} | found.model_dump()
        for model in comparison.models
        for name, found in model.calibration.items()
    ]
    numbers = pd.DataFrame(lines)
    shown = [
        {
            "Model": line["model"],
            "Class": line["label"],
            "ECE (by chance)": f"{line['error']:.3f} ({line['by_chance']:.3f})",
            "Slope": number(line["slope"]),
            "Intercept": number(line["intercept"]).replace("-", "−"),
        }
        for line in numbers.to_dict("records")
    ]
    caption = f"Calibration on {comparison.plan.split}."
    return Table("calibration", caption, pd.DataFrame(shown), numbers)


def subgroups(comparison: Comparison) -> Table:
    """The table of differences within subgroups; empty without one."""
    numbers = pd.DataFrame([each.model_dump() for each in comparison.subgroups])
    if len(numbers):
        numbers["classes"] = numbers["classes"].map(len)
    shown = []
    for lines in gathered(numbers, "trait", "subgroup"):
        first = lines.iloc[0]
        cells = {"Trait": first["trait"].capitalize(), "Subgroup": first["subgroup"]}
        cells |= {name.capitalize(): str(first[name]) for name in ("records", "patients")}
        for line in lines.to_dict("records"):
            pair = f"{line['model']} − {line['against']} [95 %]"
            cells[pair] = signed(line["difference"], line["low"], line["high"])
        shown.append(cells)
    frame = pd.DataFrame(shown).fillna(MISSING)
    measure = _measure(comparison.contrasts[0])
    caption = f"Difference in {measure} within subgroups of {comparison.plan.split}."
    return Table("subgroups", caption, frame, numbers)
