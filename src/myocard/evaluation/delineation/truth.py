"""The true waves of an encoder's window: of each lead, or of all leads together."""

import hashlib
from collections.abc import Sequence

import numpy as np

from myocard.data.store import Store
from myocard.encoders.protocol import ECGEncoder, LeadwiseEncoder
from myocard.metrics.boundaries import runs
from myocard.waves import NONE, UNKNOWN, WAVES, Delineation, OfLeads, nothing_known

_RATE = 1000


def in_window(
    encoder: ECGEncoder, store: Store, waves: Sequence[OfLeads]
) -> list[list[Delineation]]:
    """Return each record's waves in the middle window of an encoder, a delineation a row of tokens.

    Args:
        encoder: With a row for each of its leads, or one for all, in which a moment belongs to the
            wave that most leads have.
        store: The records.
        waves: Of each record, in seconds from its start in the store.
    """
    leads, start = encoder.input.leads, store.made.start_of(encoder.input)
    # The last sample, behind which no boundary can be seen.
    seconds = (encoder.input.samples - 1) / encoder.input.rate
    found = []
    for each in waves:
        rows = [each.get(lead, nothing_known()).earlier(start) for lead in leads]
        if not isinstance(encoder, LeadwiseEncoder):
            rows = [consensus(rows, seconds)]
        found.append([row.within(seconds) for row in rows])
    return found


def consensus(leads: Sequence[Delineation], seconds: float) -> Delineation:
    """Return the waves that most leads have; unknown where most of them are, to the millisecond."""
    labels = np.stack([lead.labels(round(seconds * _RATE) + 1, _RATE) for lead in leads])
    votes = np.stack([(labels == kind).sum(axis=0) for kind in (NONE, *WAVES.values())])
    agreed = votes.argmax(axis=0).astype(np.int8)
    agreed[2 * votes.sum(axis=0) < len(leads)] = UNKNOWN
    return runs(agreed, _RATE, shortest=0)


def digest(waves: Sequence[OfLeads]) -> str:
    """Return a hash of the waves of all records."""
    found = hashlib.sha256()
    for record, leads in enumerate(waves):
        for lead, delineation in sorted(leads.items()):
            found.update(f"{record} {lead}".encode() + b"".join(x.tobytes() for x in delineation))
    return found.hexdigest()
