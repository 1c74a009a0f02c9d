"""Encoders: pretrained, read at every layer, and looked into."""

import sys
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from myocard.cli.options import CheckpointFolder, Out, RecipeFile, StoreFolder, Test, app, console
from myocard.cli.progress import bar, steps
from myocard.files.atomic import occupied


@app.command()
def pretrain(
    recipe: RecipeFile,
    out: Out,
    fsdp: Annotated[
        bool, typer.Option("--fsdp", help="A part of the weights in each process, not all")
    ] = False,
) -> None:
    """Pretrain an encoder by the recipe's objective; a run that was stopped is taken up again."""
    from myocard.pretraining.pretrain import collapsed
    from myocard.pretraining.pretrain import pretrain as make
    from myocard.recipe import PretrainRecipe, read_recipe
    from myocard.training.loop import precision

    settings = read_recipe(recipe, PretrainRecipe)
    verb = f"pretrain in {precision(settings.optimisation.precision)}"
    with bar() as advance:
        made = make(settings, out, report=steps(verb, advance), fsdp=fsdp)
    if collapsed(made):
        rank = made.about["effective_rank"]["value"]
        print(f"warning: {out} collapsed: effective rank {rank}, see its card", file=sys.stderr)
    print(out)


@app.command()
def extract(
    checkpoint: CheckpointFolder,
    store: StoreFolder,
    out: Annotated[Path, typer.Argument(help="Folder to write")],
    random: Annotated[
        int | None, typer.Option(help="Seed: the same encoder with random weights instead")
    ] = None,
    by_lead: Annotated[bool, typer.Option("--by-lead", help="Pool each lead on its own")] = False,
    batch: Annotated[int, typer.Option(min=1, help="Records in one forward pass")] = 64,
) -> None:
    """Run a frozen encoder once over a store and keep the pooled states of every layer."""
    from myocard.data.store import Store
    from myocard.evaluation.features import extract as make
    from myocard.models.checkpoint import Checkpoint

    encoder, opened = Checkpoint.load(checkpoint), Store.open(store)
    if random is not None:
        encoder = encoder.randomised(random)
    with bar() as advance:
        make(encoder, opened, out, by_lead=by_lead, batch=batch, report=partial(advance, "extract"))
    print(out)


@app.command()
def layers(
    checkpoint: CheckpointFolder,
    store: StoreFolder,
    task: Annotated[str, typer.Option(help="What the probes of every layer predict")],
    out: Annotated[Path, typer.Option(help="Folder to write; what is there is kept")] = Path(
        "layers"
    ),
    random: Annotated[int, typer.Option(help="Seed of the random weights beside it")] = 0,
    records: Annotated[int, typer.Option(min=10, help="Of each split, at most")] = 512,
    test: Test = False,
) -> None:
    """Measure every layer: probes, rank, entropy, alignment, attention, reconstruction."""
    from myocard.data.store import Store
    from myocard.evaluation.features import extract as states
    from myocard.evaluation.layers import dissect
    from myocard.evaluation.probing import probe as make
    from myocard.models.checkpoint import Checkpoint
    from myocard.recipe import ProbeRecipe, check

    asked = {"task": task, "readouts": ["layers"], "heads": ["linear"]}
    recipe = check(ProbeRecipe, asked, "layers")
    trained, opened = Checkpoint.load(checkpoint), Store.open(store)
    with occupied(out):
        for encoder in (trained, trained.randomised(random)):
            folder = out / "measures" / encoder.name
            with console.status(f"layers of {encoder.name}"):
                features = states(encoder, opened, out / "features" / encoder.name)
                runs = make(features, recipe, out / "runs", test=test)
                dissect(encoder, opened, runs, folder, records=records, test=test)
            print(folder)
