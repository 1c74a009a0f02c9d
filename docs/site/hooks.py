"""Pages of the site that are made of other files: README, changes, commands, public names."""

import re
from pathlib import Path
from typing import Any

import nbformat
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.utils import get_relative_url
from typer.testing import CliRunner

import myocard
from myocard.cli import app

ROOT = Path(__file__).parents[2]
COPIES = {
    "index.md": "README.md",
    "CHANGELOG.md": "CHANGELOG.md",
    "CONTRIBUTING.md": "CONTRIBUTING.md",
    "ecg-nano.md": "src/myocard/models/shipped/ecg-nano/README.md",
}
"""Files beside the documents, by the names of their pages."""
ELSEWHERE = "https://www.apache.org/licenses/LICENSE-2.0"


def on_files(files: Files, config: Any) -> Files:
    made = {page: (ROOT / file).read_text() for page, file in COPIES.items()}
    made |= {"reference.md": _names(), "commands.md": _commands(), "notebooks.md": _notebooks()}
    for page, text in made.items():
        files.append(File.generated(config, page, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Let links to files in the repository lead to their pages."""
    for name, file in COPIES.items():
        markdown = re.sub(rf"\]\((?:\.\./)*{re.escape(file)}(?=[#)])", f"]({name}", markdown)
    markdown = markdown.replace("](LICENSE)", f"]({ELSEWHERE})")
    return markdown.replace("](docs/", "](")


def on_post_page(output: str, page: Any, **_: Any) -> str:
    """Take the worker of a search from the site itself, which asks no network."""
    there = get_relative_url("site/worker.js", page.url)
    made, count = re.subn(r"https://unpkg\.com/iframe-worker/shim", there, output)
    if count != 1:
        raise PluginError("no worker of a search in the theme's page; see on_post_page")
    return made


def _names() -> str:
    """Return the page of public names, each with its docstring."""
    lines = ["# Classes and functions", "", "[Python](api.md) shows the use of these names.", ""]
    public = [getattr(myocard, name) for name in myocard.__all__ if name != "plot"]
    figures = [each for each in vars(myocard.plot).values() if callable(each)]
    for found in public + figures:
        lines += [f"::: {found.__module__}.{found.__name__}", ""]
    return "\n".join(lines)


def _notebooks() -> str:
    """Return the page of notebooks, each as it was executed."""
    lines = ["# Notebooks", "", "They lie in `examples/`, and run in CI.", ""]
    for path in sorted((ROOT / "examples").glob("*.ipynb")):
        for cell in nbformat.read(path, 4).cells:
            text = cell.source.replace("](../docs/", "](")
            if cell.cell_type == "markdown":
                lines += [re.sub(r"^#", "##", text, flags=re.M), ""]
                continue
            lines += ["```python", text, "```", ""]
            for output in cell.outputs:
                lines += _output(output)
    return "\n".join(lines)


def _output(output: Any) -> list[str]:
    """Return the lines that show what a cell gave."""
    data = output.get("data", {})
    if "image/png" in data:
        return [f"![Figure](data:image/png;base64,{data['image/png'].strip()})", ""]
    if "text/html" in data:
        return ["<div>", data["text/html"].strip(), "</div>", ""]
    return ["```text", output.get("text", data.get("text/plain", "")).rstrip(), "```", ""]


def _commands() -> str:
    """Return the page of commands, each with its help."""
    lines = ["# Commands", ""]
    for command in app.registered_commands:
        assert command.callback is not None
        name = command.name or command.callback.__name__
        lines += [f"## {name}", "", "```text", _help(name), "```", ""]
    for group in app.registered_groups:
        lines += [f"## {group.name}", ""]
        for command in group.typer_instance.registered_commands:
            name = f"{group.name} {command.callback.__name__}"
            lines += [f"### {name}", "", "```text", _help(*name.split()), "```", ""]
    return "\n".join(lines)


def _help(*words: str) -> str:
    shown = CliRunner(env={"COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb"})
    done = shown.invoke(app, [*words, "--help"], prog_name="myocard")
    return re.sub(r"[─╭╮╰╯│]+", "", done.stdout).rstrip()
