"""One file, looked at: a first command with a strange ECG."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from myocard.cli import options
from myocard.cli.options import DATA, app
from myocard.cli.output import tell
from myocard.errors import InputError

if TYPE_CHECKING:
    from myocard.data.formats.recording import Recording
    from myocard.record import Facts

_JUDGED = 600
"""Seconds of a long record whose quality is judged."""


@app.command(rich_help_panel=DATA)
def read(
    file: Annotated[Path, Argument(help="An ECG in any format that myocard reads")],
    rate: options.Rate = None,
    leads: options.Rows = None,
    unit: options.Unit = None,
    rename: options.Rename = None,
    png: Annotated[Path | None, Option(help="Draw it on ECG paper")] = None,
    svg: Annotated[Path | None, Option(help="Draw it on ECG paper")] = None,
) -> None:
    """Show what is in a file.
    [dim]myocard read strange.xml --png sheet.png[/dim]

    Print format, leads, rate, length, what the file says of the patient, and what was assumed.

    Fields that could tell who the patient is are named, and their content is not shown. A sheet
    bears no name.
    """
    from myocard.data.formats.joining import parse_rename
    from myocard.data.formats.reading import format_of, opened

    for ending, path in ((".png", png), (".svg", svg)):
        if path is not None and path.suffix.lower() != ending:
            raise InputError(f"{path}: call it {path.with_suffix(ending).name}")
        if path is not None and not path.parent.is_dir():
            raise InputError(f"{path.parent}: no such folder; make it first")
    names = leads.split(",") if leads else None
    renamed = parse_rename(rename or ())
    recording = opened(file, rate=rate, leads=names, unit=unit, rename=renamed)
    rows = [("format", format_of(file)), *_described(recording)]
    tell(
        *(f"{name:20}{told}" for name, told in rows),
        format=rows[0][1],
        leads=recording.leads,
        rate=recording.rate,
        samples=recording.samples,
        unit=recording.unit,
        told=rows,
    )
    sheets = [path for path in (png, svg) if path is not None]
    if sheets:
        from myocard.report.paper import draw_on_paper

        for sheet in sheets:
            draw_on_paper(recording, sheet)
        tell(*(f"{'drawn':20}{sheet}" for sheet in sheets), drawn=sheets)


def _described(recording: "Recording") -> Iterator[tuple[str, str]]:
    """Yield the name and value of what is known of a record."""
    from myocard.data.quality import Excerpt, faults_of

    values = recording.extremes()
    yield "leads", ", ".join(recording.leads)
    yield "rate", f"{recording.rate:g} Hz"
    yield "length", f"{recording.seconds:g} s, {recording.samples} samples"
    if values.least.min() <= values.most.max():
        yield "values", f"{values.least.min():.3g} to {values.most.max():.3g} {recording.unit}"
    flat = values.finite & (values.least == values.most)
    for name, found in (("flat", flat), ("not finite", ~values.finite)):
        if found.any():
            leads = zip(recording.leads, found, strict=True)
            yield name, ", ".join(lead for lead, is_so in leads if is_so)
    if values.finite.all():
        part = recording.cut(0, min(recording.samples, round(_JUDGED * recording.rate)))
        for fault, detail in faults_of(Excerpt.of(part)):
            yield "quality", f"{fault}: {detail}"
    yield from _stated(recording.facts)


def _stated(facts: "Facts") -> Iterator[tuple[str, str]]:
    """Yield the name and value of what a file says of its patient, but for who it is."""
    from myocard.data.pseudonyms import identifiers_of, names_someone

    for name in ("age", "sex", "device", "date"):
        value = getattr(facts, name)
        if value is not None:
            yield name, f"{value:g}" if isinstance(value, float) else str(value)
    for name, measured in facts.measurements.items():
        yield name, f"{measured:g}"
    for statement in facts.statements:
        names = names_someone(statement, identifiers_of(facts))
        yield "statement", "(names the patient, not shown)" if names else statement
    if facts.identifiers:
        yield "identifiers", f"{', '.join(facts.identifiers)} (not shown)"
    for assumption in facts.assumed:
        yield "assumed", assumption
