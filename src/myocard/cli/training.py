"""More to train and to measure: fine-tuning, baselines, other data sets, layers."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from myocard.cli import options
from myocard.cli.options import app
from myocard.cli.output import tell
from myocard.cli.progress import shown
from myocard.errors import InputError
from myocard.files.atomic import occupied


@app.command(rich_help_panel=options.MORE)
def finetune(
    recipe: options.RecipeFile,
    checkpoint: options.Encoder,
    store: options.StoreFolder,
    out: options.Out,
    probe: Annotated[
        Path | None, Option(help="Start readout and head from this probe's run")
    ] = None,
    change: options.Changes = None,
    test: options.Test = False,
    log: options.Log = None,
) -> None:
    """Train encoder and readout together.
    [dim]myocard finetune superclasses encoder store --out results/tuned[/dim]

    Train encoder, readout and head together, from a checkpoint or from scratch.
    """
    from myocard.cli.named import encoder_named
    from myocard.data.store import Store
    from myocard.evaluation.finetune import finetune as make
    from myocard.recipe import FinetuneRecipe, read_recipe
    from myocard.results.validation import warn_below_chance

    settings, tracking = read_recipe(recipe, FinetuneRecipe, change or ()), options.tracking(log)
    encoder, opened = encoder_named(checkpoint), Store.open(store)
    with shown() as progress:
        make(
            settings, encoder, opened, out,
            probe=probe, test=test, progress=progress, tracking=tracking,
        )  # fmt: skip
    options.track(tracking, [out])
    warn_below_chance([out])
    tell(out, out=out)


@app.command(rich_help_panel=options.MORE)
def baseline(
    recipe: options.RecipeFile,
    store: options.StoreFolder,
    out: options.Out,
    change: options.Changes = None,
    test: options.Test = False,
    log: options.Log = None,
) -> None:
    """Train what an encoder should beat.
    [dim]myocard baseline minirocket store --out results/minirocket[/dim]

    Train and score what an encoder should beat: MiniRocket, xresnet1d101, S4D, a ViT.
    """
    from myocard.data.store import Store
    from myocard.evaluation.baselines import train_baseline
    from myocard.recipe import read_baseline
    from myocard.results.validation import warn_below_chance

    settings, tracking = read_baseline(recipe, change or ()), options.tracking(log)
    with shown() as progress:
        train_baseline(Store.open(store), settings, out, test=test, progress=progress)
    options.track(tracking, [out])
    warn_below_chance([out])
    tell(out, out=out)


@app.command(rich_help_panel=options.MORE)
def transfer(
    trained: Annotated[Path, Argument(help="Features that the probes were trained on")],
    target: Annotated[Path, Argument(help="The same encoder's features of another store")],
    runs: Annotated[list[Path], Argument(help="Run folders of probes")],
    out: options.Results,
    folds: Annotated[
        str | None, Option(help="Folds of the target, such as 10; all by default")
    ] = None,
) -> None:
    """Score probes on another data set.
    [dim]myocard transfer features/a features/b results/a/*/* --out results/b[/dim]

    Score probes of one data set on another as they are: nothing is trained or chosen there.
    """
    from myocard.evaluation.features import Features
    from myocard.evaluation.transfer import transfer as make

    opened = Features.open(trained), Features.open(target)
    chosen = None if folds is None else options.numbers(folds)
    with occupied(out), shown() as progress:
        make(runs, *opened, out, folds=chosen, progress=progress)
    tell(out, out=out)


@app.command(rich_help_panel=options.MORE)
def layers(
    checkpoint: options.Encoder,
    store: options.StoreFolder,
    task: Annotated[str, Option(help="Task of the probes of every layer")],
    out: Annotated[Path, Option("--out", "-o", help="Folder to write")] = Path("layers"),
    random: Annotated[int, Option(help="Seed of the random weights beside it")] = 0,
    records: Annotated[int, Option(min=10, help="Most records of each split")] = 512,
    change: options.Changes = None,
    test: options.Test = False,
) -> None:
    """Measure what every layer is like.
    [dim]myocard layers encoder store --task ptbxl-all --out layers[/dim]

    Measure every layer: probes, rank, entropy, alignment, attention, reconstruction.
    """
    from myocard.cli.named import encoder_named
    from myocard.data.store import Store
    from myocard.evaluation.features import extract
    from myocard.evaluation.layers import measure_layers
    from myocard.evaluation.probing import check_names, probe
    from myocard.recipe import ProbeRecipe, check
    from myocard.recipe.settings import changed
    from myocard.tasks.registry import task as task_named

    task_named(task)
    asked = {"task": task, "readouts": ["layers"], "heads": ["linear"]}
    recipe = check(ProbeRecipe, changed(asked, change or ()), "layers")
    check_names(recipe)
    if (recipe.task, recipe.readouts, len(recipe.heads)) != (task, ("layers",), 1):
        raise InputError(
            "layers: measures the readout layers under one head, for --task; leave task and "
            "readouts out of --set, and name one head"
        )
    trained, opened = encoder_named(checkpoint), Store.open(store)
    made = []
    with occupied(out), shown() as progress:
        for encoder in (trained, trained.randomised(random)):
            name = encoder.info.name
            features = extract(encoder, opened, out / "features" / name, progress=progress)
            runs = probe(features, recipe, out / "runs", test=test, progress=progress)
            measures = out / "measures" / name
            measure_layers(
                encoder, opened, runs, measures, records=records, test=test, progress=progress
            )
            made.append(measures)
    tell(*made, out=made)
