"""Export every known encoder, and compare the ONNX graph with the model on real records.

    MYOCARD_DATA=… python docs/experiments/exported_encoders.py [NAME …]

Myocard's own encoders, and every published network in a size of its makers', have random weights as
they are drawn before a training; nobody trained readouts and heads. Records are PTB-XL's at 500 Hz,
prepared as each encoder states. A line has the largest difference of probabilities, layer weights
and states (these over their root mean square), whether the archive of torch.export agrees too, the
length of signals that the graph takes, its size, and the time to export it.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

import myocard
from myocard.data.corpora import trained_on_nothing
from myocard.encoders.openecg import Codec
from myocard.encoders.openecg import Shape as CodecShape
from myocard.encoders.ours import MyocardEncoder
from myocard.encoders.protocol import ECGEncoder, differ_in_width
from myocard.encoders.published import encoder_of
from myocard.encoders.registry import families
from myocard.models.classifier import build_classifier
from myocard.models.exported import ONNXModel
from myocard.models.graphs import write_onnx, write_torch
from myocard.models.model import Model
from myocard.nn.encoder import Encoder, EncoderShape
from myocard.recipe import PRESETS
from myocard.results.classifier import ClassifierShape, SplitInfo
from myocard.results.decision import Basis, Decision

RECORDS = 8
CLASSES = ("CD", "HYP", "MI", "NORM", "STTC")
DATA = Path(os.environ["MYOCARD_DATA"])
Content = Mapping[str, Any]


def tensors(file: str, prefix: str = "") -> dict[str, Tensor]:
    """Return zeros with the names and shapes of a published model's tensors."""
    lines = (DATA / "encoders" / file).read_text().splitlines()
    rows = [line.split("\t") for line in lines if line[0] != "#"]
    sizes = {name: [int(n) for n in size.split("x") if n != "scalar"] for name, size, _ in rows}
    return {f"{prefix}{name}": torch.zeros(size) for name, size in sizes.items()}


def weimann() -> Content:
    """Return a checkpoint of the small size, with the settings that no tensor tells."""
    fixture = torch.load(DATA / "encoders/ecg-jepa-weimann/chkpt_100.pt", weights_only=True)
    config = dict(fixture["config"]) | {"sampling_frequency": 500, "channel_size": 5000}
    names = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
    heads = {"num_heads": 6, "channels": names}
    keys = "ecg-jepa-weimann/keys_published_ViTS_mimic.tsv"
    return {"model": tensors(keys), "config": config | heads}


def codec() -> Content:
    """Return openecg's codec, whose sizes are its card's and, where it tells none, usual ones."""
    about = {"width": 128, "patch": 20, "kernel": 5, "convs": 4, "blocks": 4, "heads": 4}
    shape = CodecShape(**about, hidden=512)
    return {"model_state": Codec(shape, torch.randn(1, 500, 128)).state_dict()}


def clef() -> Content:
    weights = tensors("ecgfounder/keys_published_12_lead.tsv")
    weights = {name: value for name, value in weights.items() if not name.startswith("dense.")}
    first = "first_conv.conv.weight"
    return {"state_dict": weights | {first: weights[first][:, :1]}}


def with_class_token() -> Content:
    weights = tensors("ecg-fm/keys_published_pretrained.tsv", "ecg_encoder.")
    return {"model": weights | {"ecg_encoder.cls_token": torch.zeros(1, 1, 768)}}


ECG_FM = "ecg-fm/keys_published_pretrained.tsv"
CONTENTS: dict[str, Callable[[], Content]] = {
    "st-mem": lambda: {"model": tensors("st-mem/keys_published_encoder.tsv")},
    "ecgfounder": lambda: {"state_dict": tensors("ecgfounder/keys_published_12_lead.tsv")},
    "clef": clef,
    "ecg-fm": lambda: {"model": tensors(ECG_FM)},
    "melp": lambda: {"model": tensors(ECG_FM, "ecg_encoder.")},
    "deepecg-ssl": lambda: {"model": tensors(ECG_FM), "cfg": {"task": {"sample_rate": 250}}},
    "d-beta": with_class_token,
    "hubert-ecg": lambda: {"model": tensors("hubert-ecg/keys_published_small.tsv")},
    "ecg-jepa-kim": lambda: {"encoder": tensors("ecg-jepa-kim/keys_published.tsv")},
    "merl-resnet": lambda: tensors("merl/keys_published_resnet18.tsv"),
    "merl-vit": lambda: tensors("merl/keys_published_vit_tiny.tsv"),
    "ecg-jepa-weimann": weimann,
    "ecg-cpc": lambda: {"state_dict": tensors("ecg-cpc/keys_published.tsv")},
    "openecg": codec,
}


