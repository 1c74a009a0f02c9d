"""What an encoder is worth: probes, fine-tuning, other data sets, baselines, the report."""

from pathlib import Path
from typing import Annotated

import typer

from myocard.cli.options import (
    CheckpointFolder,
    Out,
    RecipeFile,
    StoreFolder,
    Test,
    app,
    console,
    numbers,
)
from myocard.cli.progress import bar, steps
from myocard.files.atomic import occupied, require_new


@app.command()
def probe(
    recipe: RecipeFile,
    features: Annotated[list[Path], typer.Argument(help="Folders that `myocard extract` made")],
    out: Annotated[Path, typer.Option(help="Results; runs that are there are kept")],
    test: Test = False,
) -> None:
    """Train every readout and head of the recipe on cached states."""
    from myocard.evaluation.features import Features
    from myocard.evaluation.probing import probe as make
    from myocard.recipe import ProbeRecipe, read_recipe

    settings = read_recipe(recipe, ProbeRecipe)
    opened = [Features.open(folder) for folder in features]
    with occupied(out), console.status("probe") as status:
        for each in opened:
            make(each, settings, out, test=test, report=status.update)
    print(out)


@app.command("probe-tokens")
def probe_tokens(
    recipe: RecipeFile,
    checkpoint: CheckpointFolder,
    store: StoreFolder,
    out: Annotated[Path, typer.Option(help="Results; runs that are there are kept")],
    random: Annotated[
        int | None, typer.Option(help="Seed: the same encoder with random weights instead")
    ] = None,
    test: Test = False,
) -> None:
    """Train readouts of single tokens while the frozen encoder runs, with no cache on disk."""
    from myocard.data.store import Store
    from myocard.evaluation.probing.streaming import TokenStream
    from myocard.evaluation.probing.tokens import probe_tokens as make
    from myocard.evaluation.probing.tokens import views
    from myocard.models.checkpoint import Checkpoint
    from myocard.recipe import TokenProbeRecipe, read_recipe

    settings = read_recipe(recipe, TokenProbeRecipe)
    encoder, opened = Checkpoint.load(checkpoint), Store.open(store)
    if random is not None:
        encoder = encoder.randomised(random)
    looks = views(settings.readouts, encoder.encoder.shape)
    stream = TokenStream(encoder, opened, looks, settings.keep * 1e9)
    with occupied(out), bar() as advance:
        make(settings, stream, out, test=test, report=steps("probe tokens", advance))
    print(out)


@app.command()
def finetune(
    recipe: RecipeFile,
    checkpoint: CheckpointFolder,
    store: StoreFolder,
    out: Out,
    probe: Annotated[
        Path | None, typer.Option(help="Start readout and head from this probe's run")
    ] = None,
    test: Test = False,
) -> None:
    """Train encoder, readout and head together, from a checkpoint or from scratch."""
    from myocard.data.store import Store
    from myocard.evaluation.finetune import finetune as make
    from myocard.models.checkpoint import Checkpoint
    from myocard.recipe import FinetuneRecipe, read_recipe

    settings = read_recipe(recipe, FinetuneRecipe)
    encoder, opened = Checkpoint.load(checkpoint), Store.open(store)
    with bar() as advance:
        report = steps("fine-tune", advance)
        make(settings, encoder, opened, out, probe=probe, test=test, report=report)
    print(out)


@app.command()
def transfer(
    trained: Annotated[Path, typer.Argument(help="Features that the probes were trained on")],
    target: Annotated[Path, typer.Argument(help="The same encoder's features of another store")],
    runs: Annotated[list[Path], typer.Argument(help="Run folders of probes")],
    out: Annotated[Path, typer.Option(help="Results; runs that are there are kept")],
    folds: Annotated[
        str | None, typer.Option(help="Of the target, such as 10; all by default")
    ] = None,
) -> None:
    """Score probes of one data set on another as they are: nothing is trained or chosen there."""
    from myocard.evaluation.features import Features
    from myocard.evaluation.transfer import transfer as make

    opened = Features.open(trained), Features.open(target)
    chosen = None if folds is None else numbers(folds)
    with occupied(out), console.status("transfer") as status:
        make(runs, *opened, out, folds=chosen, report=status.update)
    print(out)


@app.command()
def baseline(recipe: RecipeFile, store: StoreFolder, out: Out, test: Test = False) -> None:
    """Train and score what an encoder should beat: MiniRocket, xresnet1d101, S4D, a ViT."""
    from myocard.data.store import Store
    from myocard.evaluation.baselines import measure
    from myocard.recipe import read_baseline

    require_new(out, out.with_name(f"{out.name}.run"))
    settings = read_baseline(recipe)
    with bar() as advance:
        measure(Store.open(store), settings, out, test=test, report=advance)
    print(out)


@app.command()
def report(
    results: Annotated[list[Path], typer.Argument(help="Folders that hold runs, at any depth")],
    out: Annotated[Path, typer.Option(help="Folder to write")] = Path("report"),
) -> None:
    """Draw the report from result files alone: HTML, CSV, LaTeX and SVG."""
    from myocard.report import write_report

    with occupied(out):
        write_report(results, out)
    print(out / "report.html")
