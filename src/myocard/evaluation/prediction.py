"""Tables of predictions: a row for the record in every file, whatever becomes of it.

Or, with a step, a row for each window of every record. They are read and predicted in parts, each a
table of its own until all are there. So a job that was killed goes on with the next part, and
memory grows neither with the number of files nor with their length.
"""

import json
import logging
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from myocard.data.sources.listing import record_files, state
from myocard.data.spans import require_sample
from myocard.data.window import Place, Stated, places_of, windows_of
from myocard.errors import InputError
from myocard.evaluation import prediction_table
from myocard.files.atomic import replace_file
from myocard.files.progress import Progress, silent
from myocard.files.step import file_step, inputs_beside
from myocard.models.exported import open_predictor
from myocard.models.statement import Predictor
from myocard.record import parse_unit

LOG = logging.getLogger(__name__)
PART = 64
"""Windows of a part: what a stop can cost."""
WORTH_A_PROCESS = 4
"""Parts that take a little longer than a process takes to start."""


class Question(NamedTuple):
    """The model that every process opens, and the form of its files.

    Attributes:
        given: A saved or exported model, or an encoder, as ``open_predictor`` takes it.
        probe: The run folder of a probe of that encoder; None for a saved model.
        stated: What the files do not say of their records.
        step: Seconds from a window of a record to the next; None for one window of each.
    """

    given: str
    probe: str | None
    stated: Stated
    step: float | None


def predict(
    model: Path | str,
    places: Sequence[Path | str],
    out: Path | str,
    *,
    probe: Path | str | None = None,
    step: float | None = None,
    stated: Stated = Stated(),  # noqa: B008
    jobs: int = -1,
    progress: Progress = silent,
) -> int:
    """Predict the record in each file of some places, or take up where a stopped job left off.

    Args:
        model: A saved or exported model; or an encoder, with ``probe``.
        places: Files and folders, as ``record_files`` takes them.
        out: The table to write, ``.csv`` or ``.parquet``, by the rule of ``files/step.py``.
        probe: The run folder of a probe of that encoder; thresholds are those of the best F1.
        step: Seconds from a window of a record to the next, as long as the encoder's; None for the
            middle one of each.
        stated: What files do not say of their records.
        jobs: Processes; -1 for one a core. Each holds the model.
        progress: Called after every part.

    Returns:
        The number of rows without a score.

    Raises:
        InputError: When the model cannot be opened, there is no record, the unit is none, or
            ``out`` was made from another model, other files or settings.
    """
    out = Path(out)
    if stated.unit is not None:
        parse_unit(stated.unit)
    question = Question(str(model), None if probe is None else str(probe), stated, step)
    prediction_table.require_format(out)
    files = _files(list(map(Path, places)), out)
    opened = open_predictor(question.given, question.probe)
    expected = opened.statement.input
    if step is not None:
        require_sample(step, expected.rate)
    inputs = {
        "model": opened.statement.key,
        **stated._asdict(),
        "step": step,
        "files": len(files),
        "listing": state(files),
    }

    def make(fresh: Path, work: Path) -> None:
        if step is None:
            listed = [Place(file) for file in files]
        else:
            listed = places_of(files, step, expected, stated)
        parts = _write_parts(opened, question, listed, work, jobs, progress)
        prediction_table.join(parts, fresh, out.suffix)

    file_step(out, inputs, make)
    return prediction_table.without_score(out)


def _files(places: Sequence[Path], out: Path) -> list[Path]:
    files, others = record_files(places, without=(out, inputs_beside(out)))
    if others:
        kinds = ", ".join(f"{count} {suffix}" for suffix, count in others.most_common(5))
        LOG.info("passed over %d files that hold no record: %s", others.total(), kinds)
    if not files:
        raise InputError(f"{', '.join(map(str, places))}: no file of a record there")
    return files


def _write_parts(
    model: Predictor,
    question: Question,
    places: Sequence[Place],
    work: Path,
    jobs: int,
    progress: Progress,
) -> list[Path]:
    """Make the parts that are missing; return all, in order."""
    chunks = [places[start : start + PART] for start in range(0, len(places), PART)]
    parts = [work / f"part-{number:06d}.parquet" for number in range(len(chunks))]
    missing = [(c, p) for c, p in zip(chunks, parts, strict=True) if not p.exists()]
    done = len(places) - sum(len(chunk) for chunk, _ in missing)
    processes = _processes(len(missing), jobs)
    before = f", {done:,} of them done before" if done else ""
    start = f"; {processes} processes start" if processes > 1 else ""
    LOG.info("%s records%s%s", f"{len(places):,}", before, start)
    what = f"predict {model.statement.encoder}"
    progress(what, done, len(places))
    for count in _made(model, question, missing, processes):
        done += count
        progress(what, done, len(places))
    return parts


def _processes(parts: int, jobs: int) -> int:
    """Return how many processes, at most ``jobs``, are worth their start."""
    most = parts // WORTH_A_PROCESS
    if jobs == 1 or most < 2:
        return 1
    # A few records should not wait for its import.
    from myocard.training.processes import processes_for

    return processes_for(most, jobs)


def _made(
    model: Predictor,
    question: Question,
    missing: Sequence[tuple[Sequence[Place], Path]],
    processes: int,
) -> Iterator[int]:
    """Make parts; yield the number of windows of each when it is there."""
    if processes == 1:
        return (_write_part(model, question, *each) for each in missing)
    from joblib import Parallel, delayed

    key = json.dumps(model.statement.key)
    todo = (delayed(_write_part_of)(question, key, *each) for each in missing)
    return iter(Parallel(n_jobs=processes, return_as="generator_unordered")(todo))


def _write_part_of(question: Question, key: str, places: Sequence[Place], part: Path) -> int:
    return _write_part(_opened(question, key), question, places, part)


@lru_cache(maxsize=1)
def _opened(question: Question, key: str) -> Predictor:
    """Open a model once in a process that another one started."""
    # The other one has told the licence.
    logging.getLogger("myocard").addHandler(logging.NullHandler())
    model = open_predictor(question.given, question.probe)
    if json.dumps(model.statement.key) != key:
        raise InputError(f"{question.given}: was changed meanwhile; give the command again")
    return model


def _write_part(model: Predictor, question: Question, places: Sequence[Place], part: Path) -> int:
    windows, seen = windows_of(places, model.statement.input, question.stated)
    table = prediction_table.part(model, places, windows, seen, timed=question.step is not None)
    replace_file(part, lambda fresh: prediction_table.write_part(table, fresh))
    return len(places)
