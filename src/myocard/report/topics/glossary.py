"""The chapter of terms."""

from myocard.report.blocks import Chapter, Definitions
from myocard.report.words import read_words


def chapter() -> Chapter:
    terms = [(term["name"], term["meaning"]) for term in read_words("glossary")["term"]]
    return Chapter("reading", "How to read this page", [Definitions(terms)])
