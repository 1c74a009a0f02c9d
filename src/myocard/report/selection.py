"""Which readouts the finer tables tell of: all of them would bury the answer."""

from myocard.report.comparisons import Group, Row

MAIN = ("last", "layer", "pma")
"""Of single layers, the best on validation."""


def main_rows(group: Group) -> list[Row]:
    """The rows of ``MAIN`` that were scored, of a pretrained encoder; none of others."""
    rows = group.rows() if group.pretrained else []
    return [
        row
        for row in rows
        if row.run.states.readout in MAIN and row.run.states.metrics(group.split)
    ]