def published(content: Content) -> ECGEncoder:
    (family,) = [family for family in families() if family.recognises(content)]
    opened = family.open(content, Path("published"))
    return encoder_of(opened, opened.card.name).randomised(0)


def encoders() -> Iterator[tuple[str, Callable[[], ECGEncoder]]]:
    """Yield names of encoders, and what makes them."""
    yield "ecg-nano (trained)", lambda: myocard.from_pretrained().encoder
    expected, patch = PRESETS["stmem"]
    for size in ("tiny", "small", "base"):
        shape = EncoderShape.of_size(size, samples=expected.samples, patch=patch)

        def make(shape: EncoderShape = shape, size: str = size) -> ECGEncoder:
            torch.manual_seed(0)
            return MyocardEncoder(size, Encoder(shape).eval(), expected, trained_on_nothing())

        yield f"myocard {size}", make
    for name, content in CONTENTS.items():
        yield name, lambda content=content: published(content())


def model_on(encoder: ECGEncoder) -> Model:
    """Return a model whose readout, head and decisions nobody chose."""
    torch.manual_seed(0)
    readout = "concat" if differ_in_width(encoder.layers) else "pma"
    shape = ClassifierShape(task="superdiagnostic", classes=CLASSES, readout=readout, head="mlp")
    splits = dict.fromkeys(("train", "validation"), SplitInfo(folds=(), records=0, patients=0))
    basis = Basis(source="none", tested_on="none", splits=splits, metric="auroc")
    halves = (0.5,) * len(CLASSES)
    decision = Decision(
        outcome="any", classes=CLASSES, temperature=1.3, thresholds=halves, basis=basis
    )
    classifier = build_classifier(shape, encoder.norm, encoder.layers).eval()
    return Model(encoder, classifier, shape, decision)


def row(name: str, encoder: ECGEncoder, records: list[myocard.Record], place: Path) -> list[str]:
    """Export an encoder with a readout and a head, and compare."""
    model, file, archive = model_on(encoder), place / "model.onnx", place / "model.pt2"
    began = time.process_time()
    try:
        write_onnx(model, file)
    except myocard.InputError as error:
        return [name, f"no: {error}"]
    seconds, exported = time.process_time() - began, ONNXModel(file)
    states, found = (np.hstack([*each.hidden_states(records)]) for each in (model, exported))
    rms = float(np.sqrt(np.square(states, dtype=float).mean()))
    differences = [
        np.abs(model.predict_proba(records) - exported.predict_proba(records)).max(),
        np.abs(model.layer_weights(records) - exported.layer_weights(records)).max(),
        np.abs(states - found).max() / rms,
    ]
    write_torch(model, archive)
    windows = torch.from_numpy(np.stack([model_window(model, each) for each in records]))
    with torch.inference_mode():
        scores = torch.export.load(archive).module()(windows)["raw_scores"].numpy()
    agrees = np.abs(scores - model.predict_proba(records)).max()
    (signals,) = exported.session.get_inputs()
    length = "patches" if isinstance(signals.shape[2], str) else f"{signals.shape[2]}"
    depth, widths = len(encoder.layers) - 1, sorted({layer.width for layer in encoder.layers})
    width = "–".join(map(str, dict.fromkeys((widths[0], widths[-1]))))
    return [
        name, f"{depth} × {width}", *(f"{each:.0e}" for each in differences), f"{agrees:.0e}",
        length, f"{file.stat().st_size / 1e6:.1f} MB", f"{seconds:.0f} s",
    ]  # fmt: skip


def model_window(model: Model, record: myocard.Record) -> np.ndarray:
    from myocard.models.records import window

    return window(record, model.encoder.input)


def main() -> None:
    files = sorted((DATA / "ptbxl/records500").rglob("*.hea"))[:RECORDS]
    records = [myocard.read(file) for file in files]
    columns = ("encoder", "layers", "probabilities", "layer weights", "states", ".pt2", "samples")
    print(f"| {' | '.join((*columns, 'file', 'CPU'))} |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name, make in encoders():
        if sys.argv[1:] and name not in sys.argv[1:]:
            continue
        with tempfile.TemporaryDirectory() as place:
            cells = row(name, make(), records, Path(place))
        print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
