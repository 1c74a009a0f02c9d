"""Delineation: where P, QRS and T begin and end, read from every layer."""

from pathlib import Path
from typing import Annotated

from typer import Option

from myocard.cli import options
from myocard.cli.options import app
from myocard.cli.output import tell
from myocard.cli.progress import shown
from myocard.files.atomic import occupied


@app.command(rich_help_panel=options.MORE)
def delineate(
    checkpoint: options.Encoder,
    store: options.StoreFolder,
    annotations: Annotated[
        Path, Option(help="LUDB as downloaded, or a folder of its layout, with marks of waves")
    ],
    out: options.Results,
    random: Annotated[int, Option(help="Seed of the random weights beside it")] = 0,
    test: options.Test = False,
) -> None:
    """Find where waves begin and end.
    [dim]myocard delineate encoder ludb-store --annotations ludb --out delineation[/dim]

    Read P, QRS and T from the tokens of every layer, sample by sample, and score their boundaries.
    """
    from myocard.cli.named import encoder_named
    from myocard.data.sources.ludb_waves import read_waves
    from myocard.data.store import Store
    from myocard.evaluation.delineation import delineate as make

    trained, opened = encoder_named(checkpoint), Store.open(store)
    waves = read_waves(annotations, opened)
    made = []
    with occupied(out), shown() as progress:
        for encoder in (trained, trained.randomised(random)):
            folder = out / encoder.info.name
            made.append(make(encoder, opened, waves, folder, test=test, progress=progress))
    tell(*made, out=made)
