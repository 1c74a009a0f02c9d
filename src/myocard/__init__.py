"""Which layer of an ECG foundation model should you read, and what is a mixture of layers worth?

The public names; everything else may change.
"""

from typing import TYPE_CHECKING, Any

from myocard.errors import InputError as InputError
from myocard.record import Record as Record

if TYPE_CHECKING:
    from myocard.models.model import Model as Model
    from myocard.models.model import load as load

__all__ = ["InputError", "Model", "Record", "load"]


def __getattr__(name: str) -> Any:
    # Models need torch, which takes a second to import; reading records does not.
    if name in ("Model", "load"):
        from myocard.models import model

        return getattr(model, name)
    raise AttributeError(f"module 'myocard' has no attribute {name!r}")
