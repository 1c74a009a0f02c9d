"""Calls side by side, in processes of one machine or, by joblib's backends, of several."""

from collections.abc import Sequence
from typing import Any

from joblib import effective_n_jobs

from myocard.files.progress import Progress
from myocard.files.workers import require_jobs, workers


def processes_for(calls: int, jobs: int) -> int:
    """Return how many processes make so many calls, at most ``jobs`` (-1: one a core).

    Raises:
        InputError: For no jobs.
    """
    require_jobs(jobs)
    return max(1, min(effective_n_jobs(jobs), calls))


def side_by_side(
    what: str, calls: Sequence[Any], progress: Progress, jobs: int, before: int = 0
) -> None:
    """Make joblib's ``calls``, ``jobs`` at a time (-1: one a core); they share torch's threads.

    Args:
        what: Name of the work, for ``progress``.
        calls: What ``joblib.delayed`` returned.
        progress: Called before the first call and after every one.
        jobs: Processes; with one, calls are made in this process.
        before: Number of those that were made before.
    """
    # Exported models are asked side by side without it.
    import torch

    jobs = processes_for(len(calls), jobs)
    # Workers of their own: those that prepared stores would take torch's memory for a leak.
    results = workers(
        jobs,
        batch_size=1,
        initializer=torch.set_num_threads,
        initargs=(max(1, torch.get_num_threads() // jobs),),
    )
    whole = before + len(calls)
    progress(what, before, whole)
    for done, _ in enumerate(results(calls), start=before + 1):
        progress(what, done, whole)
