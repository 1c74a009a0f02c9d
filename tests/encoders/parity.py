"""The table of differences between published models here and their makers' own code.

    MYOCARD_DATA=… python tests/encoders/parity.py

It prints, for each fixture and for openecg's trained encoder, the largest difference of the states
after the first one and after every layer, of all other arrays, and of prepared signals.
"""

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from fixture_inputs import prepared
from fixture_states import FIXTURES, arrays_of, bound
from package_states import has_package, package_arrays, package_inputs
from torch import Tensor

LAYER = re.compile(r"((vit|finetuned|resnet)_)?(embedding|stem|(block|stage|layer|convolution).\d)")
"""Names of the states of a fixture's main input."""


def cells(
    found: Mapping[str, Tensor],
    expected: Mapping[str, Tensor],
    pairs: Iterable[tuple[Tensor, Tensor]],
) -> list[str]:
    """Return differences of states, of other arrays and of signals, as the table has them."""
    compared = {
        name: (found[name] - wanted).abs().max().item()
        for name, wanted in expected.items()
        if name in found
    }
    layers = [value for name, value in compared.items() if LAYER.fullmatch(name)]
    others = [value for name, value in compared.items() if not LAYER.fullmatch(name)]
    share = max(value / bound(name, expected[name]) for name, value in compared.items())
    signals = max((ours - theirs).abs().max().item() for ours, theirs in pairs)
    return [
        ", ".join(f"{value:.0e}" for value in layers), f"{max(others):.0e}", f"{share:.2f}",
        f"{signals:.0e}",
    ]  # fmt: skip


def main() -> None:
    """Print the table."""
    root = Path(os.environ["MYOCARD_DATA"]) / "encoders"
    print("| file | first state, and after every layer | others | of the allowed | signals |")
    print("|---|---|---|---|---|")
    for file in FIXTURES:
        inputs = ((ours, theirs) for _, ours, theirs in prepared(root, file.split("/")[0]))
        print(f"| {' | '.join([f'`{file}`', *cells(*arrays_of(root, file), inputs)])} |")
    if has_package():
        print(f"| {' | '.join(['openecg', *cells(*package_arrays(), package_inputs())])} |")


if __name__ == "__main__":
    main()
