"""Names of files as other systems write them."""

from pathlib import Path


def in_any_case(path: Path) -> Path:
    """Return ``path``, or where nothing is called so, the one file beside whose capitals differ."""
    if path.exists():
        return path
    try:
        names = [each for each in path.parent.iterdir() if each.name.lower() == path.name.lower()]
    except OSError:
        return path
    return names[0] if len(names) == 1 else path
