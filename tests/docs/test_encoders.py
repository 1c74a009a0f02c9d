"""The table of known models in docs/encoders.md is that of the registry; run, this writes it."""

from pathlib import Path

from myocard.encoders.published import Card
from myocard.encoders.registry import cards

DOCUMENT = Path(__file__).parents[2] / "docs" / "encoders.md"
RULE = "|---|---|---|---|---|---|---|---|\n"


def row(card: Card) -> str:
    licences = f"{card.code_licence}; {card.weights_licence}"
    datasets = "unknown" if card.pretrained_on is None else ", ".join(card.pretrained_on)
    model = f"{card.title}: {card.paper}"
    size, signals = card.size, card.signals
    cells = [f"`{card.name}`", model, licences, size, card.layers, signals, datasets, card.where]
    return f"| {' | '.join(cells)} |\n"


def with_table(document: str) -> str:
    """The document with the rows of all known models at its end."""
    return document[: document.rindex(RULE) + len(RULE)] + "".join(map(row, cards().values()))


def test_the_table_of_known_models_is_that_of_the_registry():
    document = DOCUMENT.read_text(encoding="utf-8")
    assert document == with_table(document), f"run python {__file__}"


if __name__ == "__main__":
    DOCUMENT.write_text(with_table(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
