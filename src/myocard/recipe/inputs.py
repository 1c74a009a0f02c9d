"""The input that an encoder states, read from what there is: a checkpoint or a recipe."""

import json
from pathlib import Path

from myocard.data.signal import Preprocessing
from myocard.errors import InputError
from myocard.files.manifest import parsed
from myocard.recipe.pretraining import InputSettings
from myocard.recipe.settings import check, read_content


def read_input(path: Path) -> Preprocessing:
    """Read the input of an encoder from its checkpoint's folder or its recipe (TOML).

    Raises:
        InputError: When the path is neither.
    """
    if path.suffix == ".toml":
        content = read_content(path).get("input", {})
        return check(InputSettings, content, f"{path}: input").preprocessing()
    file = path / "preprocessing.json"
    try:
        return parsed(Preprocessing, json.loads(file.read_bytes()))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(
            f"{file}: not a readable statement of an encoder's input ({error!r}); "
            "give the folder of a checkpoint, or a recipe"
        ) from error
