"""Answers about one record, as the columns of a table of predictions have them."""

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, Field

from myocard.data.faults import Unfit
from myocard.data.window import Place, Stated, windows_of
from myocard.models.statement import Predictor
from myocard.server.uploads import Sent, record_file


class Answer(BaseModel):
    """Prediction of a record; docs/predict.md tells of each part."""

    score: dict[str, float] = Field(description="calibrated probability or number, by output")
    decision: dict[str, bool] | None = Field(None, description="true from the threshold up")
    set: dict[str, str] | str | None = Field(None, description="conformal sets")
    low: dict[str, float] | None = None
    high: dict[str, float] | None = None
    layer: list[float] = Field(description="share of each layer, the embedding first")
    flags: str | None = Field(None, description="cropped: longer than the encoder's window")


class Health(BaseModel):
    """State of the server."""

    ready: bool
    model: str = Field(description="hash of all that scores depend on")
    version: str = Field(description="version of myocard")
    waiting: int = Field(description="requests that are in work or wait")


class Refusal(BaseModel):
    """A request that got no answer."""

    detail: str
    flag: str | None = Field(None, description="why a record cannot be used, in one word")


def explained(predictor: Predictor, sent: Sequence[Sent], stated: Stated) -> str:
    """Make the page that explains what a model says of the record whose files were sent.

    Args:
        predictor: A model in torch, which alone can be explained.
        sent: The files.
        stated: What they do not say.

    Raises:
        InputError: When it cannot be read, or not be used.
    """
    # Exported models are served without torch.
    from myocard.evaluation.explaining.writing import Question
    from myocard.models.model import Model
    from myocard.report.record.page import page

    assert isinstance(predictor, Model)
    with record_file(sent) as file:
        return page(Question(predictor, stated=stated).answer(file))


def answered(predictor: Predictor, sent: Sequence[Sent], stated: Stated) -> Answer:
    """Predict the record whose files were sent.

    Raises:
        InputError: When it cannot be read, or not be used.
    """
    model = predictor.statement
    with record_file(sent) as file:
        windows, (seen,) = windows_of([Place(file)], model.input, stated)
        if seen.error is not None:
            raise Unfit(seen.error, seen.flag or "")
    scores, weights = predictor.read(windows)
    found: dict[str, Any] = {"layer": weights[0].tolist(), "flags": seen.flag}
    for column, (value,) in model.decision.columns(scores).items():
        kind, _, output = column.partition(":")
        if output:
            found.setdefault(kind, {})[output] = value.item()
        else:
            found[kind] = value.item()
    return Answer.model_validate(found)
