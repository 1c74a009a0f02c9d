"""The loop: it learns, goes on bit for bit, adds up batches, and refuses what is not its own."""

import json
import math
import re
from contextlib import suppress
from itertools import repeat
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from myocard.errors import InputError
from myocard.nn.encoder import Encoder
from myocard.nn.objectives.decoders import Decoder, DecoderShape
from myocard.nn.objectives.masked import MIXTURES, MaskedAutoencoder
from myocard.nn.readouts.classifier import Classifier
from myocard.nn.readouts.heads import HEADS
from myocard.nn.readouts.registry import build_readout
from myocard.recipe import Optimisation
from myocard.training import loop as training
from myocard.training.loop import Diverged, fit, learning_rate

STATE = "training.safetensors"


class Stopped(Exception):
    """A power failure."""


def settings(**changes) -> Optimisation:
    given = {"epochs": 10, "batch": 4, "base_learning_rate": 0.6, "weight_decay": 0.01}
    return Optimisation(**given | {"precision": "fp32", "checkpoint_every": 5} | changes)


def small_model(width: int = 6) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(width, 8), nn.BatchNorm1d(8), nn.Dropout(0.3), nn.Linear(8, 1))


def squared_error(model: nn.Module, batch: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    return (model(batch[0])[:, 0] - batch[1]).square().mean()


def drawn(numbers, records: int = 4):
    """Batches that depend on their number only."""
    for number in numbers:
        generator = torch.Generator().manual_seed(number)
        x = torch.randn(records, 6, generator=generator)
        yield x, x.sum(dim=1)


def run(
    model: nn.Module,
    folder: Path | None = None,
    *,
    stop: int | None = None,
    loss=squared_error,
    **changes,
):
    steps = []

    def report(done):
        steps.append(done)
        if done.step == stop:
            raise Stopped

    how = settings(**changes)
    given = {"loss": loss, "batches": drawn, "steps_per_epoch": 1}
    with suppress(Stopped):
        fit(model, settings=how, folder=folder, report=report, **given)
    return steps


def autoencoder(network: Encoder, mixture: str = "last") -> MaskedAutoencoder:
    torch.manual_seed(2)
    decoder = Decoder(network, DecoderShape(width=8, depth=1, heads=2))
    return MaskedAutoencoder(network, decoder, mixture=MIXTURES[mixture])


def reconstruction_loss(model: nn.Module, batch: torch.Tensor) -> torch.Tensor:
    return model(batch).loss


def log_of(folder: Path) -> list[tuple]:
    lines = map(json.loads, (folder / "log.jsonl").read_text().splitlines())
    return [(line["step"], line["loss"], line["learning_rate"]) for line in lines]


def test_it_overfits_eight_records(network):
    torch.manual_seed(0)
    states = network(torch.randn(8, 12, 100)).mean(dim=2).transpose(0, 1).detach()
    targets = torch.tensor([0.0, 1.0] * 4)
    model = Classifier(build_readout("pma", network.norm, 12, 3), HEADS["linear"](12, 1))
    losses = []
    fit(
        model,
        loss=lambda model, x: nn.functional.binary_cross_entropy_with_logits(
            model(x)[:, 0], targets
        ),
        batches=lambda numbers: repeat(states, len(numbers)),
        steps_per_epoch=1,
        settings=settings(epochs=200, batch=8, base_learning_rate=1.5, weight_decay=0.0),
        report=lambda done: losses.append(done.loss),
    )
    assert losses[0] > 0.5
    assert losses[-1] < 0.05
    assert not model.training


@pytest.mark.parametrize("stop", [5, 7])
def test_ten_steps_equal_five_and_resuming_for_five_bit_for_bit(tmp_path, stop):
    whole, halves = small_model(), small_model()
    run(whole, tmp_path / "whole")
    run(halves, tmp_path / "halves", stop=stop)
    halves = small_model(6)
    with torch.no_grad():
        halves[0].weight.zero_()  # whatever it was, the state on disk replaces it
    second = run(halves, tmp_path / "halves")
    assert [done.step for done in second] == [6, 7, 8, 9, 10]
    one, other = load_file(tmp_path / "whole" / STATE), load_file(tmp_path / "halves" / STATE)
    assert one.keys() == other.keys()
    assert any(name.endswith("exp_avg_sq") for name in one)
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert all(torch.equal(whole.state_dict()[k], v) for k, v in halves.state_dict().items())
    assert log_of(tmp_path / "whole") == log_of(tmp_path / "halves")
    assert [step for step, _, _ in log_of(tmp_path / "whole")] == list(range(1, 11))


def test_a_line_that_a_stop_cut_short_is_dropped_from_the_log(tmp_path):
    run(small_model(), tmp_path / "whole")
    run(small_model(), tmp_path / "cut", stop=7)
    with (tmp_path / "cut/log.jsonl").open("a") as log:
        log.write('{"step": 6, "lo')
    run(small_model(), tmp_path / "cut")
    assert log_of(tmp_path / "cut") == log_of(tmp_path / "whole")
    assert not list(tmp_path.rglob("*.partial"))


def test_random_masks_go_on_bit_for_bit(network, signals, tmp_path):
    start = {k: v.clone() for k, v in network.state_dict().items()}

    def trained(folder: Path, stops: list[int | None]) -> dict[str, torch.Tensor]:
        for stop in stops:
            network.load_state_dict(start)

            def report(done, stop=stop):
                if done.step == stop:
                    raise Stopped

            try:
                fit(
                    autoencoder(network),
                    loss=reconstruction_loss,
                    batches=lambda numbers: repeat(signals, len(numbers)),
                    steps_per_epoch=1,
                    settings=settings(epochs=4, checkpoint_every=2),
                    folder=folder,
                    report=report,
                )
            except Stopped:
                torch.rand(7)  # draws in between change nothing
        return load_file(folder / STATE)

    whole, halves = trained(tmp_path / "a", [None]), trained(tmp_path / "b", [2, None])
    assert all(torch.equal(whole[name], halves[name]) for name in whole)


def test_steps_that_were_logged_but_not_saved_are_logged_once(tmp_path):
    run(small_model(), tmp_path / "whole")
    run(small_model(), tmp_path / "halves", stop=5)
    with (tmp_path / "halves" / "log.jsonl").open("a") as log:
        log.write('{"step": 6, "loss": 1.0, "learning_rate": 1.0, "seconds": 1.0}\n')
    run(small_model(), tmp_path / "halves")
    assert log_of(tmp_path / "halves") == log_of(tmp_path / "whole")


def test_a_finished_run_is_not_trained_again(tmp_path):
    run(small_model(), tmp_path)
    before = (tmp_path / STATE).read_bytes()
    again = small_model(6)
    assert run(again, tmp_path) == []
    assert (tmp_path / STATE).read_bytes() == before
    assert torch.equal(again[0].weight, load_file(tmp_path / STATE)["model.0.weight"])


def test_accumulated_batches_equal_the_large_batch():
    def model() -> nn.Module:
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(6, 8), nn.GELU(), nn.Linear(8, 1))

    def parts(numbers):
        for number in numbers:
            ((x, y),) = drawn([number // 3], 12)
            yield x.split(4)[number % 3], y.split(4)[number % 3]

    large, small = model(), model()
    losses: dict[int, list[float]] = {12: [], 4: []}

    def trained(one: nn.Module, batches, how: Optimisation) -> None:
        def report(done):
            losses[how.batch].append(done.loss)

        given = {"loss": squared_error, "steps_per_epoch": 1, "report": report}
        fit(one, batches=batches, settings=how, **given)

    trained(large, lambda numbers: drawn(numbers, 12), settings(batch=12))
    trained(small, parts, settings(batch=4, accumulate=3))
    for one, other in zip(large.parameters(), small.parameters(), strict=True):
        assert torch.allclose(one, other, atol=1e-5)
    assert losses[4] == pytest.approx(losses[12], abs=1e-4)


def test_the_rate_rises_linearly_and_falls_as_a_cosine_to_zero():
    how = settings(epochs=10, warmup_epochs=2, batch=64, accumulate=2, base_learning_rate=0.1)
    peak = 0.1 * 64 * 2 / 256
    rates = [learning_rate(how, step, 100, 10) for step in range(101)]
    assert how.learning_rate == pytest.approx(peak)
    assert rates[:20] == pytest.approx([peak * (k + 1) / 20 for k in range(20)])
    cosine = [peak / 2 * (1 + math.cos(math.pi * k / 80)) for k in range(81)]
    assert rates[20:] == pytest.approx(cosine)
    assert rates[100] == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("warmup", [0, 0.04, 0.25, 1 / 3, 1.17, 20])
@pytest.mark.parametrize("schedule", ["cosine", "constant"])
def test_the_rate_never_exceeds_the_one_that_is_set(warmup, schedule):
    how = settings(warmup_epochs=warmup, schedule=schedule)
    rates = [learning_rate(how, step, 100, 10) for step in range(100)]
    assert min(rates) > 0
    assert max(rates) <= how.learning_rate
    if schedule == "constant" and warmup < 10:
        assert rates[-1] == how.learning_rate


def test_a_gradient_that_is_no_number_stops_the_run_before_it_moves_a_weight(tmp_path):
    def loss(model, batch):
        value = squared_error(model, batch)
        # The root of zero has no slope, and is zero.
        return value + (0 * next(model.parameters())).sqrt().sum() if steps.pop() else value

    steps = [True, False, False, False, False, False, False]
    with pytest.raises(Diverged, match="the gradient is nan at step 7;") as caught:
        run(small_model(), tmp_path, loss=loss)
    assert [*caught.value.batches] == [6]
    assert all(value.isfinite().all() for value in load_file(tmp_path / STATE).values())


def test_a_loss_that_is_no_number_stops_the_run_and_leaves_the_last_state(tmp_path):
    def loss(model, batch):
        value = squared_error(model, batch)
        return value * float("nan") if torch.equal(batch[0], next(drawn([7]))[0]) else value

    with pytest.raises(Diverged, match="at step 8; lower base_learning_rate"):
        run(small_model(), tmp_path, loss=loss)
    state = load_file(tmp_path / STATE)
    assert all(value.isfinite().all() for value in state.values())
    assert [step for step, _, _ in log_of(tmp_path)] == [1, 2, 3, 4, 5]


def test_a_run_is_not_taken_up_in_another_precision(tmp_path):
    run(small_model(), tmp_path, stop=5)
    with pytest.raises(InputError, match=r"a run in fp32, not bf16; set `precision` in the recipe"):
        run(small_model(), tmp_path, precision="bf16")


def test_a_run_keeps_the_precision_that_auto_stood_for(tmp_path, monkeypatch):
    monkeypatch.setattr(training, "precision", lambda wanted: "fp32")
    run(small_model(), tmp_path, stop=5, precision="auto")
    assert len(run(small_model(), tmp_path, precision="fp32")) == 5


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_precision_that_is_named_is_what_it_says(precision):
    assert training.precision(precision) == precision
    assert training.precision("auto") in {"fp32", "bf16"}


def test_a_run_may_be_taken_up_with_other_workers_and_saved_more_often(tmp_path):
    run(small_model(), tmp_path, stop=5)
    assert len(run(small_model(), tmp_path, workers=2, checkpoint_every=1)) == 5


def test_a_run_of_another_model_is_refused(tmp_path):
    run(small_model(), tmp_path, stop=5)
    with pytest.raises(InputError, match=r"training\.safetensors: a run of another model; choose"):
        run(nn.Sequential(nn.Linear(6, 1)), tmp_path)


@pytest.mark.parametrize("metadata", [None, {"epoch": "3"}])
def test_a_foreign_state_is_refused(tmp_path, metadata):
    save_file({"weight": torch.zeros(2)}, tmp_path / STATE, metadata=metadata)
    with pytest.raises(InputError, match=r"training\.safetensors: cannot be read .*remove it"):
        run(small_model(), tmp_path)


def test_a_broken_state_is_refused(tmp_path):
    (tmp_path / STATE).write_bytes(b"not at all")
    with pytest.raises(InputError, match=r"training\.safetensors: cannot be read .*remove it"):
        run(small_model(), tmp_path)


def test_the_source_steps_back_through_a_loss_in_one_place_only():
    source = Path(training.__file__).parents[1]
    found = [
        f.name for f in source.rglob("*.py") for _ in re.findall(r"\.backward\(", f.read_text())
    ]
    assert found == ["loop.py"]
