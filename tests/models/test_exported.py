"""A model that was exported is the model: same numbers, same table, and nothing of torch."""

import json
import os
import shutil
import subprocess
import sys
from itertools import chain
from pathlib import Path

import numpy as np
import onnx
import pandas as pd
import pytest
import torch

import myocard
from myocard import InputError, Model, ONNXModel
from myocard.data.corpora import trained_on_nothing
from myocard.data.signal import Preprocessing
from myocard.encoders.ours import MyocardEncoder
from myocard.encoders.registry import open_published
from myocard.evaluation.prediction import predict
from myocard.models.classifier import build_classifier, scores_of
from myocard.models.export import export
from myocard.models.exported import session_of
from myocard.models.graphs import OPSET, ModelGraph, program_of, translated, write_onnx, write_torch
from myocard.models.quantising import quantised
from myocard.models.statement import stated_hash
from myocard.nn.encoder import Encoder, EncoderShape
from myocard.nn.readouts.registry import POOLED
from myocard.results.classifier import ClassifierShape, Scale, SplitInfo
from myocard.results.decision import Basis, Decision
from myocard.simulation import write

CLASSES = ("CD", "MI", "NORM")
SPLITS = dict.fromkeys(("train", "validation"), SplitInfo(folds=(1,), records=9, patients=9))
BASIS = Basis(source="sim", tested_on="sim", splits=SPLITS, metric="auroc")
SETS = {"coverage": 0.8, "yes_from": (0.45, 0.47, 0.4), "no_to": (0.55, 0.5, 0.6)}
DECISION = Decision(
    outcome="any",
    classes=CLASSES,
    temperature=1.5,
    thresholds=(0.5, 0.48, float("inf")),
    basis=BASIS,
    **SETS,
)


def tiny(depth: int = 2) -> MyocardEncoder:
    torch.manual_seed(1)
    network = Encoder(EncoderShape(samples=100, patch=10, width=12, depth=depth, heads=3)).eval()
    return MyocardEncoder("tiny", network, Preprocessing(100, 100), trained_on_nothing())


def model_of(encoder, decision: Decision = DECISION, **parts) -> Model:
    """A model that nobody trained, whose head knows means and deviations of features."""
    torch.manual_seed(2)
    about = {"task": "made", "classes": decision.classes, "outcome": decision.outcome}
    shape = ClassifierShape(**about | {"readout": "pma", "head": "linear"} | parts)
    classifier = build_classifier(shape, encoder.norm, encoder.layers).eval()
    return Model(encoder, classifier, shape, decision)


def differences(model: Model, exported: ONNXModel, windows: np.ndarray) -> list[float]:
    """The largest difference of each output."""
    with torch.inference_mode():
        wanted = ModelGraph(model)(torch.from_numpy(windows))
    found = exported.session.run([*wanted], {"signals": windows})
    pairs = zip(wanted.values(), found, strict=True)
    return [float(np.abs(mine.numpy() - own).max()) for mine, own in pairs]


