"""Facts of the package as it is installed."""

import subprocess
import sys
import tomllib
from pathlib import Path
from zipfile import ZipFile

ROOT = Path(__file__).parents[1]
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
# What extras bring, by the names under which it is imported.
OPTIONAL = {
    "clinical": ("edfio",),
    "docs": ("IPython", "ipykernel", "mkdocs", "mkdocstrings", "nbclient", "nbformat"),
    "hub": ("huggingface_hub",),
    "maps": ("umap",),
    "onnx": ("onnx", "onnxruntime", "onnxscript"),
    "serve": ("fastapi", "multipart", "python_multipart", "uvicorn"),
    "track": ("alembic", "mlflow", "sqlalchemy", "tensorboard"),
}
EVERY_MODULE = """
import importlib, pkgutil, sys
sys.modules |= dict.fromkeys(ABSENT)
import myocard
for module in pkgutil.walk_packages(myocard.__path__, "myocard."):
    if module.name != "myocard.__main__":
        importlib.import_module(module.name)
for name in myocard.__all__:
    getattr(myocard, name)
"""


def test_every_module_is_imported_without_any_extra():
    assert OPTIONAL.keys() == EXTRAS.keys()
    absent = {name for names in OPTIONAL.values() for name in names}
    code = f"ABSENT = {absent!r}\n{EVERY_MODULE}"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_wheel_holds_every_file_of_the_package_and_no_other(tmp_path):
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", tmp_path, ROOT]
    done = subprocess.run(build, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    held = {name for name in ZipFile(wheel).namelist() if ".dist-info/" not in name}
    package = ROOT / "src"
    files = {path.relative_to(package).as_posix() for path in package.rglob("*") if path.is_file()}
    assert held == {name for name in files if "__pycache__" not in name}


def test_the_changes_begin_with_the_version():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    headings = [
        line for line in (ROOT / "CHANGELOG.md").read_text().splitlines() if line.startswith("## ")
    ]
    assert headings[0].startswith(f"## {version}")
