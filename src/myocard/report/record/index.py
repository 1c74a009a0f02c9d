"""The index of pages on the records of a folder, sorted by what the model says of them."""

from collections.abc import Sequence

from markupsafe import Markup

from myocard.report.record.page import policy_of
from myocard.report.record.words import number
from myocard.report.templates import environment, text_of
from myocard.results.explanation import Entry


def index(entries: Sequence[Entry], title: str) -> str:
    """Render the index of some pages, which lie beside it."""
    style = Markup(f"{text_of('report.css')}\n{text_of('record/record.css')}")
    script = Markup(text_of("record/index.js"))
    explained = [entry for entry in entries if entry.page is not None]
    return (
        environment()
        .get_template("record/index.html.jinja")
        .render(
            title=title,
            policy=policy_of(style, script),
            style=style,
            script=script,
            outputs=list(explained[0].scores) if explained else [],
            explained=explained,
            others=[entry for entry in entries if entry.page is None],
            disagree=any(entry.disagreement is not None for entry in explained),
            number=number,
        )
    )