def noise(records: int, *, leads: int = 12, samples: int = 100) -> np.ndarray:
    rng = np.random.default_rng(3)
    return rng.normal(size=(records, leads, samples)).astype(np.float32)


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A folder with a saved ``model``, ``model.onnx`` of it, and files of ``records``."""
    place = tmp_path_factory.mktemp("exported")
    model_of(tiny()).save_pretrained(place / "model")
    export(place / "model", place / "model.onnx")
    write(place / "simulated", "ptbxl", count=20)
    shutil.move(place / "simulated" / "records500", place / "records")
    (place / "records" / "empty.npy").touch()
    return place


@pytest.fixture(scope="module")
def model(place) -> Model:
    return myocard.from_pretrained(place / "model")


@pytest.fixture(scope="module")
def exported(place) -> ONNXModel:
    return ONNXModel(place / "model.onnx")


@pytest.fixture(scope="module")
def records(place) -> list[myocard.Record]:
    return [myocard.read(file) for file in sorted((place / "records").rglob("*.hea"))]


def test_every_output_is_the_models_for_any_number_of_windows_and_patches(model, exported):
    for records, samples in ((1, 100), (5, 100), (3, 40), (2, 10)):
        assert max(differences(model, exported, noise(records, samples=samples))) < 1e-5


def test_scores_are_at_the_temperature_and_raw_scores_are_not(model, exported):
    windows = noise(4)
    scores, raw = exported.session.run(["scores", "raw_scores"], {"signals": windows})
    assert np.allclose(raw, model.read(windows).scores, atol=1e-6)
    assert np.allclose(scores, model.decision.calibrated(raw), atol=1e-6)
    assert not np.allclose(scores, raw, atol=1e-2)


def test_the_file_is_one_valid_graph_that_tells_nothing_of_this_machine(place):
    file = place / "model.onnx"
    proto = onnx.load(file)
    onnx.checker.check_model(proto, full_check=True)
    assert [(each.domain, each.version) for each in proto.opset_import] == [("", OPSET)]
    (signals,) = proto.graph.input
    axes = [each.dim_param or each.dim_value for each in signals.type.tensor_type.shape.dim]
    assert (signals.name, axes) == ("signals", ["records", 12, "samples"])
    assert b"site-packages" not in file.read_bytes()
    assert b".py" not in file.read_bytes()
    assert sorted(path.name for path in place.glob("*.onnx*")) == [
        "model.onnx",
        "model.onnx.inputs.json",
    ]


def test_its_statement_is_the_models_and_is_json_that_anybody_reads(model, exported, place):
    stated = exported.statement
    assert stated.model_copy(update={"graph": None}) == model.statement
    assert stated.graph.opset == OPSET
    assert stated.graph.difference < 1e-5
    (held,) = onnx.load(place / "model.onnx").metadata_props
    told = json.loads(held.value, parse_constant=pytest.fail)
    assert told["input"]["rate"] == 100
    assert told["shape"]["classes"] == [*CLASSES]
    assert told["decision"]["thresholds"] == [0.5, 0.48, "Infinity"]


def test_it_is_asked_as_the_model_is(model, exported, records):
    assert exported.classes_ == model.classes_
    array = np.stack([record.signal for record in records])
    form = {"rate": 500, "leads": records[0].leads, "unit": "mV"}
    for name in ("hidden_states", "layer_weights", "predict_proba", "predict"):
        ask, wanted = getattr(exported, name), getattr(model, name)(records)
        assert ask(records).shape == wanted.shape
        assert np.allclose(ask(records), wanted, atol=1e-5)
        assert np.allclose(ask(array, **form), wanted, atol=1e-5)
        assert np.allclose(ask(records[3]), wanted[3], atol=1e-5)
    for broken, told in (
        (records[0].select(["I"]), "no lead II, III"),
        ([], "no record is given"),
        ("a.hea", "a path, not a record"),
    ):
        with pytest.raises(InputError, match=told):
            exported.predict_proba(broken)


def test_real_records_get_the_models_scores(model, exported, real_data):
    files = sorted((real_data / "ptbxl" / "records500").rglob("*.hea"))[:40]
    given = [myocard.read(file) for file in files]
    for name in ("predict_proba", "layer_weights", "hidden_states"):
        found, wanted = getattr(exported, name)(given), getattr(model, name)(given)
        assert np.abs(found - wanted).max() < 1e-5


@pytest.mark.parametrize("step", [None, 4.0])
def test_its_table_is_the_models(place, tmp_path, step):
    tables = []
    for name in ("model", "model.onnx"):
        out = tmp_path / f"{name}.csv"
        assert predict(place / name, [place / "records"], out, step=step, jobs=1) == 1
        tables.append(pd.read_csv(out))
    (mine, exports) = tables
    numbers = [*mine.select_dtypes("float")]
    assert {"score:CD", "layer:1"} <= {*numbers}
    assert np.allclose(mine[numbers], exports[numbers], atol=1e-6, equal_nan=True)
    pd.testing.assert_frame_equal(mine.drop(columns=numbers), exports.drop(columns=numbers))
    with pytest.raises(InputError, match="made from other inputs: model"):
        predict(place / "model.onnx", [place / "records"], tmp_path / "model.csv", step=step)


FORBIDDEN = ("torch", "pandas", "scipy.signal", "scipy.stats", "sympy", "matplotlib", "sklearn")
COUNTED = f"""
import atexit, sys
def told():
    loaded = [name for name in {FORBIDDEN} if name in sys.modules]
    print(loaded, len(sys.modules), sum(name.startswith("myocard") for name in sys.modules))
