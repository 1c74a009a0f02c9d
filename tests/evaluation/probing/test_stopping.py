"""A training ends when twice the steps change nothing, and keeps the step that was best."""

import numpy as np
import pytest
from torch import nn

from myocard.errors import InputError
from myocard.evaluation.probing import probe
from myocard.evaluation.probing.stopping import FEWEST, LOOKS, MARGIN, Course
from myocard.recipe import Optimisation, ProbeRecipe
from myocard.results.run import Run


class Growing:
    """Two groups of two members, each a number that is the step."""

    def __init__(self, folder=None) -> None:
        self.step = 0
        self.course = Course((2, 2), 8, self.member, folder)

    def member(self, index: tuple[int, ...]) -> nn.Module:
        found = nn.Linear(1, 1)
        nn.init.constant_(found.weight, self.step)
        return found

    def go(self, headlines: dict[int, list[list[float]]]) -> None:
        for self.step, values in headlines.items():
            assert self.course.is_due(self.step)
            self.course.look(self.step, np.array(values))


EARLY = {
    25: [[0.6, 0.5], [0.5, 0.5]],
    35: [[0.7, 0.5], [0.5, 0.6]],
    50: [[0.7 + MARGIN / 2, 0.5], [0.5, 0.6]],
}


def test_every_look_has_one_at_twice_its_step():
    some = [step for step in LOOKS if step < 10_000]
    assert min(some) == 25
    assert all(2 * step in LOOKS for step in some)


def test_what_is_kept_is_better_by_a_margin():
    growing = Growing()
    growing.go(EARLY)
    assert growing.course.steps.tolist() == [[35, 25], [25, 35]]
    assert growing.course.kept(0, 0).weight.item() == 35
    assert growing.course.kept(1, 0).weight.item() == 25


def test_a_group_is_settled_at_twice_the_step_of_its_best_member():
    growing = Growing()
    growing.go(EARLY)
    assert growing.course.settled.tolist() == [False, False]
    growing.go({70: [[0.6, 0.69], [0.5, 0.7]]})
    # The first group's other member still gains, but is not its best.
    assert growing.course.settled.tolist() == [True, False]
    assert [stop.settled for stop in growing.course.stops(0, (0,))] == [True, False]


def test_a_score_that_stands_still_at_first_ends_nothing():
    growing, same = Growing(), [[0.7, 0.5], [0.5, 0.7]]
    for step in sorted(step for step in LOOKS if step <= FEWEST):
        assert not growing.course.is_over
        growing.go({step: same})
        assert growing.course.settled.all() == (step >= 50)
    assert growing.course.seen == FEWEST
    assert growing.course.is_over


def test_a_course_goes_on_where_it_was_stopped(tmp_path):
    whole, part = Growing(), Growing(tmp_path)
    whole.go(EARLY)
    part.go({step: EARLY[step] for step in (25, 35)})
    again = Growing(tmp_path)
    assert not again.course.is_due(35)
    again.go({50: EARLY[50]})
    assert again.course.steps.tolist() == whole.course.steps.tolist()
    for index in np.ndindex(2, 2):
        assert again.course.kept(*index).weight == whole.course.kept(*index).weight


def test_a_broken_course_is_refused_by_name(tmp_path):
    (tmp_path / "course.safetensors").write_bytes(b"no")
    with pytest.raises(InputError, match=r"course\.safetensors: cannot be read"):
        Growing(tmp_path)


@pytest.fixture
def features(made_features):
    """Layer 2 of three knows the labels."""
    rng = np.random.default_rng(0)
    labels = rng.random(600) < 0.5
    states = rng.normal(size=(600, 4, 8))
    states[:, 2, 0] += 2 * labels - 1
    codes = [["scp:IMI"] if label else ["scp:NORM"] for label in labels]
    return made_features(states, codes, "made")


def run_of(
    features, out, epochs: int, readout="pma", head="linear", rate=0.02, batch=120, **changes
) -> Run:
    how = {"batch": batch, "base_learning_rate": rate, "schedule": "constant", "weight_decay": 0.0}
    recipe = ProbeRecipe(
        task="ptbxl-superdiagnostic",
        readouts=(readout,),
        heads=(head,),
        seeds=(0,),
        penalties=(1e-2, 1e-1),
        resamples=20,
        optimisation=Optimisation(epochs=epochs, **how),
        **changes,
    )
    (folder,) = probe(features, recipe, out)
    return Run.read(folder)


@pytest.mark.parametrize(
    ("readout", "head"), [("pma", "linear"), ("alf", "linear"), ("last", "mlp")]
)
def test_twice_the_budget_changes_nothing_that_is_settled(features, tmp_path, readout, head):
    once = run_of(features, tmp_path / "once", 150, readout, head)
    twice = run_of(features, tmp_path / "twice", 300, readout, head)
    assert once.stops[0].settled
    assert once.stops == twice.stops
    assert once.layer_weights == twice.layer_weights
    assert once.validation.main == twice.validation.main


def test_a_budget_that_is_too_short_is_said(features, tmp_path):
    (stop,) = run_of(features, tmp_path, 5, rate=1e-3).stops
    assert (stop.step, stop.settled) == (stop.steps, False)


@pytest.mark.parametrize(
    ("changes", "batch", "steps"),
    [
        ({"batch": 4}, 19, 25),
        ({"batch": 4, "largest_batch": 12}, 12, 40),
        ({"batch": 24}, 24, 20),
        ({"batch": 24, "fraction": 0.04}, 19, 20),
    ],
)
@pytest.mark.parametrize(("readout", "head"), [("pma", "linear"), ("last", "mlp")])
def test_a_batch_of_many_records_grows(features, tmp_path, readout, head, changes, batch, steps):
    """The 480 training records are few enough that an epoch has less than ``FEWEST`` steps."""
    (stop,) = run_of(features, tmp_path, 1, readout, head, **changes).stops
    assert (stop.batch, stop.steps) == (batch, steps)
