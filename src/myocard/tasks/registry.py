"""Every task by its name: those of the public data sets, and folders of people's own."""

from pathlib import Path
from typing import Any

from myocard.errors import InputError
from myocard.recipe import Evaluation, without_pace
from myocard.tasks.own import OwnTask
from myocard.tasks.task import TASKS, Task


def task(name: str) -> Task:
    """The task called ``name``, or in the folder that `myocard task` made.

    Raises:
        InputError: For an unknown name; the message lists the choices.
    """
    if name in TASKS:
        return TASKS[name]
    if Path(name).is_dir():
        return OwnTask.open(Path(name))
    raise InputError(
        f"unknown task {name!r}; the tasks are {', '.join(TASKS)}, and folders that `myocard task` "
        "made. Codes of your own, such as own:sick, become a task by `myocard task labels.csv "
        "STORE --id file --target codes --kind several --list-separator ';' --out TASK`"
    )


def require_labels(recipe: Evaluation, labels: str | None, made: Path) -> None:
    """Refuse what was ``made`` of other labels than the recipe's task has now.

    Args:
        recipe: The recipe that it was made by.
        labels: Hash of the labels that it was made of, as ``Task`` has it.
        made: The folder of what was made.

    Raises:
        InputError: When they differ.
    """
    if task(recipe.task).hash != labels:
        raise InputError(f"{made}: its task has other labels now; probe into another folder")


def stated(recipe: Evaluation) -> dict[str, Any]:
    """The settings of a recipe that change a number, for the inputs of a step.

    A task of one's own is known by its name and the hash of its labels, wherever its folder is.
    """
    settings = without_pace(recipe.model_dump(mode="json", exclude={"keep"}))
    asked = task(recipe.task)
    if asked.hash is None:
        return settings
    own = {"task": recipe.task_name, "outcome": asked.outcome, "labels": asked.hash}
    return settings | own
