"""Draw where a command's time went: a flame graph of what py-spy recorded.

    py-spy record --subprocesses --format raw --output flame.txt -- python speed/whole.py OUT
    python speed/flame.py flame.txt docs/images/whole.svg

Calls lie above their callers, as wide as the share of samples that they and what they call were
seen in; all processes and threads together. Frames of myocard are coloured, calls of its own
function and the machinery of processes and modules are left out, and what has less than .4 %.
"""

import re
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from myocard.plot.canvas import BLUE, GREY, canvas_of, to_svg

LEAST = 0.004
FRAME = re.compile(r"(?P<name>.+) \((?P<file>.+?)(:\d+)?\)$")
OUTSIDE = re.compile(
    r"joblib|loky|runpy|concurrent|multiprocessing|importlib|threading|<frozen|_contextlib"
    r"|modules/module|modules/container|fx/|autograd/function"
)


@dataclass
class Call:
    """A function at one place of the stack, and what it called."""

    samples: int = 0
    calls: dict[str, "Call"] = field(default_factory=dict)


def frames(stack: str) -> list[str]:
    """Names of a stack's frames, outermost first; the machinery of processes is left out."""
    found: list[str] = []
    for frame in stack.split(";"):
        match = FRAME.match(frame)
        if match is None or OUTSIDE.search(match["file"]):
            continue
        path = Path(match["file"])
        name = f"{path.stem if path.stem != '__init__' else path.parent.name}.{match['name']}"
        if "myocard" in path.parts or "speed" in path.parts:
            name = f"*{name}"
        if not found or found[-1] != name:
            found.append(name)
    return found


def tree(lines: list[str]) -> Call:
    root, stacks = Call(), Counter[tuple[str, ...]]()
    for line in lines:
        stack, _, count = line.rpartition(" ")
        # A process whose command has several lines has as many here.
        if count.isdigit():
            stacks[tuple(frames(stack))] += int(count)
    for names, seen in stacks.items():
        at = root
        at.samples += seen
        for name in names:
            at = at.calls.setdefault(name, Call())
            at.samples += seen
    return root


def draw(axes: Axes, call: Call, left: float, level: int, whole: int) -> int:
    """Draw what ``call`` called, and return the highest level."""
    top = level
    for name, inner in sorted(call.calls.items(), key=lambda item: -item[1].samples):
        width = inner.samples / whole
        if width < LEAST:
            continue
        colour = BLUE if name.startswith("*") else GREY
        axes.add_patch(
            Rectangle((left, level), width, 0.92, facecolor=colour, alpha=0.55, edgecolor="white")
        )
        room = int(width * 190)
        if room > 4:
            label = name.removeprefix("*")
            text = label if len(label) <= room else label.split(".")[-1][:room]
            axes.text(left + 0.002, level + 0.42, text, fontsize=6.5, va="center")
        top = max(top, draw(axes, inner, left, level + 1, whole))
        left += width
    return top


def main() -> None:
    source, out = map(Path, sys.argv[1:])
    root = tree(source.read_text().splitlines())
    with canvas_of(11, 6) as canvas:
        axes = canvas.subplots()
        top = draw(axes, root, 0.0, 0, root.samples)
        axes.set(xlim=(0, 1), ylim=(0, top + 1))
        axes.axis("off")
        out.write_text(to_svg(canvas, out.stem, "Flame graph: share of samples of each call"))


if __name__ == "__main__":
    main()
