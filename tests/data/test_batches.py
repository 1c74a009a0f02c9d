"""The order of records: the same for any number of workers, and from any step on."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from myocard.data import batches
from myocard.data.batches import Labelled, Part, Shuffled, Windows, in_order, shuffled
from myocard.data.signal import Preprocessing
from myocard.errors import InputError

WANTED = Preprocessing(100, 30, ("I", "II"))


@pytest.fixture
def windows(make_store) -> Windows:
    """Rows 4, 0 and 2 of one store, then rows 1 and 3 of another."""
    rows = {"first": [4, 0, 2], "second": [1, 3]}
    return Windows([Part(make_store(name), np.array(own)) for name, own in rows.items()], WANTED)


def test_windows_of_several_stores_come_in_order(windows) -> None:
    first, second = (part.store for part in windows.parts)
    expected = np.concatenate([first.windows([4, 0, 2], WANTED), second.windows([1, 3], WANTED)])
    assert len(windows) == 5
    found = torch.cat(list(in_order(windows, batch=2)))
    np.testing.assert_array_equal(found, expected)


def test_an_empty_part_is_passed_over(windows) -> None:
    empty = Part(windows.parts[0].store, np.array([], dtype=np.int64))
    around = Windows([empty, windows.parts[0], empty, windows.parts[1], empty], WANTED)
    assert len(around) == 5
    for position in range(5):
        assert torch.equal(around[[(position, None)]], windows[[(position, None)]])


def test_a_batch_holds_its_windows_in_their_order(windows) -> None:
    indices = [(3, 0.2), (1, None), (4, 0.9), (1, 0.5), (0, 0.0)]
    alone = torch.cat([windows[[index]] for index in indices])
    assert torch.equal(windows[indices], alone)


def test_a_store_that_does_not_fit_is_refused(windows) -> None:
    with pytest.raises(InputError, match="first: this store does not meet .* 40 samples, not 41"):
        Windows(windows.parts, Preprocessing(100, 41, ("I", "II")))


@pytest.mark.parametrize("samples", range(3, 41))
def test_drawn_windows_reach_every_place_in_a_record_and_no_other(windows, samples) -> None:
    wanted = Preprocessing(100, samples, ("I", "II"))
    cut, store = Windows(windows.parts, wanted), windows.parts[0].store
    places = [store.windows([0], wanted, start)[0] for start in range(40 - samples + 1)]
    draws = [0.0, *(np.arange(4 * len(places)) + 0.5) / (4 * len(places)), np.nextafter(1, 0)]
    seen = []
    for draw in draws:
        window = cut[[(1, float(draw))]][0].numpy()
        seen.append(next(i for i, place in enumerate(places) if np.array_equal(place, window)))
    assert seen == sorted(seen)
    assert set(seen) == set(range(len(places)))
    # Every place has the same share of [0, 1).
    assert set(np.bincount(seen[1:-1])) == {4}


@given(st.integers(1, 60), st.integers(1, 12), st.integers(0, 3))
def test_an_epoch_is_a_permutation(records, batch, seed) -> None:
    order = Shuffled(records, batch, seed)
    for epoch in range(3):
        first = epoch * order.steps_per_epoch
        indices = [index for step in range(order.steps_per_epoch) for index in order[first + step]]
        positions = [position for position, _ in indices]
        assert len(set(positions)) == len(positions)
        assert set(positions) <= set(range(records))
        # Less than a batch is left over.
        assert records - len(positions) < batch
        if records % batch == 0:
            assert len(positions) == records


@given(st.integers(1, 40), st.integers(1, 9), st.integers(0, 3), st.permutations(range(12)))
def test_a_batch_is_the_same_whatever_was_asked_for_before(records, batch, seed, numbers) -> None:
    order = Shuffled(records, batch, seed)
    found = {number: order[number] for number in numbers}
    batches._epoch.cache_clear()
    assert found == {number: order[number] for number in range(12)}


def test_epochs_and_seeds_differ() -> None:
    order = Shuffled(50, 50, 0)
    first, second, other = order[0], order[1], Shuffled(50, 50, 1)[0]
    assert len({tuple(i for i, _ in batch) for batch in (first, second, other)}) == 3
    # A record is cut elsewhere in the next epoch.
    assert all(dict(first)[i] != dict(second)[i] for i in range(50))


def test_what_is_left_over_changes_from_epoch_to_epoch() -> None:
    order = Shuffled(10, 4, 0)
    indices = [index for number in range(40) for index in order[number]]
    assert {position for position, _ in indices} == set(range(10))


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_do_not_change_what_comes_when(windows, workers: int) -> None:
    order = Shuffled(len(windows), 2, seed=3)
    alone = list(shuffled(windows, order, range(1, 9, 2)))
    helped = list(shuffled(windows, order, range(1, 9, 2), workers))
    assert torch.equal(torch.stack(alone), torch.stack(helped))
    assert torch.equal(
        torch.cat(list(in_order(windows, 2, 0.4))),
        torch.cat(list(in_order(windows, 2, 0.4, workers))),
    )


def test_targets_stay_with_their_records(windows) -> None:
    targets = torch.arange(5)[:, None] * torch.tensor([1.0, 10.0])
    order = Shuffled(5, 5, seed=0)
    positions = [position for position, _ in order[0]]
    signals, found = next(shuffled(Labelled(windows, targets), order, [0]))
    assert found.tolist() == [[i, 10 * i] for i in positions]
    assert torch.equal(signals, next(shuffled(windows, order, [0])))
