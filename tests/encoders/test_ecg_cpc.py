"""ECG-CPC: what files hold, and the laws of its state spaces."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from myocard.encoders.ecg_cpc import FAMILY, Kernel, Shape, StateSpaces
from myocard.encoders.published import Opened, encoder_of
from myocard.encoders.registry import families
from myocard.errors import InputError

FILE = Path("last.ckpt")
Weights = dict[str, Tensor]
TRAINED = 20


def fixed(features: int = 6) -> Weights:
    """Decaying states with coefficients that no conjugate pair shares."""
    decay = torch.stack([-0.2 - torch.rand(features, 2), 3 * torch.rand(features, 2)], dim=-1)
    pairs = {name: 0.5 * torch.randn(1, features, 2, 2) for name in ("P", "Q", "B")}
    return {"log_dt": -1 - torch.rand(features), "w": decay, **pairs}


def content_of(network: StateSpaces) -> dict[str, Weights]:
    weights = {}
    for name, value in network.state_dict().items():
        stem = "encoder." if name.startswith("layers.") else "predictor.predictor."
        weights[f"ts_encoder.{stem}{name}"] = value
    for block in range(len(network.s4_layers)):
        prefix = f"ts_encoder.predictor.predictor.s4_layers.{block}.kernel.kernel."
        nodes = {
            f"{prefix}{name}": torch.full((TRAINED // 2 + 1, 2), torch.inf)
            for name in ("omega", "z")
        }
        weights |= nodes
    return {"state_dict": weights | {"ts_encoder.head_ssl.0.weight": torch.zeros(2)}}


@pytest.fixture
def content() -> dict[str, Weights]:
    shape = Shape(leads=12, features=6, kernels=(3, 1), depth=2, trained=TRAINED)
    return content_of(StateSpaces(shape, [fixed(), fixed()]))


@pytest.fixture
def model(content) -> Opened:
    return FAMILY.open(content, FILE)


def test_published_sizes_load_and_give_their_states(random_weights) -> None:
    weights = random_weights("ecg-cpc/keys_published.tsv")
    # Most kernels of systems that grow overflow.
    weights |= {n: -v.abs() for n, v in weights.items() if n.endswith(("kernel.w", "log_dt"))}
    model = FAMILY.open({"state_dict": weights}, FILE)
    with torch.inference_mode():
        states = list(model.network.states(torch.randn(2, 12, model.input.samples)))
    assert [state.shape for state in states] == [(2, 1200, 512)] * 5
    assert [layer.width for layer in model.layers] == [512] * 5


def test_one_family_knows_the_file(content) -> None:
    assert [known for known in families() if known.recognises(content)] == [FAMILY]


def test_nodes_are_left_out_whatever_they_hold(model) -> None:
    assert len(model.left_out) == 5
    assert "ts_encoder.head_ssl." in model.left_out


def test_every_missing_tensor_is_refused(content) -> None:
    for missing in set(content["state_dict"]) - {"ts_encoder.head_ssl.0.weight"}:
        fewer = {n: value for n, value in content["state_dict"].items() if n != missing}
        needed = not missing.endswith(("1.kernel.kernel.omega", ".z"))
        if needed and FAMILY.recognises({"state_dict": fewer}):
            with pytest.raises(InputError, match=r"^last\.ckpt: .*tensor"):
                FAMILY.open({"state_dict": fewer}, FILE)


def test_a_tensor_too_many_is_named(content) -> None:
    more = content["state_dict"] | {"ts_encoder.encoder.adapter": torch.zeros(3)}
    with pytest.raises(InputError, match="left over adapter"):
        FAMILY.open({"state_dict": more}, FILE)


def test_random_weights_keep_what_training_does_not_change(model) -> None:
    encoder = encoder_of(model, "ecg-cpc")
    first, again, other = (encoder.randomised(seed) for seed in (1, 1, 2))
    assert first.info.hash == again.info.hash != other.info.hash
    kept, drawn = (e.network.s4_layers[0].kernel["kernel"] for e in (encoder, first))
    assert torch.equal(kept.w, drawn.w)
    assert not torch.equal(kept.C, drawn.C)


def test_leads_that_are_left_out_count_as_zero(model) -> None:
    encoder = encoder_of(model, "ecg-cpc")
    signals = torch.randn(2, 12, 40)
    silent = signals.clone()
    silent[:, [0, *range(2, 6), *range(7, 12)]] = 0
    fewer = encoder.with_leads(["V1", "II"])
    found = fewer.hidden_states(signals[:, [1, 6]])
    for one, other in zip(found, encoder.hidden_states(silent), strict=True):
        torch.testing.assert_close(one, other)


def test_no_step_knows_what_comes_after_it(model) -> None:
    signals = torch.randn(1, 12, 60)
    changed = signals.clone()
    changed[..., 40:] = 5
    for one, other in zip(
        model.network.states(signals), model.network.states(changed), strict=True
    ):
        torch.testing.assert_close(one[:, :20], other[:, :20])
        assert not torch.allclose(one[:, 20:], other[:, 20:])


def test_a_kernel_is_the_state_spaces_answer_to_an_impulse() -> None:
    torch.manual_seed(3)
    kernel = Kernel(TRAINED, fixed(features=1)).double()

    def whole(pairs: Tensor) -> Tensor:
        half = torch.view_as_complex(pairs.detach()).flatten()
        return torch.cat([half, half.conj()])

    step = kernel.log_dt.exp()
    dynamics = whole(kernel.w).diag() - torch.outer(whole(kernel.P), whole(kernel.Q))
    one = torch.eye(4, dtype=dynamics.dtype)
    backward = torch.linalg.inv(one - step / 2 * dynamics)
    forward = backward @ (one + step / 2 * dynamics)
    truncation = torch.linalg.inv(one - torch.linalg.matrix_power(forward, TRAINED))
    output, state = whole(kernel.C) @ truncation, backward @ (step * whole(kernel.B))
    answers = []
    for _ in range(3 * TRAINED):
        answers.append((output @ state).real.item())
        state = forward @ state
    for steps in (1, TRAINED, 3 * TRAINED):
        assert kernel(steps)[0].tolist() == pytest.approx(answers[:steps], rel=1e-9, abs=1e-12)


def test_kernels_carry_gradients_to_what_is_trained(model) -> None:
    *_, last = model.network.states(torch.randn(1, 12, 40))
    last.square().mean().backward()
    trained = model.network.s4_layers[0].kernel["kernel"].C
    assert trained.grad.abs().sum() > 0
