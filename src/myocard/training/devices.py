"""The processes and devices of a job: this process alone, or one a device on many machines.

``torchrun`` starts them and ends all of them when one fails; Lightning Fabric joins them. Every
process runs the same program, and the first one writes.
"""

import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from myocard.errors import InputError
from myocard.files.atomic import work_folder, writing
from myocard.files.step import Inputs, Make, is_kept, step

# The command line counts processes, and should not wait for torch.
if TYPE_CHECKING:
    from lightning_fabric import Fabric
    from torch import Tensor, nn
    from torch.distributed.device_mesh import DeviceMesh


def count() -> int:
    """Number of processes in this job, on all machines (``WORLD_SIZE``)."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_first() -> bool:
    """Tell if this process is the one of its job that writes."""
    return os.environ.get("RANK", "0") == "0"


def fabric(
    precision: Literal["bf16-mixed", "32-true"] = "32-true", *, sharded: bool = False
) -> "Fabric":
    """Fabric on this process's device, joined with the other processes of the job.

    Args:
        precision: Precision of forward passes.
        sharded: True if each process keeps a part of every module that is set up (FSDP), False if
            all of it (DDP).
    """
    import torch
    from lightning_fabric import Fabric
    from lightning_fabric.strategies import ModelParallelStrategy

    strategy: str | ModelParallelStrategy = "ddp" if count() > 1 else "auto"
    if sharded:
        strategy = ModelParallelStrategy(_shard, data_parallel_size=count(), tensor_parallel_size=1)
    here = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    made = Fabric(
        # Not "auto": Apple's GPU lacks some of what a stack of models needs.
        accelerator="cuda" if torch.cuda.is_available() else "cpu",
        devices=here,
        num_nodes=count() // here,
        strategy=strategy,
        precision=precision,
    )
    made.launch()
    return made


def _shard(module: "nn.Module", mesh: "DeviceMesh") -> "nn.Module":
    """Share ``module`` out: what repeats, each on its own, and what is left."""
    from torch import nn
    from torch.distributed.fsdp import fully_shard

    # The warning is of outputs that are views, which only changes in place would break.
    warnings.filterwarnings("ignore", "FSDP2-wrapped module")
    among = mesh["data_parallel"]
    for each in module.modules():
        if isinstance(each, nn.ModuleList):
            for block in each:
                fully_shard(block, mesh=among)
    fully_shard(module, mesh=among)
    return module


def whole(tensor: "Tensor") -> "Tensor":
    """All of a tensor of which each process may keep a part. Every process has to ask."""
    return tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor


def part(tensor: "Tensor", like: "Tensor") -> "Tensor":
    """The part of ``tensor`` that this process keeps, if it keeps a part of ``like``."""
    from torch.distributed.tensor import DTensor, distribute_tensor

    if not isinstance(like, DTensor) or tensor.shape != like.shape:
        return tensor
    return distribute_tensor(tensor, like.device_mesh, like.placements)


def shared_step(out: Path, inputs: Inputs, make: Make) -> bool:
    """Make ``out`` by the rule of ``files/step.py`` with all processes of the job.

    The first process holds the lock and puts the folder in place; all of them run ``make``,
    which joins them by ``fabric``, and in which only the first may write into the fresh folder.
    """
    if is_first():
        made = step(out, inputs, make)
    elif made := not is_kept(out, inputs):
        with writing(out):
            make(work_folder(out) / "new", work_folder(out))
    if made and count() > 1:
        from torch import distributed

        distributed.barrier()  # Only now is the folder in place for all.
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
