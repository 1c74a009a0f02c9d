"""Templates of pages, and the files that become part of them."""

from importlib import resources

from jinja2 import Environment, PackageLoader, StrictUndefined


def environment() -> Environment:
    """Make the environment of all templates."""
    return Environment(
        loader=PackageLoader("myocard.report", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def text_of(name: str) -> str:
    """Return the text of a file of the package ``report``, such as a style sheet."""
    return resources.files("myocard.report").joinpath(name).read_text(encoding="utf-8")
