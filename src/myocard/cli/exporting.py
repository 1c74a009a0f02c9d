"""A model as one file for other people's programs."""

from pathlib import Path
from typing import Annotated, Literal

from typer import Option

from myocard.cli import options
from myocard.cli.options import app
from myocard.cli.output import tell


@app.command(rich_help_panel=options.USE)
def export(
    model: options.SavedModel,
    out: Annotated[
        Path,
        Option(
            "--out",
            "-o",
            help="File to write, .onnx or .pt2: kept if made from the same inputs, refused if from "
            "others",
        ),
    ],
    kind: Annotated[
        Literal["onnx", "torch"],
        Option("--format", help="ONNX, or an archive of torch.export (.pt2)"),
    ] = "onnx",
    probe: options.Probe = None,
    int8: Annotated[
        Literal["dynamic", "static"] | None,
        Option(help="Integers in place of floats: ranges of each record, or of --calibration"),
    ] = None,
    calibration: Annotated[
        list[Path] | None, Option(help="Files or folders of records for --int8 static")
    ] = None,
) -> None:
    """Write a model as one file: encoder, readout, head and decisions.
    [dim]myocard export model --out model.onnx[/dim]

    Signals in; scores, layer weights and every layer's states out. Its metadata state how signals
    are prepared. `myocard predict model.onnx` reads files, without torch.
    """
    from myocard.models.export import export as make

    make(model, out, probe=probe, kind=kind, int8=int8, calibration=calibration or ())
    tell(out, out=out)
