"""An encoder on disk: one folder that holds all it takes to use it and to know where it came from.

``model.safetensors`` (weights), ``config.json`` (shape, name, origin), ``preprocessing.json`` (the
input it states), ``corpus.parquet`` (ids of the records it was trained on, and two hashes of each
waveform) and ``README.md`` (the model card). A model with decisions has them in ``decision.json``,
and the card of its encoder in ``encoder.md``.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from myocard.data.corpora import CORPUS_COLUMNS, PretrainedOn
from myocard.encoders.files import read_weights
from myocard.encoders.ours import MyocardEncoder, Origin
from myocard.encoders.protocol import ECGEncoder
from myocard.encoders.registry import added_encoder, open_published, tell_licence
from myocard.errors import InputError
from myocard.files.atomic import replace_folder
from myocard.files.manifest import CHECKPOINT, parsed
from myocard.files.tables import read_parquet
from myocard.models.card import encoder_card, model_card
from myocard.models.places import found, is_published, of_encoder
from myocard.nn.encoder import Encoder, EncoderShape
from myocard.recipe import read_input
from myocard.results.classifier import ClassifierShape
from myocard.results.decision import DECISION, Decision

HASHED = ("model.safetensors", "preprocessing.json", "corpus.parquet")
CARD, ENCODER_CARD = "README.md", "encoder.md"
_MOST_SAMPLES = 1_000_000


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """The content of a checkpoint's folder.

    Attributes:
        encoder: The encoder.
        rest: Weights of other modules by prefix (``decoder.``, ``readout.``, ``head.``).
        classifier: The parts of its classifier, if it has one.
        decision: Thresholds and the like of the classifier.
        about: The encoder's card; None to write one.
    """

    encoder: MyocardEncoder
    rest: Mapping[str, Tensor]
    classifier: ClassifierShape | None = None
    decision: Decision | None = None
    about: str | None = None

    def save(self, folder: Path) -> None:
        """Write the folder; it appears whole, or the checkpoint that was there stays.

        Raises:
            InputError: When the folder is there and holds no checkpoint.
        """
        if folder.exists() and not (folder / CHECKPOINT.file).exists():
            raise InputError(f"{folder}: exists and is no checkpoint; choose another folder")
        replace_folder(folder, self.write)

    def write(self, folder: Path, *also_hashed: str) -> None:
        """Write the files of a checkpoint into a folder that is there.

        Args:
            folder: The folder.
            also_hashed: Names of further files in it that the manifest is to hold hashes of.

        Raises:
            InputError: When the encoder's corpus is not known record by record.
        """
        encoder = self.encoder
        weights = {f"encoder.{k}": v for k, v in encoder.network.state_dict().items()}
        weights |= self.rest
        weights = {k: v.detach().cpu().contiguous() for k, v in weights.items()}
        save_file(weights, folder / "model.safetensors")
        stated = json.dumps(asdict(encoder.input), indent=2)
        (folder / "preprocessing.json").write_text(stated + "\n")
        corpus = encoder.pretrained_on.records
        if corpus is None:
            raise InputError(
                f"{folder}: the corpus of {encoder.name} is not known record by record; give its "
                "records, or trained_on_nothing()"
            )
        corpus.loc[:, list(CORPUS_COLUMNS)].to_parquet(folder / "corpus.parquet", index=False)
        config = {
            "name": encoder.name,
            "encoder": asdict(encoder.network.shape),
            "origin": encoder.origin.model_dump(mode="json"),
            "classifier": self.classifier and self.classifier.model_dump(mode="json"),
            "myocard": version("myocard"),
        }
        if self.decision is not None:
            self.decision.write(folder)
            also_hashed = (*also_hashed, DECISION)
        CHECKPOINT.write(folder, config, (*HASHED, *also_hashed))
        self._write_cards(folder)

    def _write_cards(self, folder: Path) -> None:
        cards, name = {CARD: self.about or encoder_card(self.encoder)}, self.encoder.name
        if self.classifier is not None and self.decision is not None:
            told = f"{name}: see [its card]({ENCODER_CARD})."
            card = model_card(name, self.classifier, self.decision, told)
            cards = {CARD: card, ENCODER_CARD: cards[CARD]}
        for file, text in cards.items():
            (folder / file).write_text(text, encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> "Checkpoint":
        """Read a checkpoint's folder, or one that comes with myocard, by its name.

        Raises:
            InputError: When a file is missing, altered, or does not fit the others.
        """
        folder = found(folder)
        has_decision = DECISION in CHECKPOINT.hashes(folder)
        config = CHECKPOINT.read(folder, (*HASHED, *([DECISION] if has_decision else [])))
        expected = read_input(folder)
        try:
            shape = parsed(EncoderShape, config["encoder"])
            origin, name = Origin.model_validate(config["origin"]), str(config["name"])
            stated = config["classifier"]
            classifier = None if stated is None else ClassifierShape.model_validate(stated)
        except (KeyError, TypeError, ValueError, ValidationError) as error:
            what = f"{type(error).__name__}: {error}"
            raise InputError(f"{folder}: not a readable checkpoint ({what})") from error
        path = folder / "model.safetensors"
        weights = read_weights(path, CHECKPOINT.fix)
        _require_blocks(shape, weights, path)
        with _Undrawn():
            network = Encoder(shape)
        load_weights(network, weights, "encoder.", path)
        rest = {k: v for k, v in weights.items() if not k.startswith("encoder.")}
        # Predictions take neither the corpus nor the pandas that reads it.
        file = folder / "corpus.parquet"
        unread = partial(
            read_parquet, file, CORPUS_COLUMNS, CHECKPOINT.fix, content=file.read_bytes()
        )
        pretrained_on = PretrainedOn(unread)
        encoder = MyocardEncoder(name, network.eval(), expected, pretrained_on, origin)
        decision = Decision.read(folder) if has_decision else None
        return cls(encoder, rest, classifier, decision)


def card_of_encoder(folder: Path) -> str | None:
    """The card of an encoder in the folder of a checkpoint, where there is one."""
    cards = (folder / name for name in (ENCODER_CARD, CARD))
    return next((path.read_text("utf-8", "replace") for path in cards if path.exists()), None)


# Some of torch's initialisers are seen as a whole, and then not what they call.
_DRAWS: tuple[Callable[..., Tensor], ...] = (
    Tensor.normal_,
    Tensor.uniform_,
    nn.init.uniform_,
    nn.init.kaiming_uniform_,
)


class _Undrawn(TorchFunctionMode):
    """Draw no random weights: for ``base`` it takes seconds, and they are replaced.

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


