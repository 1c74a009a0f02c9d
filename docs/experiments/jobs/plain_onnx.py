"""One ONNX file, and scores of a folder from it without torch in the second half."""

from pathlib import Path

import numpy as np
import onnxruntime
import pandas as pd
import torch
from plain_explanation import classifier
from plain_states import read

module = classifier()
signals = torch.randn(2, 12, 1000)
torch.onnx.export(
    module,
    (signals,),
    "model.onnx",
    input_names=["signals"],
    output_names=["logits"],
    dynamic_shapes=({0: torch.export.Dim("batch")},),
    dynamo=True,
)
session = onnxruntime.InferenceSession("model.onnx")
given = module(signals).detach().numpy()
np.testing.assert_allclose(session.run(None, {"signals": signals.numpy()})[0], given, atol=1e-4)

rows = []
for file in sorted(Path("export").rglob("*.hea")):
    row = {"file": str(file)}
    try:
        (logits,) = session.run(None, {"signals": read(str(file.with_suffix("")))[None]})
        row["score"] = 1 / (1 + np.exp(-logits[0, 0]))
    except (ValueError, OSError) as error:
        row["error"] = str(error)
    rows.append(row)
pd.DataFrame(rows).to_csv("scores-onnx.csv", index=False)
