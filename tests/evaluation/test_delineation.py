"""Delineation from every layer: what tokens stand for, what is solved, scored and written."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from torch import Tensor, nn

from myocard.data.corpora import CORPUS_COLUMNS, PretrainedOn, trained_on_nothing
from myocard.encoders.ours import MyocardEncoder
from myocard.encoders.protocol import Layer
from myocard.errors import InputError
from myocard.evaluation.delineation import PENALTIES, delineate, discriminants
from myocard.evaluation.delineation.probes import Reader
from myocard.evaluation.delineation.tokens import LABELS, Grid
from myocard.evaluation.delineation.truth import consensus, in_window
from myocard.evaluation.probing.ridge import Moments
from myocard.leads import LEADS
from myocard.metrics.boundaries import BOUNDARIES, EVENTS, TOLERANCES
from myocard.results.delineation import MEAN, DelineationMeasures
from myocard.simulation import simulate
from myocard.waves import NONE, QRS, UNKNOWN, Delineation, OfLeads, P, T

SAMPLES = 100


@pytest.fixture(scope="module")
def waves(store) -> list[OfLeads]:
    """The truth of the store's records, each lead's the heart's."""
    numbers = [int(name[1:]) for name in store.records["id"]]
    hearts = [simulate(0, number, rate=50).delineation for number in numbers]
    return [dict.fromkeys(LEADS, heart) for heart in hearts]


@pytest.fixture
def encoder(encoder) -> MyocardEncoder:
    """The tiny encoder on two leads, trained on nothing."""
    return replace(encoder.with_leads(("II", "V2")), pretrained_on=trained_on_nothing())


@dataclass(frozen=True, eq=False)
class Oracle(MyocardEncoder):
    """An encoder whose last layer's tokens are the labels of their samples; the first is noise."""

    truth: dict[bytes, np.ndarray] | None = None

    @property
    def layers(self) -> tuple[Layer, ...]:
        return (Layer("noise", 40), Layer("labels", 40))

    @property
    def norm(self) -> nn.Module:
        return nn.Identity()

    def hidden_states(self, signals: Tensor) -> Iterator[Tensor]:
        assert self.truth is not None
        labels = torch.from_numpy(
            np.stack([self.truth[each.numpy().tobytes()] for each in signals])
        )
        codes = torch.nn.functional.one_hot(labels.long(), LABELS).float()
        tokens = codes.unflatten(1, (10, 10)).flatten(2)[:, None]
        tokens = tokens.expand(-1, len(self.input.leads), -1, -1).flatten(1, 2)
        yield torch.randn(tokens.shape, generator=torch.Generator().manual_seed(0))
        yield tokens


@pytest.fixture
def oracle(encoder, store, waves) -> Oracle:
    shown = store.windows(range(len(store.records)), encoder.input)
    hearts = [each["I"].earlier(4.5).labels(SAMPLES, 100) for each in waves]
    truth = {each.tobytes(): heart for each, heart in zip(shown, hearts, strict=True)}
    return Oracle("oracle", encoder.network, encoder.input, trained_on_nothing(), truth=truth)


