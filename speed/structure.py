"""Print the size of the package and how its parts depend on each other.

    python speed/structure.py [FOLDER]

FOLDER is a checkout, this one if not given. Counts names right in the package, layers of the import
contract, imports between these names, lines of code without comments, docstrings and blanks,
functions by length and number of parameters, and annotations ``dict[str, Any]``.
"""

import ast
import io
import re
import sys
import tokenize
import tomllib
from collections.abc import Iterator
from pathlib import Path
from statistics import median

ANY = re.compile(r"dict\[str, Any\]")
Function = ast.FunctionDef | ast.AsyncFunctionDef


def main(root: Path) -> None:
    package = root / "src" / "myocard"
    files = sorted(package.rglob("*.py"))
    trees = {file: ast.parse(file.read_text()) for file in files}
    contract = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["importlinter"]
    layers = contract["contracts"][0]["layers"]
    functions = [f for tree in trees.values() for f in ast.walk(tree) if isinstance(f, Function)]
    lengths = [len(code_lines(ast.unparse(f))) for f in functions]
    sizes = [len(code_lines(file.read_text())) for file in files]
    print(f"names right in the package    {len(names(package))}")
    print(f"layers of the import contract {len(layers)}")
    print(f"imports between these names   {len(set(arrows(package, trees)))}")
    print(f"files, lines of code          {len(files)}, {sum(sizes):,}")
    print(f"lines of a file: median, max  {median(sizes):g}, {max(sizes)}")
    print(f"functions: median, max lines  {median(lengths):g}, {max(lengths)}")
    print(f"more than six parameters      {sum(parameters(f) > 6 for f in functions)}")
    print(f"dict[str, Any]                {len(ANY.findall(all_text(files)))}")


def names(package: Path) -> list[str]:
    """Modules and subpackages, without dunder names."""
    entries = (path for path in package.iterdir() if path.suffix == ".py" or path.is_dir())
    return sorted(path.stem for path in entries if not path.name.startswith("_"))


def arrows(package: Path, trees: dict[Path, ast.Module]) -> Iterator[tuple[str, str]]:
    """Importing and imported name, for imports from one name right in the package to another."""
    known = names(package)
    for file, tree in trees.items():
        here = file.relative_to(package).parts[0].removesuffix(".py")
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("myocard"):
                parts = (node.module or "").split(".")[1:]
                for there in parts[:1] or [alias.name for alias in node.names]:
                    if there in known and there != here:
                        yield here, there


def code_lines(source: str) -> set[int]:
    """Numbers of the lines that hold code: no comment, no docstring, no blank."""
    skipped = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}
    docstrings = {
        line
        for node in ast.walk(ast.parse(source))
        if isinstance(node, Function | ast.ClassDef | ast.Module) and ast.get_docstring(node)
        for line in range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1)
    }
    found = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in skipped and token.type != tokenize.ENDMARKER:
            found |= set(range(token.start[0], token.end[0] + 1))
    return found - docstrings


def parameters(function: Function) -> int:
    given = function.args
    every = [*given.posonlyargs, *given.args, *given.kwonlyargs]
    return sum(argument.arg not in ("self", "cls") for argument in every)


def all_text(files: list[Path]) -> str:
    return "\n".join(file.read_text() for file in files)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[1])
