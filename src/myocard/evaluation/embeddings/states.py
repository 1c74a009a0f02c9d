"""People's embeddings, kept as states of an encoder that was not run here."""

import hashlib
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
from numpy.lib.format import write_array_header_1_0
from torch import nn

from myocard.data.corpora import PretrainedOn
from myocard.encoders.protocol import Layer
from myocard.errors import InputError
from myocard.evaluation.embeddings.arrays import Numbers, read_layers
from myocard.evaluation.embeddings.records import Records
from myocard.evaluation.features import Features, FeaturesInfo, write_features
from myocard.files.manifest import file_hash
from myocard.files.step import step
from myocard.nn.readouts.heads import LARGEST, LEAST_SPREAD
from myocard.nn.readouts.norms import NormShape
from myocard.results.run import EncoderInfo

LOG = logging.getLogger(__name__)
_CHUNK = 256
"""Records of which all layers are in memory at once."""
_SAMPLE = 64
"""Records whose spread is looked at."""


class Embeddings(NamedTuple):
    """People's embeddings of some records.

    Attributes:
        place: The folder or file that they are in.
        files: Files of parts of the records, which follow each other; each part as ``read_layers``
            takes it.
        records: The records.
        pretrained_on: Names of the data sets that their encoder was pretrained on, if known.
    """

    place: Path
    files: Sequence[Sequence[Path]]
    records: Records
    pretrained_on: tuple[str, ...] = ()


def keep(given: Embeddings, out: Path) -> Features:
    """Keep embeddings as features of an encoder that is called as the folder ``out``.

    No norm is applied. Numbers stay float16 or become float32.

    Args:
        given: The embeddings.
        out: The folder, by the rule of ``files/step.py``.

    Raises:
        InputError: When embeddings are broken or do not fit the records, or ``out`` holds others.
    """
    known = PretrainedOn(datasets=given.pretrained_on or None)
    hashes = {
        file.relative_to(given.place).as_posix(): file_hash(file)
        for part in given.files
        for file in part
    }

    def make(folder: Path, work: Path) -> None:
        with TemporaryDirectory(dir=work) as unpacked:
            parts = [
                read_layers(files, Path(unpacked) / str(number))
                for number, files in enumerate(given.files)
            ]
            layers = _layers_of(parts, given)
            widths = {layer.width for layer in layers}
            encoder = EncoderInfo(
                name=out.name,
                hash=hashlib.sha256(json.dumps(hashes).encode()).hexdigest(),
                layers=len(layers),
                width=widths.pop() if len(widths) == 1 else None,
                datasets=known.datasets,
                leak_check=known.leak_check,
            )
            norm = NormShape("identity", layers[-1].width)
            info = FeaturesInfo(encoder=encoder, layers=layers, norm=norm, store=given.records.key)
            _write_states(folder / "states.npy", parts, info, given)
        write_features(folder, info, nn.Identity(), given.records.table.assign(known=""))

    inputs = {"embeddings": hashes, "records": given.records.key, "pretrained_on": known.key}
    step(out, inputs, make)
    return Features.open(out)


def _layers_of(parts: Sequence[Mapping[str, Numbers]], given: Embeddings) -> tuple[Layer, ...]:
    """Return the layers, which all parts share, and tell of them."""
    layers, *others = [
        tuple(Layer(name, array.shape[1]) for name, array in part.items()) for part in parts
    ]
    if any(other != layers for other in others):
        raise InputError(f"{given.place}: its parts differ in layers or widths; embed them alike")
    counts = [len(next(iter(part.values()))) for part in parts]
    records = given.records
    if sum(counts) != len(records.table):
        raise InputError(
            f"{given.place}: embeddings of {sum(counts)} records, and {len(records.table)} records "
            f"in {records.place}; give one embedding for each, in the same order"
        )
    told = ", ".join(f"{layer.name} ({layer.width})" for layer in layers)
    first = "; the first stands for the embedding, which mixtures leave out" if layers[1:] else ""
    LOG.info("%s: %d records, layers in order: %s%s", given.place, sum(counts), told, first)
    return layers


def _write_states(
    path: Path, parts: Sequence[Mapping[str, Numbers]], info: FeaturesInfo, given: Embeddings
) -> None:
    """Write the states of all parts, with a chunk of them in memory."""
    sizes = {array.dtype.itemsize for part in parts for array in part.values()}
    kind = np.dtype("<f2" if sizes == {2} else "<f4")
    if 8 in sizes:
        LOG.info("%s: float64, kept as float32", given.place)
    ids = given.records.table["id"].tolist()
    shape = info.shape_of(len(ids))
    done = 0
    _require_spread(parts[0], given.place)
    with path.open("wb") as file:
        about = {"descr": kind.str, "fortran_order": False, "shape": shape}
        write_array_header_1_0(file, about)
        for chunk in _chunks(parts, kind):
            count = len(next(iter(chunk.values())))
            _refuse_strange(chunk, ids[done : done + count], given.place)
            layers = [*chunk.values()]
            file.write((np.stack if len(shape) == 3 else np.concatenate)(layers, axis=1).tobytes())
            done += count


def _chunks(
    parts: Sequence[Mapping[str, Numbers]], kind: np.dtype[np.floating]
) -> Iterator[dict[str, Numbers]]:
    """Yield some records at a time, in the precision that is kept."""
    for part in parts:
        count = len(next(iter(part.values())))
        for start in range(0, count, _CHUNK):
            rows = slice(start, start + _CHUNK)
            with np.errstate(over="ignore"):
                chunk = {name: array[rows].astype(kind) for name, array in part.items()}
            yield chunk


def _refuse_strange(chunk: Mapping[str, Numbers], ids: Sequence[str], place: Path) -> None:
    for name, values in chunk.items():
        strange = np.flatnonzero(~(np.abs(values).max(axis=1).astype(np.float32) <= LARGEST))
        if len(strange):
            raise InputError(
                f"{place}: {name} of record {ids[strange[0]]} is not finite, or beyond "
                f"{LARGEST:g}; see to the encoder, or leave the record out"
            )


def _require_spread(part: Mapping[str, Numbers], place: Path) -> None:
    """Refuse numbers so small that their scale would change the scores."""
    for name, array in part.items():
        some = array[:: -(-len(array) // _SAMPLE)].astype(np.float64)
        with np.errstate(over="ignore", invalid="ignore"):
            spread = float(np.median(some.std(axis=0)))
        if 0 < spread < LEAST_SPREAD:
            raise InputError(
                f"{place}: {name} has a deviation of {spread:.1g}, and heads need {LEAST_SPREAD} "
                f"or more to tell numbers apart; multiply it, such as by {1 / spread:.0e}"
            )
