"""A model on disk: one folder that holds all it takes to use it and to know where it came from.

``model.safetensors`` (weights), ``config.json`` (shapes, names, recipe), ``preprocessing.json``
(the input it states), ``corpus.parquet`` (ids of the records it was trained on, and two hashes of
each waveform) and ``README.md`` (the model card).
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from myocard.data.signal import Preprocessing
from myocard.errors import InputError
from myocard.files.atomic import replace_folder
from myocard.files.manifest import CHECKPOINT, parsed
from myocard.files.tables import read_parquet
from myocard.nn.encoder import Encoder, EncoderShape

HASHED = ("model.safetensors", "preprocessing.json", "corpus.parquet")
_MOST_SAMPLES = 1_000_000
CORPUS_COLUMNS = ("source", "id", "patient", "sha256", "fingerprint")


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """An encoder, what it expects, and what it has seen.

    Attributes:
        name: What to call it in tables.
        encoder: In evaluation mode.
        preprocessing: The input it states.
        corpus: The records it was trained on: source, id, patient, and of the waveform
            sha256 and fingerprint.
        about: Recipe, steps, mixture, seed: whatever made it.
        rest: Weights of other modules by prefix (``decoder.``, ``readout.``, ``head.``).
    """

    name: str
    encoder: Encoder
    preprocessing: Preprocessing
    corpus: pd.DataFrame
    about: dict[str, Any] = field(default_factory=dict)
    rest: dict[str, Tensor] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """A hash of the encoder's weights and stated input."""
        digest = hashlib.sha256(json.dumps(asdict(self.preprocessing), sort_keys=True).encode())
        digest.update(json.dumps(asdict(self.encoder.shape), sort_keys=True).encode())
        for name, value in sorted(self.encoder.state_dict().items()):
            digest.update(name.encode() + value.cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()

    def save(self, folder: Path) -> None:
        """Write the folder; it appears whole, or the checkpoint that was there stays.

        Raises:
            InputError: When the folder is there and holds no checkpoint.
        """
        if folder.exists() and not (folder / "config.json").exists():
            raise InputError(f"{folder}: exists and is no checkpoint; choose another folder")
        replace_folder(folder, self.write)

    def write(self, folder: Path) -> None:
        """Write the files of a checkpoint into a folder that is there."""
        weights = {f"encoder.{k}": v for k, v in self.encoder.state_dict().items()} | self.rest
        weights = {k: v.detach().cpu().contiguous() for k, v in weights.items()}
        save_file(weights, folder / "model.safetensors")
        _write_json(folder / "preprocessing.json", asdict(self.preprocessing))
        self.corpus.loc[:, list(CORPUS_COLUMNS)].to_parquet(folder / "corpus.parquet", index=False)
        config = {
            "name": self.name,
            "encoder": asdict(self.encoder.shape),
            "key": self.key,
            "myocard": version("myocard"),
            "about": self.about,
        }
        CHECKPOINT.write(folder, config, HASHED)
        (folder / "README.md").write_text(model_card(self))

    @classmethod
    def load(cls, folder: Path) -> "Checkpoint":
        """Read a checkpoint's folder.

        Raises:
            InputError: When a file is missing, altered, or does not fit the others.
        """
        config = CHECKPOINT.read(folder, HASHED)
        preprocessing = read_preprocessing(folder)
        corpus = read_parquet(folder / "corpus.parquet", CORPUS_COLUMNS, CHECKPOINT.fix)
        try:
            shape = parsed(EncoderShape, config["encoder"])
            name, about = str(config["name"]), dict(config["about"])
        except (KeyError, TypeError, ValueError) as error:
            what = f"{type(error).__name__}: {error}"
            raise InputError(f"{folder}: not a readable checkpoint ({what})") from error
        path = folder / "model.safetensors"
        weights = read_weights(path, CHECKPOINT.fix)
        _require_blocks(shape, weights, path)
        with _Undrawn():
            encoder = Encoder(shape)
        load_weights(encoder, weights, "encoder.", path)
        rest = {k: v for k, v in weights.items() if not k.startswith("encoder.")}
        return cls(name, encoder.eval(), preprocessing, corpus, about, rest)

    def reading(self, leads: Sequence[str]) -> "Checkpoint":
        """The same encoder, shown only those of its leads that are among ``leads``.

        Raises:
            InputError: When none is.
        """
        kept = tuple(lead for lead in self.preprocessing.leads if lead in leads)
        if not kept:
            raise InputError(
                f"{self.name} reads {', '.join(self.preprocessing.leads)}: none of these is among "
                f"{', '.join(leads)}; choose another lead set"
            )
        return replace(self, preprocessing=replace(self.preprocessing, leads=kept))

    def randomised(self, seed: int) -> "Checkpoint":
        """The same encoder before any training: the baseline of every claim about pretraining."""
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            encoder = Encoder(self.encoder.shape).eval()
        about = {"random": True, "seed": seed, "input": self.about.get("input")}
        name = f"random-{self.name}-{seed}"
        return Checkpoint(name, encoder, self.preprocessing, self.corpus.iloc[:0], about)


# torch's initialisers are seen here as a whole, and what they call no more.
_DRAWS: tuple[Callable[..., Tensor], ...] = (
    Tensor.normal_,
    Tensor.uniform_,
    nn.init.uniform_,
    nn.init.kaiming_uniform_,
    nn.init.xavier_uniform_,
)


class _Undrawn(TorchFunctionMode):
    """Where no random weights are drawn: it takes a second for `base`, and they are replaced.

    Building on torch's device ``meta`` draws none either, but its first use imports for seconds.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        named = kwargs or {}
        if func in _DRAWS:
            return args[0] if args else named["tensor"]
        return func(*args, **named)


def read_weights(path: Path, fix: str) -> dict[str, Tensor]:
    """The tensors of a safetensors file.

    Raises:
        InputError: When it is none.
    """
    try:
        return load_file(path)
    # KeyError: a type of numbers that torch has not.
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise InputError(f"{path}: no readable safetensors ({error}); {fix}") from error


def _require_blocks(shape: EncoderShape, weights: dict[str, Tensor], path: Path) -> None:
    """Refuse a stated size that the weights have not, before an encoder of that size is made."""
    width = weights.get("encoder.separator", torch.empty(0)).numel()
    blocks = {name.split(".")[2] for name in weights if name.startswith("encoder.blocks.")}
    if (shape.width, shape.depth) != (width, len(blocks)) or shape.samples > _MOST_SAMPLES:
        raise InputError(
            f"{path}: the weights do not fit the model that is stated beside them "
            f"({len(blocks)} blocks of width {width}, not {shape})"
        )


def load_weights(module: nn.Module, weights: dict[str, Tensor], prefix: str, file: Path) -> None:
    """Load the weights below ``prefix`` into ``module``: every one, and no other.

    Args:
        file: Where they are from, for the message.

    Raises:
        InputError: When a weight is missing, left over, or of another shape.
    """
    mine = {k.removeprefix(prefix): v for k, v in weights.items() if k.startswith(prefix)}
    try:
        module.load_state_dict(mine, strict=True)
    except RuntimeError as error:
        first = str(error).splitlines()[1].strip()
        raise InputError(
            f"{file}: the weights do not fit the model that is stated beside them ({first})"
        ) from error


def read_preprocessing(folder: Path) -> Preprocessing:
    """The input that the checkpoint in ``folder`` states."""
    path = folder / "preprocessing.json"
    try:
        return parsed(Preprocessing, json.loads(path.read_bytes()))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(
            f"{path}: not a readable statement of an encoder's input ({error!r}); "
            "give the folder of a checkpoint"
        ) from error


def model_card(checkpoint: Checkpoint) -> str:
    """A page that tells a stranger what the checkpoint is."""
    stated, shape = checkpoint.preprocessing, checkpoint.encoder.shape
    seen = checkpoint.corpus.groupby("source").size()
    sources = "\n".join(f"- {source}: {count:,} records" for source, count in seen.items())
    band = f"{stated.band.highpass or 0:g}–{stated.band.lowpass or stated.rate / 2:g} Hz"
    rank = checkpoint.about.get("effective_rank")
    spread = rank and (
        f"Effective rank of the last layer's states of {rank['records']} of them: "
        f"{rank['value']:g} of {rank['width']}; below {rank['bound']:g} is a collapse.\n\n"
    )
    return (
        f"# {checkpoint.name}\n\n"
        f"A 12-lead ECG Transformer encoder made with myocard {version('myocard')}: "
        f"{shape.depth} blocks, width {shape.width}, {shape.heads} heads, "
        f"patches of {shape.patch} samples.\n\n"
        "## Input\n\n"
        f"{stated.samples} samples at {stated.rate} Hz, {band}, leads {', '.join(stated.leads)}, "
        f"z-scored per {stated.standardise}.\n\n"
        "## Trained on\n\n"
        f"{sources or 'Nothing: the weights are random.'}\n\n"
        "Ids and waveform hashes are in `corpus.parquet`. Do not test on these records.\n\n"
        f"{spread or ''}"
        "## Use\n\n"
        "For research. Not a medical device, not evaluated for clinical decisions.\n\n"
        f"## Made by\n\n```json\n{json.dumps(checkpoint.about, indent=2, default=str)}\n```\n"
    )


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, default=str) + "\n")
