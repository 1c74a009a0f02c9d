"""Calls in processes of this machine or, by joblib's backends, of a cluster."""

from typing import Any

from joblib import Parallel
from joblib.parallel import get_active_backend

from myocard.errors import InputError


def require_jobs(jobs: int) -> None:
    """Refuse no jobs.

    Raises:
        InputError: When there are none.
    """
    if jobs == 0:
        raise InputError("jobs 0: give 1 or more, or -1 for one a core")


def workers(jobs: int, **how: Any) -> Parallel:
    """Return ``jobs`` workers (-1: one a core) that give results as they come.

    Backends that cannot, as Ray's, give all of them at the end.
    """
    backend, _ = get_active_backend()
    return_as = "generator_unordered" if backend.supports_return_generator else "list"
    return Parallel(n_jobs=jobs, return_as=return_as, **how)