@given(samples=st.integers(1, 300), tokens=st.integers(1, 60))
def test_every_sample_has_a_position_that_stands_for_it_or_its_neighbour(samples, tokens):
    grid = Grid(samples, tokens)
    labels = torch.from_numpy(np.random.default_rng(samples).integers(0, 4, samples))
    targets, known = grid.targets(labels)
    assert targets.shape == (tokens, grid.positions * LABELS)
    assert known.all()
    shown = grid.sample_of.reshape(-1)[grid.position_of]
    assert np.abs(shown - np.arange(samples)).max() <= max(1, samples // tokens // 2)
    np.testing.assert_array_equal(grid.labels(targets), labels[torch.from_numpy(shown)])
    if samples % tokens == 0:
        np.testing.assert_array_equal(shown, np.arange(samples))


def test_a_token_with_a_label_that_is_unknown_is_no_target():
    labels = torch.tensor([0, 1, UNKNOWN, 2, 3, 3])
    targets, known = Grid(6, 3).targets(labels)
    assert known.tolist() == [True, False, True]
    assert targets[0].tolist() == [1, 0, 0, 0, 0, 1, 0, 0]


def test_discriminants_are_scikit_learns_at_every_position():
    generator = torch.Generator().manual_seed(2)
    labels = torch.randint(0, LABELS, (4000, 3), generator=generator)
    labels[labels[:, 1] == P, 1] = NONE
    centres = torch.randn(3, LABELS, 6, generator=generator)
    tokens = torch.randn(4000, 6, generator=generator) * torch.tensor([1, 2, 3, 0.1, 1, 1])
    tokens = tokens + sum(centres[k, labels[:, k]] for k in range(3))
    targets, _ = Grid(3, 1).targets(labels)
    moments = Moments(6, 3 * LABELS, number=True)
    for some in torch.arange(4000).split(700):
        moments.add(tokens[some], targets[some, 0])
    (head,) = discriminants.solve(moments, [0.0])
    scores = head(tokens).unflatten(1, (3, LABELS)).detach()
    assert scores[:, 1, P].isneginf().all()
    for position in range(3):
        present = labels[:, position].unique()
        other = LinearDiscriminantAnalysis(solver="lsqr").fit(tokens, labels[:, position])
        probabilities = scores[:, position, present].softmax(dim=1)
        np.testing.assert_allclose(probabilities, other.predict_proba(tokens), atol=2e-3)


def test_a_layer_that_holds_the_labels_is_read_without_fault(oracle, store, waves, tmp_path):
    delineate(oracle, store, waves, tmp_path / "out", test=True, resamples=20)
    found = DelineationMeasures.read(tmp_path / "out")
    assert (found.best_layer, found.rows, found.split) == (1, "leads", "test")
    at = {(x.layer, x.event, x.tolerance): x for x in found.accuracy}
    for event in (*EVENTS, MEAN):
        assert at[1, event, 20].f1.value == 1
        assert (at[1, event, 20].f1.low, at[1, event, 20].f1.high) == (1, 1)
        assert at[0, event, 20].f1.value < 0.5
    for event in BOUNDARIES:
        assert abs(at[1, event, 20].error_mean.value) < 5  # half a sample
    assert at[1, "beat", 150].waves % 2 == 0
    assert [(x.difference, x.low, x.high) for x in found.gains] == [(0, 0, 0)] * len(TOLERANCES)


def test_every_layer_event_and_tolerance_is_told(encoder, store, waves, tmp_path):
    assert delineate(encoder, store, waves, tmp_path / "out", resamples=20) == tmp_path / "out"
    found = DelineationMeasures.read(tmp_path / "out")
    told = [(x.layer, x.tolerance, x.event) for x in found.accuracy]
    assert told == [(n, t, e) for n in range(4) for t in TOLERANCES for e in (*EVENTS, MEAN)]
    table = pd.read_csv(tmp_path / "out/delineation.csv")
    assert len(table) == len(told)
    assert table["f1"].tolist() == pytest.approx([x.f1.value for x in found.accuracy], nan_ok=True)
    assert set(found.penalties) <= set(PENALTIES)
    assert found.records["train"] == (store.records["fold"] <= 8).sum()
    assert found.patients["train"] == store.records["patient"][store.records["fold"] <= 8].nunique()
    means = [x for x in found.accuracy if (x.event, x.tolerance) == (MEAN, found.choice)]
    assert found.best_layer == max(means, key=lambda x: x.f1.value).layer


def test_moments_of_all_records_do_not_depend_on_batches_and_hold_no_unknown(
    encoder, store, waves, monkeypatch
):
    rows = np.arange(20)
    times = np.array([[-9, 4.695, 4.995], [4.695, 4.995, 99]])
    partly = [{"II": Delineation(np.array([UNKNOWN, P, UNKNOWN], np.int8), *times)}, *waves[1:]]
    gathered = []
    for batch in (16, 7):
        monkeypatch.setattr("myocard.evaluation.delineation.probes.BATCH", batch)
        truth = in_window(encoder, store, partly)
        gathered.append(Reader(encoder, store, truth, lambda count: None).gather(rows))
    for one, other in zip(*gathered, strict=True):
        torch.testing.assert_close(one.products, other.products)
        torch.testing.assert_close(one.crossed, other.crossed)
    # 300 ms of one lead of the first record are known: three whole tokens.
    assert gathered[0][0].records == 19 * 2 * 10 + 3


def test_leads_agree_by_majority_and_where_most_are_unknown_nothing_is():
    def lead(kind: int, onset: float, offset: float) -> Delineation:
        return Delineation(np.array([kind], np.int8), np.array([onset]), np.array([offset]))

    leads = [lead(T, 0.1, 0.3), lead(T, 0.2, 0.4), lead(T, 0.2, 0.5), lead(QRS, 0.2, 0.3)]
    kind, onset, offset = consensus(leads, 1.0)
    assert kind.tolist() == [T]
    assert (onset[0], offset[0]) == pytest.approx((0.2, 0.3), abs=0.0011)
    unknown = [lead(UNKNOWN, 0.5, 1.0)] * 3
    assert consensus([*unknown, leads[0]], 1.0).kind.tolist() == [UNKNOWN]


class Foreign:
    """The tiny encoder with its leads' tokens averaged, and nothing to tell where they stand."""

    def __init__(self, encoder: MyocardEncoder) -> None:
        self.encoder = encoder
        self.info, self.input, self.layers = encoder.info, encoder.input, encoder.layers
        self.norm, self.network = encoder.norm, encoder.network
        self.pretrained_on = encoder.pretrained_on

    def hidden_states(self, signals: Tensor) -> Iterator[Tensor]:
        return (self.encoder.by_lead(x).mean(dim=1) for x in self.encoder.hidden_states(signals))

    def pool(self, tokens: Tensor) -> Tensor:
        return tokens.mean(dim=1)

    def with_leads(self, leads: object) -> "Foreign":
        return self

    def randomised(self, seed: int) -> "Foreign":
        return self


class Timewise(Foreign):
    def by_time(self, tokens: Tensor) -> Tensor:
        return tokens[:, None]


def test_an_encoder_that_mixes_leads_is_scored_on_one_row(encoder, store, waves, tmp_path):
    truth = in_window(Timewise(encoder), store, waves)
    assert {len(rows) for rows in truth} == {1}
    for (row,), leads in zip(truth, waves, strict=True):
        heart = leads["I"].earlier(4.5).within(0.99)
        assert row.kind.tolist() == heart.kind.tolist()
        inside = np.isfinite(heart.onset)
        np.testing.assert_allclose(row.onset[inside], heart.onset[inside], atol=0.0011)
    delineate(Timewise(encoder), store, waves, tmp_path / "out", resamples=20)
    assert DelineationMeasures.read(tmp_path / "out").rows == "record"


def test_tokens_that_stand_nowhere_in_time_are_refused(encoder, store, waves, tmp_path):
    with pytest.raises(InputError, match="tiny: nothing tells where in time its tokens stand"):
        delineate(Foreign(encoder), store, waves, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_waves_of_other_leads_or_of_less_than_a_token_are_refused(encoder, store, waves, tmp_path):
    for lead, seconds in (("I", 99), ("II", 0.05)):
        times = np.array([[-9, 5, 5 + seconds], [5, 5 + seconds, 99]])
        marks = {lead: Delineation(np.array([UNKNOWN, P, UNKNOWN], np.int8), *times)}
        with pytest.raises(InputError, match="no token of tiny stands for samples whose waves are"):
            delineate(encoder, store, [marks] * len(waves), tmp_path / "out")


def test_the_test_fold_is_not_touched_until_asked(encoder, store, waves, tmp_path):
    tested = store.records["fold"].to_numpy() == 10
    spoilt = store.signals.copy()
    spoilt[tested] = spoilt[0]
    for test in (False, True):
        found = []
        for place, where in enumerate((store, replace(store, signals=spoilt))):
            out = tmp_path / str(test) / str(place)
            delineate(encoder, where, waves, out, test=test, resamples=20)
            found.append((out / "delineation.csv").read_text())
        assert (found[0] == found[1]) is not test


def test_it_is_kept_refused_and_made_again_as_every_folder_is(encoder, store, waves, tmp_path):
    out, told = tmp_path / "out", []
    for _ in range(2):
        delineate(encoder, store, waves, out, resamples=20, progress=lambda *x: told.append(x))
    assert [done for _, done, _ in told] == sorted({done for _, done, _ in told})
    assert told[-1][1] == told[-1][2]
    without = [{}, *waves[1:]]
    with pytest.raises(InputError, match=r"out: made from other inputs: waves is another \(hash"):
        delineate(encoder, store, without, out, resamples=20)
    delineate(encoder, store, waves, out, resamples=20, test=True)
    assert DelineationMeasures.read(out).split == "test"
    delineate(encoder, store, waves, out, resamples=20)
    assert DelineationMeasures.read(out).split == "test"


def test_records_that_the_encoder_knows_are_refused(store, waves, tmp_path, encoder):
    corpus = store.records.loc[store.records["fold"] == 9, list(CORPUS_COLUMNS)]
    known = replace(encoder, pretrained_on=PretrainedOn(corpus, ("sim",)))
    with pytest.raises(InputError, match=r"leak: the encoder was trained on \d+ records of valid"):
        delineate(known, store, waves, tmp_path / "out")


def test_a_fold_without_waves_is_refused(encoder, store, waves, tmp_path):
    fold = store.records["fold"]
    some = [each if k < 9 else {} for each, k in zip(waves, fold, strict=True)]
    with pytest.raises(InputError, match=r"no record of fold 9 \(validation\) has waves, and \d+ "):
        delineate(encoder, store, some, tmp_path / "out")
