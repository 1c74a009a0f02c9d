"""All readable files in and below a folder, with what each says of its patient."""

import logging
from functools import partial
from pathlib import Path

from myocard.data.formats.reading import read
from myocard.data.sources.entry import Entry
from myocard.data.sources.listing import record_files

_LOG = logging.getLogger(__name__)


def entries(folder: Path) -> list[Entry]:
    """List every record; a warning counts the files that are none, by their endings."""
    found, others = record_files([folder])
    if others:
        listed = ", ".join(f"{count:,} {ending}" for ending, count in others.most_common(5))
        _LOG.warning("%s: %d other files passed over: %s", folder, others.total(), listed)
    names = [path.relative_to(folder).as_posix() for path in found]
    return [
        Entry(id=name, path=path, read=partial(read, path), patient=None)
        for name, path in zip(names, found, strict=True)
    ]
