"""A page of chapters as HTML, which needs no file beside it."""

import json
import re
from collections.abc import Sequence
from os.path import relpath
from pathlib import Path
from urllib.parse import quote

from markupsafe import Markup

from myocard.report.blocks import Chapter, Gallery, Tabulated, all_blocks
from myocard.report.templates import environment, text_of
from myocard.results.run import RUN
from myocard.results.saved import SavedRun


def render(
    chapters: Sequence[Chapter],
    out: Path,
    *,
    title: str,
    lead: str,
    figures: str = "",
    tables: str = "",
    numbers: str = "",
    script: str = "",
) -> str:
    """Render chapters as a page.

    Args:
        chapters: The chapters.
        out: The folder that the page will be in.
        title: Its heading.
        lead: The sentences below it.
        figures: The place of figures from the page, with a slash at its end; empty for beside it.
        tables: That of tables.
        numbers: The one file of all tables' numbers; empty where each has its own.
        script: What the page runs.
    """
    templates = environment()
    templates.globals |= {"figures": figures, "tables": tables, "numbers": numbers}
    templates.filters["inline"] = lambda figure: Markup(figure.svg)
    templates.filters["slug"] = slug
    templates.filters["settings"] = _settings
    templates.filters["file"] = lambda run: quote(relpath(run.folder / RUN, out))
    template = templates.get_template("report.html.jinja")
    shown = {"style": Markup(text_of("report.css")), "script": Markup(script)}
    return template.render(chapters=chapters, title=title, lead=lead, **shown)


def write_blocks(chapters: Sequence[Chapter], *, figures: Path, tables: Path) -> None:
    """Write the figures and tables of all chapters into two folders."""
    for block in all_blocks([block for chapter in chapters for block in chapter.blocks]):
        if isinstance(block, Gallery):
            for figure in block.figures:
                figure.write(figures)
        elif isinstance(block, Tabulated):
            block.table.write(tables)


def slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower())


def _settings(run: SavedRun) -> str:
    kept = {"seconds", "seeds", "chosen", "splits", "versions", "hashes", "recipe", "transfer"}
    content = run.info.model_dump(mode="json", include=kept)
    return json.dumps(content, indent=1, sort_keys=True)