def open_checkpoint(given: Path | str) -> Checkpoint | ECGEncoder:
    """Read a checkpoint of myocard's, or an encoder that others made.

    The licence of a published encoder is told, once in a process.

    Args:
        given: A folder of myocard's or the name of a shipped one; a published file or folder;
            ``owner/name`` or ``owner/name/file`` on the Hugging Face hub; or the name of an encoder
            that an installed package adds.

    Raises:
        InputError: When it is none of these, or cannot be read.
    """
    added = added_encoder(str(given))
    return open_place(found(Path(given))) if added is None else added


def open_place(place: Path) -> Checkpoint | ECGEncoder:
    """Read a checkpoint's file or folder, as ``open_checkpoint`` does.

    Raises:
        InputError: When it is none, or cannot be read.
    """
    if not is_published(place):
        return Checkpoint.load(place)
    encoder = open_published(of_encoder(place))
    tell_licence(encoder.opened.card)
    return encoder


def load_encoder(given: Path | str) -> ECGEncoder:
    """Read the encoder of what ``open_checkpoint`` takes."""
    opened = open_checkpoint(given)
    return opened.encoder if isinstance(opened, Checkpoint) else opened


def _require_blocks(shape: EncoderShape, weights: Mapping[str, Tensor], path: Path) -> None:
    """Refuse a stated size that the weights do not have, before an encoder of it is made."""
    separator = weights.get("encoder.separator")
    width = 0 if separator is None else separator.numel()
    blocks = {name.split(".")[2] for name in weights if name.startswith("encoder.blocks.")}
    if (shape.width, shape.depth) != (width, len(blocks)) or shape.samples > _MOST_SAMPLES:
        raise InputError(
            f"{path}: the weights do not fit the model that is stated beside them "
            f"({len(blocks)} blocks of width {width}, not {shape})"
        )


def load_weights(module: nn.Module, weights: Mapping[str, Tensor], prefix: str, file: Path) -> None:
    """Load the weights below ``prefix`` into ``module``: every one, and no other.

    Args:
        module: The module.
        weights: Weights by name.
        prefix: Prefix of the names.
        file: File that the weights are from, for the message.

    Raises:
        InputError: When a weight is missing, left over, or of another shape.
    """
    own = {k.removeprefix(prefix): v for k, v in weights.items() if k.startswith(prefix)}
    try:
        module.load_state_dict(own, strict=True)
    except RuntimeError as error:
        first = str(error).splitlines()[1].strip()
        raise InputError(
            f"{file}: the weights do not fit the model that is stated beside them ({first})"
        ) from error
