"""A dry run lists what a benchmark would do; whole benchmarks run in ``test_demo``."""

from pathlib import Path

from myocard.benchmark.estimate import estimate
from myocard.benchmark.reading import read_grid

GRID = """
[stores.one]
source = "ptbxl-100"
simulate = { records = 100 }
seconds = 2.5

[[sweeps]]
store = "one"
tasks = ["ptbxl-all"]
"""
BASELINE = """
[[baselines]]
store = "one"
tasks = ["ptbxl-all"]
recipe = RECIPE
"""
RECIPES = {
    "minirocket": '{ model = "minirocket" }',
    "s4d": '{ model = "s4d", size = "nano", optimisation = { batch = 4 } }',
}


def test_baselines_are_listed_with_what_they_cost_until_they_are_there(tmp_path: Path) -> None:
    grid = GRID + "".join(BASELINE.replace("RECIPE", recipe) for recipe in RECIPES.values())
    (tmp_path / "grid.toml").write_text(grid)
    given = read_grid(str(tmp_path / "grid.toml"))
    places = [baseline.place for baseline in given.baselines]
    assert [place.name for place in places] == list(RECIPES)
    (tmp_path / "out" / "results" / places[0]).mkdir(parents=True)
    there, missing = estimate(given, tmp_path / "out")
    assert (there.name, there.seconds) == (str(places[0]), 0)
    assert missing.name == str(places[1])
    assert missing.seconds > 0
