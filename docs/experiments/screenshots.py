"""Take the pictures of pages that the documents show, in Debian's Chromium.

    .venv/bin/python docs/experiments/screenshots.py OUT [explain …]

``OUT`` holds what the pages are made from, the demo's runs among it, and is kept. Everything in the
pictures is simulated: no ECG of a person is among them. A picture is a function that returns a
page, and a line in ``SHOTS``.
"""

import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from myocard import simulation
from myocard.cli.progress import Lines
from myocard.data.preparation import prepare_folder
from myocard.evaluation.explaining.neighbours import TrainingRecords
from myocard.evaluation.explaining.writing import Question
from myocard.evaluation.features import extract
from myocard.evaluation.probing import probe
from myocard.models.opening import from_pretrained
from myocard.models.saving import save
from myocard.recipe import ProbeRecipe, check
from myocard.report.leaderboard import write_leaderboard
from myocard.report.record.page import page

IMAGES = Path(__file__).parents[1] / "images"
MOST = 200_000
"""Bytes of a picture."""


class Shot(NamedTuple):
    """A picture of a page.

    Attributes:
        make: Makes the page in a folder, and returns its path.
        width: Width of the window, in CSS pixels.
        height: Height of the picture.
        scroll: Selector of the element that is scrolled to the top.
    """

    make: Callable[[Path], Path]
    width: int
    height: int
    scroll: str = "body"


def explain(out: Path) -> Path:
    """Explain a simulated record by a probe of the packaged encoder on 300 others."""
    told, encoder = Lines(), from_pretrained("ecg-nano").encoder
    records = simulation.write(out / "records", "ptbxl", count=300)
    store = prepare_folder(
        "ptbxl-500", records, out / "store", encoder.input, progress=told, jobs=1
    )
    features = extract(encoder, store, out / "features", progress=told)
    given = {"task": "ptbxl-superdiagnostic", "readouts": ["pma", "layers"], "heads": ["linear"]}
    recipe = check(ProbeRecipe, given | {"seeds": [0]}, "screenshots")
    runs = {run.name: run for run in probe(features, recipe, out / "results", progress=told)}
    model = save("ecg-nano", runs["pma-linear"], out / "model", sensitivity=0.9)
    tested = store.records[store.records["fold"] == 10]
    ill = tested[[any("MI" in code for code in codes) for codes in tested["codes"]]]
    (file,) = records.rglob(f"records500/**/{int(ill['id'].iloc[0]):05d}_hr.hea")
    found = Question(model, TrainingRecords(model, features)).answer(file)
    path = out / "explain.html"
    path.write_text(page(found), encoding="utf-8")
    return path


def report(out: Path) -> Path:
    """Report the demo."""
    myocard = [sys.executable, "-m", "myocard"]
    subprocess.run([*myocard, "demo", "--out", out / "demo"], check=True)
    return out / "demo" / "report" / "report.html"


def leaderboard(out: Path) -> Path:
    """Rank the demo's encoders."""
    report(out)
    return write_leaderboard([out / "demo"], out / "leaderboard")


def site(out: Path) -> Path:
    """Build the site of the documents."""
    folder = out / "site"
    subprocess.run(["mkdocs", "build", "--quiet", "--site-dir", folder.absolute()], check=True)
    return folder / "index.html"


SHOTS: Mapping[str, Shot] = {
    "explain": Shot(explain, 1280, 1500),
    "explain-phone": Shot(explain, 360, 740, "#ecg"),
    "report": Shot(report, 1280, 1100),
    "report-phone": Shot(report, 360, 740),
    "leaderboard": Shot(leaderboard, 1280, 800),
    "leaderboard-phone": Shot(leaderboard, 360, 740),
    "site": Shot(site, 1280, 900),
    "site-phone": Shot(site, 360, 740),
}


def take(browser: Browser, shot: Shot, made: Path, image: Path) -> None:
    """Photograph a page that was made."""
    size = {"width": shot.width, "height": shot.height}
    context = browser.new_context(viewport=size, reduced_motion="reduce")
    opened = context.new_page()
    opened.goto(made.as_uri())
    opened.locator(shot.scroll).evaluate("(element) => element.scrollIntoView()")
    opened.screenshot(path=image)
    context.close()
    # A palette of 64 colours halves the size, and nobody sees it.
    few = Image.open(image).convert("RGB").quantize(64, dither=Image.Dither.NONE)
    few.save(image, optimize=True)
    print(f"{image.name}: {image.stat().st_size:,} bytes")
    assert image.stat().st_size <= MOST


def main() -> None:
    out = Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    IMAGES.mkdir(exist_ok=True)
    wanted = sys.argv[2:] or list(SHOTS)
    made: dict[Callable[[Path], Path], Path] = {}
    with sync_playwright() as driver:
        path = "/usr/bin/chromium"
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        for name in wanted:
            shot = SHOTS[name]
            if shot.make not in made:
                made[shot.make] = shot.make(out).absolute()
            take(browser, shot, made[shot.make], IMAGES / f"{name}.png")
        browser.close()


if __name__ == "__main__":
    main()
