"""The page of a leaderboard: a chapter for each task."""

from collections.abc import Iterator

import pandas as pd

from myocard.metrics.summary import MISSING
from myocard.report.blocks import Block, Chapter, Points, Tabulated, Words, headed
from myocard.report.html import slug
from myocard.report.table import Table, p_text, signed
from myocard.report.words import NOTES
from myocard.results.leaderboard import Board, Entry, Readout
from myocard.results.run import LeakCheck

_CHECKS: dict[LeakCheck, str] = {
    "records": "held-out records are compared with them one by one",
    "names": "compared with the tested data by name alone",
    "none": "tested records may have been seen",
}


def chapters(boards: tuple[Board, ...]) -> list[Chapter]:
    """Each board with its table, and what its encoders have seen."""
    names = [slug(f"{board.task}-{board.source}") for board in boards]
    anchors = [f"{name}-{k}" if names.count(name) > 1 else name for k, name in enumerate(names)]
    return [_chapter(board, anchor) for board, anchor in zip(boards, anchors, strict=True)]


def _chapter(board: Board, anchor: str) -> Chapter:
    trained = f", trained on {board.trained_on}" if board.trained_on else ""
    blocks: list[Block] = [
        Words(
            f"{board.metric} on {board.split}: {board.records:,} records of {board.patients:,} "
            f"patients, {len(board.entries)} encoders. {NOTES['leaderboard']}"
        ),
        *(Words(text, "warn") for text in _warnings(board)),
        Tabulated(table(board, anchor)),
        *headed("What each has seen", [Points([*map(_seen, board.entries)])]),
    ]
    return Chapter(anchor, f"{board.task}, {board.source}{trained}", blocks)


def _warnings(board: Board) -> Iterator[str]:
    if board.split == "validation":
        yield NOTES["leaderboard_validation"]
    if board.left_out:
        listed = "; ".join(f"{name} (has {why})" for name, why in board.left_out.items())
        yield f"Ties are judged without {listed}."
    if board.unranked:
        listed = "; ".join(f"{name} ({why})" for name, why in board.unranked.items())
        yield f"Not ranked: {listed}."


def table(board: Board, name: str) -> Table:
    """The table of a board, as text and as numbers."""
    shown = pd.DataFrame([_shown(entry, board) for entry in board.entries])
    numbers = pd.DataFrame([_numbers(entry, board) for entry in board.entries])
    caption = f"Encoders by {board.metric} of their best readout, {board.task}, {board.source}."
    return Table(name, caption, shown, numbers, grouped=False)


def _shown(entry: Entry, board: Board) -> dict[str, str]:
    gap = entry.gap
    return {
        "Encoder": entry.encoder,
        "Place": str(entry.place),
        "Ties": entry.ties,
        f"{board.metric} [95 %]": entry.best.score.text,
        "To the first [95 %]": signed(gap.difference, gap.low, gap.high) if gap else MISSING,
        "p, Holm": p_text(gap.p_holm if gap else None),
        "Best readout on validation": f"{entry.best.name}, {entry.best.head} head",
        "Last layer [95 %]": _text(entry.last),
        "Best mixture [95 %]": _text(entry.mixture),
        "Seeds": str(entry.seeds),
    }


def _text(readout: Readout | None) -> str:
    return MISSING if readout is None else readout.score.text


def _numbers(entry: Entry, board: Board) -> dict[str, object]:
    line: dict[str, object] = {
        "task": board.task, "source": board.source, "trained_on": board.trained_on,
        "metric": board.metric, "split": board.split, "records": board.records,
        "patients": board.patients,
    }  # fmt: skip
    line |= entry.model_dump(include={"place", "ties", "encoder", "kind", "random", "seeds"})
    for what in ("best", "last", "mixture"):
        readout: Readout | None = getattr(entry, what)
        score = readout.score.model_dump(exclude={"seed_sd"}) if readout else {}
        line |= {f"{what}_{end}": score.get(end) for end in ("value", "low", "high")}
        line[f"{what}_readout"] = readout.name if readout else None
    gap = entry.gap.model_dump() if entry.gap else {}
    line |= {f"gap_{end}": gap.get(end) for end in ("difference", "low", "high", "p_holm")}
    return line | {"pretrained_on": _pretrained_on(entry), "seen": ", ".join(entry.seen)}


def _seen(entry: Entry) -> str:
    seen = f"; tested records may be among them ({', '.join(entry.seen)})" if entry.seen else ""
    checked = f" ({_CHECKS[entry.leak_check]})" if entry.leak_check and not entry.random else ""
    return f"{entry.encoder}: {_pretrained_on(entry)}{checked}{seen}."


def _pretrained_on(entry: Entry) -> str:
    """The corpus of an encoder's pretraining, as far as it is known."""
    if entry.random or entry.kind == "baseline":
        return "nothing"
    if entry.records:
        return ", ".join(f"{name} ({count:,} records)" for name, count in entry.records.items())
    if entry.datasets is not None:
        return ", ".join(entry.datasets) or "nothing"
    return "unknown"
