"""The processes of a job: this one alone, or one a device, on one machine or many.

``torchrun`` starts them and ends all of them when one fails; Lightning Fabric joins them. Every
process runs the same program, and the first one writes.
"""

import os
from typing import TYPE_CHECKING, Literal

from myocard.errors import InputError

# The command line counts processes, and should not wait for torch.
if TYPE_CHECKING:
    from lightning_fabric import Fabric


def count() -> int:
    """Of processes that ``torchrun`` started for this job, on all machines."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_first() -> bool:
    """Whether this process is the one of its job that writes."""
    return os.environ.get("RANK", "0") == "0"


def fabric(precision: Literal["bf16-mixed", "32-true"] = "32-true") -> "Fabric":
    """Fabric on this process's device, joined with the other processes of the job."""
    import torch
    from lightning_fabric import Fabric

    here = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    made = Fabric(
        # Not "auto": Apple's GPU lacks some of what a stack of models needs.
        accelerator="cuda" if torch.cuda.is_available() else "cpu",
        devices=here,
        num_nodes=count() // here,
        strategy="ddp" if count() > 1 else "auto",
        precision=precision,
    )
    made.launch()
    return made


def require_alone(what: str) -> None:
    """Refuse what several processes would all do, each in full.

    Raises:
        InputError: When ``torchrun`` started more than one.
    """
    if count() > 1:
        raise InputError(
            f"{what} runs in one process, and torchrun started {count()}; call it without torchrun"
        )
