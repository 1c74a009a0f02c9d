"""Lines of code of each job in docs/jobs.md and docs/experiments/jobs; run, it writes the table.

A line counts unless it is blank, a comment, or part of a docstring or an import. Python is as ruff
formats it at 100 columns, so that nobody's lines are longer.
"""

import ast
import re
import tokenize
from io import StringIO
from pathlib import Path

DOCS = Path(__file__).parents[1]
PAGE = DOCS / "jobs.md"
OTHERS = ("braindecode", "deepecgkit", "s3prl", "plain")
JOBS = (
    "states",
    "curve",
    "mixture",
    "crossvalidation",
    "random",
    "folder",
    "thresholds",
    "comparison",
    "explanation",
    "onnx",
    "tracking",
)
"""Their files are called ``TOOL_JOB``; the sections of the page are in this order, from 1."""
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", flags=re.M | re.S)
_ROW = re.compile(r"^(\| \[(?P<number>\d+)\. [^|]*\]\(#[\w-]*\)[^|]*\|).*$", flags=re.M)
_CELL = re.compile(r" *(?:\*\*)?(?:\d+|–)(?:\*\*)?((?:<sup>.*?</sup>)?) *")
_PYTHON = ("python", "py")


def lines_of_python(code: str) -> int:
    """Count lines with a token that is no comment, docstring or part of an import."""
    skipped: set[int] = set()
    for node in ast.walk(ast.parse(code)):
        documented = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if documented or isinstance(node, ast.Import | ast.ImportFrom):
            skipped.update(range(node.lineno, node.end_lineno + 1))
    idle = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT)
    found: set[int] = set()
    for token in tokenize.generate_tokens(StringIO(code).readline):
        if token.type not in (*idle, tokenize.ENDMARKER):
            found.update(range(token.start[0], token.end[0] + 1))
    return len(found - skipped)


def lines_of_shell(code: str) -> int:
    """Count lines that are neither blank nor a comment."""
    lines = [line.strip() for line in code.splitlines()]
    return sum(bool(line) and not line.startswith("#") for line in lines)


def count(language: str, code: str) -> int:
    """Count the lines of a block or file."""
    return lines_of_python(code) if language in _PYTHON else lines_of_shell(code)


def ours(page: str) -> dict[int, int]:
    """Lines of each numbered section of the page."""
    sections = re.split(r"^### (\d+)\. ", page, flags=re.M)
    return {
        int(number): sum(count(language, code) for language, code in _BLOCK.findall(text))
        for number, text in zip(sections[1::2], sections[2::2], strict=True)
    }


def others(number: int, tool: str) -> int | None:
    """Lines of a tool's files for a job; None where there is no file."""
    files = (DOCS / "experiments/jobs").glob(f"{tool}_{JOBS[number - 1]}.*")
    languages = {".py": "python", ".sh": "sh"}
    return sum(count(languages[file.suffix], file.read_text()) for file in files) or None


def with_counts(page: str) -> str:
    """The page with its table counted anew; footnotes stay at their cells."""
    own = ours(page)

    def row(found: re.Match[str]) -> str:
        number = int(found["number"])
        counts = [own[number], *(others(number, tool) for tool in OTHERS)]
        cells = found[0].removeprefix(found[1]).strip("|").split("|")
        notes = [_CELL.fullmatch(cell)[1] for cell in cells]
        told = ["–" if lines is None else str(lines) for lines in counts]
        return f"{found[1]} {' | '.join(map(str.__add__, told, notes))} |"

    return _ROW.sub(row, page)


if __name__ == "__main__":
    PAGE.write_text(with_counts(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
