"""Any torch module becomes an encoder by what its user states, and nothing is guessed."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest
import torch
from torch import Tensor, nn

import myocard
from myocard.data.signal import Preprocessing
from myocard.encoders.protocol import ECGEncoder
from myocard.encoders.wrapped import WrappedEncoder
from myocard.errors import InputError
from myocard.leads import LEADS

INPUT = Preprocessing(100, 100)
WIDTH, PATCH = 12, 10


class Residual(nn.Module):
    """A step that adds to what it is given, in place."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(WIDTH, WIDTH)

    def forward(self, tokens: Tensor) -> Tensor:
        tokens += self.linear(tokens)
        return tokens


class Patches(nn.Module):
    """A stem of convolutions, residual blocks, a norm and a head."""

    def __init__(self, blocks: int = 11) -> None:
        super().__init__()
        self.stem = nn.Conv1d(len(LEADS), WIDTH, PATCH, stride=PATCH)
        self.blocks = nn.ModuleList(Residual() for _ in range(blocks))
        self.norm = nn.LayerNorm(WIDTH)
        self.head = nn.Linear(WIDTH, 5)

    def forward(self, signals: Tensor) -> Tensor:
        tokens = self.stem(signals).mT
        for block in self.blocks:
            tokens = block(tokens)
        return self.head(self.norm(tokens).mean(dim=1))


class Times(nn.Module):
    """Torch's Transformer, which has time first."""

    def __init__(self) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(WIDTH, 2, 16, dropout=0.0)
        self.embed = nn.Linear(len(LEADS) * PATCH, WIDTH)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)

    def forward(self, signals: Tensor) -> Tensor:
        patches = signals.unflatten(-1, (-1, PATCH)).permute(2, 0, 1, 3).flatten(2)
        return self.encoder(self.embed(patches))