atexit.register(told)
"""
FROM_SHELL = f"""{COUNTED}
sys.argv = ["myocard", "predict", "model.onnx", "records/00000/00001_hr.hea", "--out", "one.csv"]
from myocard.cli import main
main()
"""
FROM_PYTHON = f"""{COUNTED}
import myocard
model = myocard.ONNXModel("model.onnx")
model.predict_proba(myocard.read("records/00000/00001_hr.hea"))
"""


@pytest.mark.parametrize(("code", "most"), [(FROM_SHELL, 1400), (FROM_PYTHON, 900)])
def test_a_prediction_waits_for_no_more_than_it_needs_and_tells_nobody(place, tmp_path, code, most):
    own = {name: value for name, value in os.environ.items() if name != "CI"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=place,
        env=own | {"TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    # By default onnxruntime notes a session there, of which it tells its maker.
    assert not [*tmp_path.iterdir()]
    loaded, counted = done.stdout.splitlines()[-1].split("] ")
    assert loaded == "["
    assert int(counted.split()[0]) < most


def test_the_archive_of_torch_gives_the_models_outputs_and_has_its_statement(model, tmp_path):
    write_torch(model, tmp_path / "model.pt2")
    extra = {"myocard.json": ""}
    program = torch.export.load(tmp_path / "model.pt2", extra_files=extra)
    for records, samples in ((3, 100), (2, 50)):
        windows = torch.from_numpy(noise(records, samples=samples))
        with torch.inference_mode():
            found, wanted = program.module()(windows), ModelGraph(model)(windows)
        assert found.keys() == wanted.keys()
        assert all(torch.allclose(found[name], wanted[name], atol=1e-6) for name in wanted)
    assert extra["myocard.json"] == model.statement.model_dump_json(by_alias=True)


OUTCOMES = {
    "any": {},
    "one": {},
    "number": {"scale": (Scale(mean=60, deviation=15),) * 3},
    "time": {},
}


class AllParts(torch.nn.Module):
    """Every readout, and the scores of every outcome, in one graph: it takes as long as one."""

    def __init__(self, encoder: MyocardEncoder) -> None:
        super().__init__()
        models = [model_of(encoder, readout=readout, head="mlp") for readout in POOLED]
        self.classifiers = torch.nn.ModuleList(model.classifier for model in models)
        self.shapes = [
            ClassifierShape(task="made", readout="last", head="mlp", classes=CLASSES, **about)
            for about in ({"outcome": kind} | more for kind, more in OUTCOMES.items())
        ]

    def forward(self, states):
        logits = self.classifiers[0](states)
        parts = [(each(states), each.readout.layer_weights(states)) for each in self.classifiers]
        return [*chain(*parts), *(scores_of(shape, logits) for shape in self.shapes)]


def test_every_pooled_readout_and_outcome_is_exported():
    graph, states = AllParts(tiny(depth=1)).eval(), torch.randn(3, 2, 12)
    records, more = {0: torch.export.Dim("records")}, torch.cat([states, states])
    program = torch.export.export(graph, (states,), dynamic_shapes=(records,), strict=False)
    names = [f"{kind} {readout}" for readout in POOLED for kind in ("logits", "weights")]
    proto = translated(program, ["states"], [*names, *OUTCOMES])
    found = session_of(proto.SerializeToString()).run([*names, *OUTCOMES], {"states": more.numpy()})
    with torch.inference_mode():
        for mine, wanted in zip(found, graph(more), strict=True):
            assert np.allclose(mine, wanted.numpy(), atol=1e-5)


class Convolutions(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(4)
        self.first, self.second = torch.nn.Conv1d(3, 4, 5, 2), torch.nn.Conv1d(4, 6, 3)

    def forward(self, signals):
        return self.second(self.first(signals).relu())


def test_any_module_is_exported_and_its_layers_of_unequal_widths_come_one_by_one(tmp_path, records):
    expected = Preprocessing(100, 200, ("I", "II", "V2"))
    how = {"layers": ["first", "second"], "input": expected, "order": "batch width tokens"}
    model = model_of(myocard.wrap(Convolutions().eval(), **how), readout="concat")
    write_onnx(model, tmp_path / "model.onnx")
    exported = ONNXModel(tmp_path / "model.onnx")
    found, wanted = exported.hidden_states(records), model.hidden_states(records)
    assert [each.shape for each in found] == [(20, 4), (20, 6)]
    assert all(np.allclose(*pair, atol=1e-5) for pair in zip(found, wanted, strict=True))
    assert np.allclose(exported.predict(records), model.predict(records), atol=1e-5)


PUBLISHED = ("ecg-fm/pretrained.pt", "ecg-jepa-weimann/chkpt.min.pt", "ecg-cpc/last.ckpt")


@pytest.mark.parametrize("file", PUBLISHED)
def test_published_encoders_are_traced_for_any_number_of_records(real_data, file):
    encoder = open_published(real_data / "encoders" / file)
    model = model_of(encoder)
    program = program_of(model).module()
    windows = torch.from_numpy(
        noise(5, leads=len(encoder.input.leads), samples=encoder.input.samples)
    )
    with torch.inference_mode():
        found, wanted = program(windows), ModelGraph(model)(windows)
    for name, value in wanted.items():
        assert torch.allclose(found[name], value, atol=1e-4), name


def test_what_onnx_lacks_is_told_by_its_name(real_data, tmp_path):
    encoder = open_published(real_data / "encoders/ecg-cpc/last.ckpt")
    told = r"not to be had in ONNX \(No ONNX function found for .* complex.*--format torch"
    with pytest.raises(InputError, match=told):
        write_onnx(model_of(encoder), tmp_path / "model.onnx")
    assert not [*tmp_path.iterdir()]


def without_statement(content: bytes) -> bytes:
    proto = onnx.load_from_string(content)
    del proto.metadata_props[:]
    return proto.SerializeToString()


def with_another_weight(content: bytes) -> bytes:
    proto = onnx.load_from_string(content)
    weight = max(proto.graph.initializer, key=lambda each: len(each.raw_data))
    weight.raw_data = bytes(len(weight.raw_data))
    return proto.SerializeToString()


def signed(content: bytes, **changes) -> bytes:
    """Make a statement say something else, and that nobody changed it."""
    proto = onnx.load_from_string(content)
    told = json.loads(proto.metadata_props[0].value) | changes
    told["graph"]["statement"] = stated_hash(json.dumps(told))
    entry = onnx.StringStringEntryProto(key="myocard", value=json.dumps(told))
    body = content[: told["graph"]["size"]]
    return body + onnx.ModelProto(metadata_props=[entry]).SerializeToString()


OTHER = "not the statement that was written; export the model again"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda content: b"", "no graph that can be run"),
        (lambda content: b"not a graph", "no graph that can be run"),
        (lambda content: content[:2000], "no graph that can be run"),
        (
            lambda content: content.replace(b'"format":1', b'"format":9'),
            "format: Input should be 1",
        ),
        (
            lambda content: content.replace(b'"rate":100', b'"rate":"x"'),
            r"input\.rate: Input should",
        ),
        (without_statement, "a graph that does not say what it predicts; give a file that"),
        (lambda content: content.replace(b'"rate":100', b'"rate":250'), OTHER),
        (lambda content: content.replace(b'"V1","V2"', b'"V2","V1"'), OTHER),
        (lambda content: content.replace(b'"temperature":1.5', b'"temperature":2.5'), OTHER),
        (lambda content: signed(content, layers=["one"], widths=[36]), OTHER),
        (
            lambda content: signed(content, input={"rate": 100, "samples": 100, "leads": ["I"]}),
            OTHER,
        ),
        (with_another_weight, "not the graph that was written; export the model again"),
    ],
)
def test_a_file_that_is_no_exported_model_is_refused_by_name(place, tmp_path, change, told):
    file = tmp_path / "wrong.onnx"
    file.write_bytes(change((place / "model.onnx").read_bytes()))
    with pytest.raises(InputError, match=rf"wrong\.onnx: {told}"):
        ONNXModel(file)


def test_what_cannot_be_opened_or_exported_is_refused(place, tmp_path):
    with pytest.raises(InputError, match=r"gone\.onnx: cannot be read \(No such file"):
        ONNXModel(tmp_path / "gone.onnx")
    for words, told in (
        ({"out": "model.bin"}, r"model\.bin: end its name in \.onnx"),
        ({"out": "model.onnx", "kind": "torch"}, r"model\.onnx: end its name in \.pt2"),
        ({"out": "a.pt2", "kind": "torch", "int8": "dynamic"}, "is for --format onnx"),
        ({"out": "a.onnx", "int8": "static"}, "ranges from --calibration; give both"),
        ({"out": "a.onnx", "calibration": [place]}, "ranges from --calibration; give both"),
    ):
        with pytest.raises(InputError, match=told):
            export(place / "model", tmp_path / words.pop("out"), **words)
    with pytest.raises(InputError, match="holds readout and head already"):
        predict(place / "model.onnx", [place / "records"], tmp_path / "a.csv", probe="run")
    assert not [*tmp_path.iterdir()]


def test_numbers_are_not_taken_for_probabilities(place, tmp_path, records):
    content = (place / "model.onnx").read_bytes()
    (held,) = onnx.load_from_string(content).metadata_props
    shape = json.loads(held.value)["shape"] | {"outcome": "time"}
    (tmp_path / "times.onnx").write_bytes(signed(content, shape=shape))
    exported = ONNXModel(tmp_path / "times.onnx")
    assert exported.predict(records[0]).shape == (3,)
    with pytest.raises(InputError, match="made: outputs are no probabilities; call predict"):
        exported.predict_proba(records[0])


@pytest.mark.parametrize(
    ("int8", "operator"), [("dynamic", "MatMulInteger"), ("static", "QuantizeLinear")]
)
def test_integers_stand_for_weights_and_scores_stay_near(place, model, int8, operator):
    plain, windows = onnx.load(place / "model.onnx"), noise(20)
    made = quantised(plain, int8, [windows[:8], windows[8:]])
    operators = [{node.op_type for node in each.graph.node} for each in (plain, made)]
    assert [operator in each for each in operators] == [False, True]
    scores, _ = session_of(made.SerializeToString()).run(
        ["raw_scores", "states"], {"signals": windows}
    )
    assert 1e-6 < np.abs(scores - model.read(windows).scores).max() < 0.02


def test_calibration_needs_a_record(place, tmp_path):
    (tmp_path / "empty.npy").touch()
    with pytest.raises(InputError, match=r"empty\.npy: no record there that can be read"):
        export(place / "model", tmp_path / "new.onnx", int8="static", calibration=[tmp_path])
