"""Pretraining, probing and comparison of the layers of ECG foundation models, and of mixtures.

The public names; everything else may change.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from myocard.errors import InputError as InputError
from myocard.record import Record as Record

if TYPE_CHECKING:
    from myocard import plot as plot
    from myocard.data.formats.reading import read as read
    from myocard.data.preparation import prepare_folder as prepare
    from myocard.data.pseudonyms import pseudonym as pseudonym
    from myocard.data.signal import Preprocessing as Preprocessing
    from myocard.data.spans import windows as windows
    from myocard.encoders.any_module import wrap as wrap
    from myocard.estimators.layers import ECGLayers as ECGLayers
    from myocard.estimators.probes import LayerMixture as LayerMixture
    from myocard.estimators.probes import LayerProbe as LayerProbe
    from myocard.estimators.probes import LayerProbeRegressor as LayerProbeRegressor
    from myocard.evaluation.explaining import explain as explain
    from myocard.evaluation.features import extract as extract
    from myocard.evaluation.probing import probe as probe
    from myocard.models.exported import ONNXModel as ONNXModel
    from myocard.models.model import Model as Model
    from myocard.models.opening import from_pretrained as from_pretrained
    from myocard.nn.readouts.pooled import PMA as PMA
    from myocard.nn.readouts.pooled import PPA as PPA
    from myocard.recipe import ProbeRecipe as ProbeRecipe
    from myocard.report.record.page import page as page
    from myocard.results.run import Run as Run
    from myocard.runs import load_runs as load_runs
    from myocard.runs import open_run as open_run

# Imported when they are first used: models need torch, which takes a second; records do not.
_LAZY = {
    "ECGLayers": "myocard.estimators.layers:ECGLayers",
    "LayerMixture": "myocard.estimators.probes:LayerMixture",
    "LayerProbe": "myocard.estimators.probes:LayerProbe",
    "LayerProbeRegressor": "myocard.estimators.probes:LayerProbeRegressor",
    "Model": "myocard.models.model:Model",
    "ONNXModel": "myocard.models.exported:ONNXModel",
    "PMA": "myocard.nn.readouts.pooled:PMA",
    "PPA": "myocard.nn.readouts.pooled:PPA",
    "Preprocessing": "myocard.data.signal:Preprocessing",
    "ProbeRecipe": "myocard.recipe:ProbeRecipe",
    "Run": "myocard.results.run:Run",
    "explain": "myocard.evaluation.explaining:explain",
    "extract": "myocard.evaluation.features:extract",
    "from_pretrained": "myocard.models.opening:from_pretrained",
    "load_runs": "myocard.runs:load_runs",
    "open_run": "myocard.runs:open_run",
    "page": "myocard.report.record.page:page",
    "plot": "myocard.plot",
    "prepare": "myocard.data.preparation:prepare_folder",
    "probe": "myocard.evaluation.probing:probe",
    "pseudonym": "myocard.data.pseudonyms:pseudonym",
    "read": "myocard.data.formats.reading:read",
    "windows": "myocard.data.spans:windows",
    "wrap": "myocard.encoders.any_module:wrap",
}

__all__ = [
    "ECGLayers",
    "InputError",
    "LayerMixture",
    "LayerProbe",
    "LayerProbeRegressor",
    "Model",
    "ONNXModel",
    "PMA",
    "PPA",
    "Preprocessing",
    "ProbeRecipe",
    "Record",
    "Run",
    "explain",
    "extract",
    "from_pretrained",
    "load_runs",
    "open_run",
    "page",
    "plot",
    "prepare",
    "probe",
    "pseudonym",
    "read",
    "windows",
    "wrap",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        module, _, member = _LAZY[name].partition(":")
        return getattr(import_module(module), member) if member else import_module(module)
    raise AttributeError(f"module 'myocard' has no attribute {name!r}")