class Recurrences(nn.Module):
    """Recurrent layers, each of which gives its outputs and its last state."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.GRU(len(LEADS), WIDTH, batch_first=True)
        self.second = nn.GRU(WIDTH, WIDTH, batch_first=True)

    def forward(self, *, values: Tensor) -> Tensor:
        return self.second(self.first(values)[0])[0]


@dataclass
class Output:
    hidden_states: tuple[Tensor, ...] | None


class Asked(Patches):
    """A model that returns its states where it is asked for them, as those of transformers do."""

    def forward(self, values: Tensor, *, output_hidden_states: bool = False) -> Output:
        states = [self.stem(values).mT]
        for block in self.blocks:
            states.append(states[-1] + block.linear(states[-1]))
        return Output(tuple(states) if output_hidden_states else None)


def maps() -> nn.Module:
    stages = [(len(LEADS), 8), (8, 12), (12, 16)]
    parts = [nn.Sequential(nn.Conv1d(*pair, 5, 3), nn.BatchNorm1d(pair[1])) for pair in stages]
    return nn.Sequential(*parts)


def planes() -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 6, (1, 5), 5), nn.ReLU(inplace=True), nn.Conv2d(6, 6, 3))


def vectors() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(1200, WIDTH), nn.ReLU(), nn.Linear(WIDTH, WIDTH))


MIXED = {"stem": "batch width tokens", "blocks.*": "batch tokens width"}
KINDS: dict[str, tuple[Callable[[], nn.Module], dict]] = {
    "patches": (Patches, {"layers": [*MIXED], "order": MIXED, "norm": "norm"}),
    "times": (
        Times,
        {"layers": ["embed", "encoder.layers.?"], "order": "tokens batch width", "pool": "first"},
    ),
    "maps": (maps, {"layers": "?", "order": "batch width tokens"}),
    "planes": (
        planes,
        {
            "layers": ["0", "2"],
            "order": "batch width tokens tokens",
            "prepare": lambda signals: signals[:, None],
        },
    ),
    "vectors": (vectors, {"layers": ("3", "1"), "order": "batch width"}),
    "recurrences": (
        Recurrences,
        {
            "layers": ["first", "second"],
            "prepare": lambda signals: {"values": signals.mT},
            "pool": "last",
        },
    ),
    "asked": (Asked, {"layers": "hidden_states", "pool": lambda tokens: tokens.amax(dim=1)}),
}
LAYERS = {
    "patches": {"stem": 12} | {f"blocks.{number}": 12 for number in range(11)},
    "times": {"embed": 12, "encoder.layers.0": 12, "encoder.layers.1": 12},
    "maps": {"0": 8, "1": 12, "2": 16},
    "planes": {"0": 6, "2": 6},
    "vectors": {"1": 12, "3": 12},
    "recurrences": {"first": 12, "second": 12},
    "asked": {f"hidden state {number}": 12 for number in range(12)},
}


def wrapped(kind: str, seed: int = 0, **changes) -> WrappedEncoder:
    build, stated = KINDS[kind]
    torch.manual_seed(seed)
    return myocard.wrap(build(), **{"input": INPUT} | stated | changes)


def hooks(module: nn.Module) -> int:
    return sum(len(part._forward_hooks) for part in module.modules())


@pytest.fixture(params=KINDS)
def kind(request) -> str:
    return request.param


@pytest.fixture
def every(kind) -> WrappedEncoder:
    return wrapped(kind)


@pytest.fixture
def shown(store) -> Tensor:
    """Eight records of the store, as the encoders state their input."""
    return torch.from_numpy(store.windows(range(8), INPUT))


@torch.no_grad()
def states_of(encoder: ECGEncoder, signals: Tensor) -> list[Tensor]:
    return [encoder.pool(tokens) for tokens in encoder.hidden_states(signals)]


def same(ones: list[Tensor], others: list[Tensor]) -> bool:
    return all(torch.allclose(a, b, atol=1e-5) for a, b in zip(ones, others, strict=True))


def test_it_is_an_encoder_that_names_all_its_layers_in_the_order_of_their_making(
    kind, every, shown
):
    assert isinstance(every, ECGEncoder)
    assert {layer.name: layer.width for layer in every.layers} == LAYERS[kind]
    assert [layer.name for layer in every.layers] == [*LAYERS[kind]]
    states = list(every.hidden_states(shown))
    assert [tuple(tokens.shape)[::2] for tokens in states] == [
        (8, w) for w in LAYERS[kind].values()
    ]
    assert not every.network.training
    assert every.info.layers == len(states)
    assert every.info.width == (None if kind == "maps" else every.layers[0].width)


def test_a_record_alone_has_the_states_that_it_has_among_others(every, shown):
    alone = [states_of(every, record[None]) for record in shown]
    assert same([torch.cat(each) for each in zip(*alone, strict=True)], states_of(every, shown))


def test_records_that_are_permuted_have_permuted_states(every, shown):
    order = torch.tensor([3, 0, 7, 2, 1, 6, 5, 4])
    found = states_of(every, shown)
    assert same(states_of(every, shown[order]), [state[order] for state in found])
    assert not same(states_of(every, shown[order]), found)


def test_what_is_frozen_takes_no_gradient_and_all_that_is_read_does(every, shown):
    every.network.requires_grad_(requires_grad=False)
    assert not any(tokens.requires_grad for tokens in every.hidden_states(shown))
    every.network.requires_grad_(requires_grad=True)
    sum(tokens.square().sum() for tokens in every.hidden_states(shown)).backward()
    still = [name for name, p in every.network.named_parameters() if p.grad is None]
    assert [name for name in still if not name.startswith(("norm.", "head."))] == []


def test_its_state_dict_is_the_modules_and_makes_it_again(kind, every, shown):
    build, _ = KINDS[kind]
    module = build()
    assert every.network.state_dict().keys() == module.state_dict().keys()
    other = wrapped(kind, seed=1)
    assert other.info.hash != every.info.hash
    other.network.load_state_dict(every.network.state_dict())
    again = replace(other)
    assert again.info == every.info
    assert same(states_of(again, shown), states_of(every, shown))


def test_reading_it_leaves_its_weights_and_no_hook(every, shown):
    before = {name: value.clone() for name, value in every.network.state_dict().items()}
    states_of(every, shown)
    assert hooks(every.network) == 0
    assert all(torch.equal(before[k], v) for k, v in every.network.state_dict().items())


def test_hooks_are_gone_where_the_module_fails(shown):
    encoder = wrapped("patches")

    def fail(*call: object) -> None:
        raise RuntimeError("out of order")

    encoder.network.blocks[5].register_forward_pre_hook(fail)
    with pytest.raises(RuntimeError, match="out of order"):
        list(encoder.hidden_states(shown))
    assert hooks(encoder.network) == 0


def test_a_random_one_has_the_same_network_and_input_and_knows_no_record(kind, every, store):
    one, again, other = (every.randomised(seed) for seed in (7, 7, 8))
    assert one.info.hash == again.info.hash
    assert len({every.info.hash, one.info.hash, other.info.hash}) == 3
    assert (one.input, one.layers) == (every.input, every.layers)
    assert one.name == f"random-{every.name}-7"
    assert (one.info.random, one.info.leak_check) == (True, "records")
    assert not one.pretrained_on.known(store.records).any()
    build, _ = KINDS[kind]
    assert one.network.state_dict().keys() == build().state_dict().keys()
    assert all(value.isfinite().all() for value in one.network.state_dict().values())


@torch.no_grad()
def test_a_state_is_what_its_module_gave_though_later_ones_change_it_in_place(shown):
    encoder = wrapped("patches")
    expected = [encoder.network.stem(shown).mT]
    for block in encoder.network.blocks:
        expected.append(expected[-1] + block.linear(expected[-1]))
    assert same(list(encoder.hidden_states(shown)), expected)


@torch.no_grad()
def test_states_come_out_with_the_batch_first_whatever_order_they_had(shown):
    times, planes = wrapped("times"), wrapped("planes")
    patches = shown.unflatten(-1, (-1, PATCH)).transpose(1, 2).flatten(2)
    assert torch.allclose(next(times.hidden_states(shown)), times.network.embed(patches), atol=1e-5)
    map_ = planes.network[0](shown[:, None])
    states = next(planes.hidden_states(shown))
    assert torch.equal(states, map_.flatten(2).mT)
    assert torch.equal(planes.pool(states), states.mean(dim=1))


class Odd(nn.Module):
    """A module whose parts give what the tests ask for."""

    def __init__(self, give: Callable[[Tensor], object]) -> None:
        super().__init__()
        self.part, self.unused, self.give = nn.Linear(100, WIDTH), nn.Linear(2, 2), give
        self.giver = _Giver(give)

    def forward(self, signals: Tensor) -> Tensor:
        self.giver(self.part(signals))
        return self.part(signals)


class _Giver(nn.Module):
    def __init__(self, give: Callable[[Tensor], object]) -> None:
        super().__init__()
        self.give = give

    def forward(self, tokens: Tensor) -> object:
        return self.give(tokens)


@pytest.mark.parametrize(
    ("give", "output"),
    [
        (lambda tokens: (None, tokens), None),
        (lambda tokens: [tokens, -tokens], 0),
        (lambda tokens: (-tokens, [tokens]), 1),
        (lambda tokens: {"mask": None, "state": tokens}, None),
        (lambda tokens: {"other": -tokens, "state": tokens}, "state"),
    ],
)
def test_a_state_is_the_first_tensor_of_an_output_or_the_one_that_is_stated(give, output, shown):
    module = Odd(give)
    encoder = myocard.wrap(module, layers="giver", input=INPUT, output=output)
    (state,) = encoder.hidden_states(shown)
    assert torch.equal(state, module.part(shown))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"layers": "block.*"}, r"Odd: no module fits 'block\.\*'; there are part, unused, giver$"),
        ({"layers": ["giver", "Part"]}, "no module fits 'Part'; there are part"),
        ({"layers": []}, "layers= are none"),
        ({"layers": "part"}, "part runs 2 times in a forward pass; choose modules that run once"),
        ({"layers": "unused"}, "unused runs 0 times in a forward pass"),
        (
            {"order": "batch width"},
            r"giver gives \(2, 12, 12\) for 2 records, which is not 'batch w",
        ),
        (
            {"order": "width first"},
            "no order 'width first'; there are batch tokens width, tokens b",
        ),
        (
            {"order": {"part": "batch width"}},
            "layers= are giver, and order= is that of part; state",
        ),
        ({"output": 1}, "giver gives Tensor without a tensor at 1; state output="),
        ({"pool": "max"}, "no pool 'max'; there are mean, first, last"),
        (
            {"pool": lambda tokens: tokens},
            r"pool= makes \(2, 12, 12\) of giver \(2, 12, 12\); it sh",
        ),
        ({"norm": "norm"}, "no module fits 'norm'; there are part, unused, giver"),
        ({"name": "my/model"}, "name 'my/model': give letters, digits"),
        ({"pretrained_on": "ptb-xl"}, "pretrained_on 'ptb-xl': give a list of names"),
        (
            {"input": Preprocessing(100, 90)},
            r"Odd does not take the stated input, \(2, 12, 90\) \(Run",
        ),
        (
            {"layers": "hidden_states"},
            r"does not take the .*keyword argument 'output_hidden_states'",
        ),
    ],
)
def test_what_is_stated_wrongly_is_refused_in_one_line(changes, message):
    module = Odd(lambda tokens: tokens)
    with pytest.raises(InputError, match=message):
        myocard.wrap(module, **{"layers": "giver", "input": INPUT} | changes)
    assert hooks(module) == 0


@pytest.mark.parametrize(
    ("given", "output", "message"),
    [
        (None, None, "giver gives NoneType without a tensor; state output="),
        ({"state": 3.0}, "tokens", "giver gives dict without a tensor at 'tokens'; state output="),
        ((3.0,), 1, "giver gives tuple without a tensor at 1; state output="),
        (
            torch.ones(2, 4, WIDTH, dtype=torch.int64),
            None,
            r"\(2, 4, 12\) of torch.int64; a hidden",
        ),
        (torch.ones(2, 4, WIDTH, dtype=torch.complex64), None, "of torch.complex64; a hidden"),
        (torch.ones(2, 0, WIDTH), None, r"giver gives \(2, 0, 12\) of torch.float32; a hidden"),
    ],
)
def test_an_output_without_a_tensor_is_refused_by_its_modules_name(given, output, message):
    with pytest.raises(InputError, match=message):
        myocard.wrap(Odd(lambda tokens: given), layers="giver", input=INPUT, output=output)


def test_a_model_that_returns_no_states_is_refused():
    class Silent(Asked):
        def forward(self, values: Tensor, **asked: bool) -> Output:
            return Output(None)

    with pytest.raises(InputError, match="Silent returns no hidden_states; name its submodules"):
        myocard.wrap(Silent(), layers="hidden_states", input=INPUT)


def test_a_batch_that_a_later_pass_does_not_keep_is_refused(shown):
    encoder = myocard.wrap(Odd(lambda tokens: tokens[:2]), layers="giver", input=INPUT)
    with pytest.raises(InputError, match=r"giver gives \(2, 12, 12\) for 8 records"):
        list(encoder.hidden_states(shown))


def test_a_width_that_a_later_pass_does_not_keep_is_refused(shown):
    def narrow_at_first(tokens: Tensor) -> Tensor:
        return tokens if len(tokens) > 2 else tokens[..., :3]

    encoder = myocard.wrap(Odd(narrow_at_first), layers="giver", input=INPUT)
    with pytest.raises(
        InputError, match=r"giver gives \(8, 12, 12\), and a width of 3 in the first"
    ):
        list(encoder.hidden_states(shown))


def test_a_module_in_half_precision_has_a_hash_of_its_weights():
    def made(seed: int) -> WrappedEncoder:
        torch.manual_seed(seed)
        stated = KINDS["patches"][1] | {"prepare": lambda signals: signals.bfloat16()}
        return myocard.wrap(Patches().bfloat16(), input=INPUT, **stated)

    assert made(0).info.hash == made(0).info.hash != made(1).info.hash


def test_the_seed_that_drew_its_weights_gives_no_baseline():
    torch.manual_seed(3)
    encoder = myocard.wrap(Patches(), input=INPUT, build=Patches, **KINDS["patches"][1])
    with pytest.raises(InputError, match="those that seed 3 draws, .*; give another seed"):
        encoder.randomised(3)
    assert encoder.randomised(4).info.hash != encoder.info.hash


def test_the_first_twenty_modules_are_listed_where_a_pattern_fits_nothing():
    with pytest.raises(InputError, match=r"blocks\.8\.linear and 6 more$"):
        myocard.wrap(Patches(), layers="layers.*", input=INPUT)


def test_a_pattern_fits_part_by_part():
    names = [layer.name for layer in myocard.wrap(Patches(), layers="blocks.*", input=INPUT).layers]
    assert names == [f"blocks.{number}" for number in range(11)]


def test_what_is_not_drawn_again_is_named_and_a_function_can_make_it(shown):
    class Placed(Patches):
        def __init__(self) -> None:
            super().__init__()
            self.place = nn.Parameter(torch.randn(WIDTH))
            self.register_buffer("mean", torch.zeros(1))
            self.register_buffer("constant", torch.ones(1), persistent=False)

    stated = KINDS["patches"][1] | {"input": INPUT}
    encoder = myocard.wrap(Placed(), **stated)
    with pytest.raises(
        InputError, match="Placed: no reset_parameters draws place, mean again; give"
    ):
        encoder.randomised(0)
    built = myocard.wrap(Placed(), build=Placed, **stated)
    one, again = built.randomised(3), built.randomised(3)
    assert one.info.hash == again.info.hash != built.info.hash
    assert not torch.equal(one.network.place, built.network.place)


def test_a_function_that_makes_another_network_is_refused():
    stated = KINDS["patches"][1] | {"input": INPUT}
    encoder = myocard.wrap(Patches(11), build=lambda: Patches(12), **stated)
    with pytest.raises(InputError, match="Patches: build= gives a network of other weights"):
        encoder.randomised(0)


def test_weights_that_are_computed_from_others_do_not_pass_as_drawn_again():
    module = nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(100, WIDTH)))
    encoder = myocard.wrap(module, layers="0", input=INPUT)
    with pytest.raises(InputError, match=r"draws 0\.parametrizations\.weight\.original0"):
        encoder.randomised(0)


def test_drawing_again_leaves_the_callers_random_numbers_alone():
    encoder = wrapped("times")
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    encoder.randomised(5)
    assert torch.equal(torch.rand(3), expected)


def test_fewer_leads_are_refused_or_read_by_a_function_of_its_users(shown):
    chosen = ("V2", "I")
    with pytest.raises(
        InputError, match=r"Patches needs all of its leads \(I, II, .*; V2, I are too"
    ):
        wrapped("patches").with_leads(chosen)

    class Few(nn.Module):
        def __init__(self, whole: nn.Module, places: list[int]) -> None:
            super().__init__()
            self.whole, self.places = whole, places

        def forward(self, signals: Tensor) -> Tensor:
            full = signals.new_zeros(len(signals), len(LEADS), signals.shape[2])
            full[:, self.places] = signals
            return self.whole(full)

    stated = {"layers": "*.stem", "order": "batch width tokens", "input": INPUT}
    every = myocard.wrap(
        Few(Patches(), [*range(12)]),
        of_leads=lambda module, places: Few(module.whole, [*places]),
        build=lambda: Few(Patches(), [*range(12)]),
        **stated,
    )
    few = every.with_leads(chosen)
    assert few.input == replace(INPUT, leads=("I", "V2"))
    alone = torch.zeros_like(shown)
    alone[:, [0, 7]] = shown[:, [0, 7]]
    assert same(states_of(few, shown[:, [0, 7]]), states_of(every, alone))
    assert few.randomised(1).network.places == [0, 7]
    assert every.with_leads(LEADS) is every
    with pytest.raises(InputError, match="V9 are too few"):
        every.with_leads(("V9",))
    same_network = wrapped("patches", of_leads=lambda module, places: module)
    with pytest.raises(InputError, match=r"input, \(2, 2, 100\) .*; correct input= or of_leads="):
        same_network.with_leads(chosen)


@pytest.mark.parametrize(
    ("names", "leak_check"), [(None, "none"), (["sim"], "names"), ([], "records")]
)
def test_what_it_was_trained_on_is_unknown_named_or_nothing(names, leak_check):
    encoder = wrapped("patches", pretrained_on=names)
    assert encoder.info.leak_check == leak_check
    assert encoder.pretrained_on.datasets == (None if names is None else tuple(names))


def test_the_hash_tells_apart_all_that_its_states_depend_on():
    def hash_of(**changes) -> str:
        return wrapped("vectors", **changes).info.hash

    def times(by: int) -> Callable[[Tensor], Tensor]:
        return lambda tokens: by * tokens[:, 0]

    changes: list[dict] = [
        {"input": replace(INPUT, rate=50)},
        {"layers": "1"},
        {"layers": ["1", "3", "0"]},
        {"order": "batch width", "output": None, "prepare": lambda signals: 2 * signals},
        {"prepare": lambda signals: 3 * signals},
        {"prepare": lambda signals: [3 * each for each in [signals]][0]},
        {"pool": "last"},
        {"pool": lambda tokens: tokens[:, 0]},
        {"pool": lambda tokens: 2 * tokens[:, 0]},
        *({"pool": lambda tokens, by=by: by * tokens[:, 0]} for by in (4, 5)),
        *({"pool": times(by)} for by in (6, 7)),
        {"norm": "1"},
        {"seed": 1},
    ]
    hashes = [hash_of(), *(hash_of(**change) for change in changes)]
    assert len(set(hashes)) == len(hashes)
    assert hash_of(name="other", pretrained_on=["sim"]) == hash_of()
    assert hash_of(pool=lambda tokens: tokens[:, 0]) == hash_of(pool=lambda tokens: tokens[:, 0])


def test_an_unknown_network_gets_its_layer_curve_by_ten_lines(store, tmp_path):
    encoder = myocard.wrap(
        Patches(blocks=2), input=INPUT, pretrained_on=["elsewhere"], **KINDS["patches"][1]
    )
    features = myocard.extract(encoder, store, tmp_path / "features")
    recipe = myocard.ProbeRecipe(
        task="ptbxl-all",
        readouts=("layers", "last", "ppa"),
        heads=("linear",),
        penalties=(1e-3,),
        resamples=20,
        min_positives=2,
        split={"train": (1, 2, 3, 4, 5, 6), "validation": (7, 8), "test": (9, 10)},
    )
    myocard.probe(features, recipe, tmp_path / "runs", test=True)
    runs = [run.info for run in myocard.load_runs(tmp_path / "runs")]
    curve = {run.layer: run.test.main.macro.value for run in runs if run.layer is not None}
    assert sorted(curve) == [0, 1, 2]
    assert {run.encoder.name for run in runs} == {"Patches"}
    assert {run.encoder.leak_check for run in runs} == {"names"}


def test_a_model_of_transformers_gives_its_hidden_states(shown):
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    config = transformers.HubertConfig(
        hidden_size=WIDTH, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16,
        conv_dim=(8, 8), conv_stride=(5, 2), conv_kernel=(10, 3), num_conv_pos_embeddings=4,
        num_conv_pos_embedding_groups=2, num_feat_extract_layers=2,
    )  # fmt: skip
    model = transformers.HubertModel(config)
    encoder = myocard.wrap(
        model,
        layers="hidden_states",
        input=INPUT,
        prepare=lambda signals: {"input_values": signals.flatten(1)},
        build=lambda: transformers.HubertModel(config),
    )
    assert [layer.width for layer in encoder.layers] == [WIDTH] * 3
    with torch.no_grad():
        expected = model(shown.flatten(1), output_hidden_states=True).hidden_states
    assert same(list(encoder.hidden_states(shown)), list(expected))
    hooked = myocard.wrap(
        model, layers="encoder.layers.*", input=INPUT, prepare=lambda signals: signals.flatten(1)
    )
    assert same(list(hooked.hidden_states(shown)), list(expected[1:]))
    assert encoder.randomised(1).info.hash == encoder.randomised(1).info.hash != encoder.info.hash


def test_a_convolution_whose_lengths_are_taken_for_widths_is_refused():
    told = r"0: the axis that is stated as its width is \d+ for \d+ samples"
    with pytest.raises(InputError, match=told):
        myocard.wrap(maps(), layers="?", input=INPUT)
