"""Fixtures of published models, each spoiled in every way, given to ``myocard extract``.

    MYOCARD_DATA=… python tests/encoders/bad_files.py

It prints for each way how many of the files were refused, by exit code. A code other than 2, more
than one line, or a pickle that was run ends it with an error.
"""

import contextlib
import io
import os
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from fixture_states import FIXTURES
from safetensors.torch import load_file, save_file
from torch import Tensor

from myocard import cli
from myocard.data.preparation import Wanted, prepare
from myocard.encoders.registry import open_published
from myocard.leads import LEADS
from myocard.simulation import entries

RAN = "executed"


class Evil:
    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return os.system, (f"touch {RAN}",)


Weights = dict[str, Tensor]
Edit = Callable[[Weights, str], Weights]
"""From tensors by name, and the name of one that the encoder needs, to spoiled ones."""


def without_one(weights: Weights, needed: str) -> Weights:
    return {name: value for name, value in weights.items() if name != needed}


def not_finite(weights: Weights, needed: str) -> Weights:
    value = weights[needed].clone()
    value.view(-1)[-1] = torch.nan
    return weights | {needed: value}


EDITS: Mapping[str, Edit] = {
    "nothing": lambda weights, needed: weights,
    "a tensor is missing": without_one,
    "a tensor too many": lambda weights, needed: weights | {f"{needed}.more": torch.zeros(3)},
    "a tensor of another shape": lambda weights, needed: (
        weights | {needed: weights[needed][:-1].clone()}
    ),
    "a value that is not finite": not_finite,
    "names of no known model": lambda weights, needed: {
        f"unknown.{number}": value for number, value in enumerate(weights.values())
    },
    "a tensor that claims 10⁹ elements": lambda weights, needed: (
        weights | {needed: torch.zeros(1).expand(10**9)}
    ),
}
CUTS = {"cut in half": 0.5, "the last thousandth is missing": 0.999}


def edited(content: Any, edit: Edit, left_out: tuple[str, ...]) -> Any:
    """Return a checkpoint's content with its tensors edited, wherever they are."""
    if not isinstance(content, dict):
        return content
    weights = {name: value for name, value in content.items() if isinstance(value, Tensor)}
    rest = {
        name: edited(value, edit, left_out)
        for name, value in content.items()
        if name not in weights
    }
    needed = [name for name in weights if not name.startswith(left_out)]
    largest = max(needed, key=lambda name: weights[name].numel(), default="")
    return rest | (edit(weights, largest) if len(weights) > 5 else weights)


def spoiled(source: Path, way: str, place: Path) -> Path | None:
    """Write a fixture, spoiled, into ``place``; None where its format cannot hold that."""
    copy, left_out = place / source.name, tuple(open_published(source).opened.left_out)
    if source.is_dir():
        shutil.copytree(source, copy)
    else:
        shutil.copyfile(source, copy)
    file = copy / "model.safetensors" if copy.is_dir() else copy
    if way in CUTS:
        whole = source.joinpath(file.name) if source.is_dir() else source
        file.write_bytes(whole.read_bytes()[: int(CUTS[way] * file.stat().st_size)])
    elif file.suffix == ".safetensors":
        if way not in EDITS or way == "a tensor that claims 10⁹ elements":
            return None
        save_file(edited(load_file(file), EDITS[way], left_out), file)
    else:
        content = torch.load(source, weights_only=True)
        evil = content | {"config": Evil()}
        torch.save(edited(content, EDITS[way], left_out) if way in EDITS else evil, file)
    return copy


def code_of(*words: str) -> tuple[int, str]:
    """Run the command line; return its exit code and what it said."""
    said, asked = io.StringIO(), sys.argv
    sys.argv = ["myocard", *words]
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
            cli.main()
    except SystemExit as done:
        return int(done.code or 0), said.getvalue()
    finally:
        sys.argv = asked
    return 0, said.getvalue()


def main() -> None:
    """Print the table."""
    root = Path(os.environ["MYOCARD_DATA"]).resolve() / "encoders"
    with tempfile.TemporaryDirectory() as name:
        os.chdir(name)
        wanted = Wanted(500, 10.0, LEADS)
        prepare(entries(2, 0, rate=500.0), Path("store"), wanted, source="sim", jobs=1)
        print("| what is wrong | files | refused (exit code 2) | read (0) |")
        print("|---|---|---|---|")
        for way in (*EDITS, *CUTS, "a pickle that would run code"):
            codes: Counter[int] = Counter()
            for number, file in enumerate(FIXTURES):
                place = Path(f"{way} {number}")
                place.mkdir()
                path = spoiled(root / file, way, place)
                if path is not None:
                    code, said = code_of("extract", str(path), "store", "--out", f"{place}/out")
                    codes[code] += 1
                    if code not in (0, 2) or Path(RAN).exists() or "Traceback" in said:
                        raise SystemExit(f"{file}, {way}: exit code {code}\n{said}")
            print(f"| {way} | {codes.total()} | {codes[2]} | {codes[0]} |", flush=True)


if __name__ == "__main__":
    main()
