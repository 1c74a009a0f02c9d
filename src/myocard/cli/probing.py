"""The end of the main path: probes of every layer, and the report."""

import sys
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from myocard.cli import options
from myocard.cli.options import app
from myocard.cli.output import tell
from myocard.cli.progress import shown
from myocard.errors import InputError
from myocard.files.atomic import occupied


@app.command(rich_help_panel=options.MAIN)
def probe(
    recipe: options.RecipeFile,
    out: options.Results,
    features: Annotated[
        list[Path] | None, Argument(help="Folders that `myocard extract` made")
    ] = None,
    encoder: Annotated[
        Path | None, Option(help="Instead of features: stream the states of this encoder …")
    ] = None,
    store: Annotated[Path | None, Option(help="… over this store")] = None,
    random: options.Random = None,
    embeddings: Annotated[
        Path | None, Option(help="Instead of both: .npy, .npz or Parquet files of your own")
    ] = None,
    records: Annotated[
        Path | None, Option(help="Of the embeddings: a store, or a table; records.csv by default")
    ] = None,
    name: Annotated[
        str | None, Option(help="Of their encoder; that of their folder or file by default")
    ] = None,
    pretrained_on: Annotated[
        list[str] | None, Option(help="A data set that it was pretrained on, by its name")
    ] = None,
    change: options.Changes = None,
    jobs: Annotated[int, Option(help="Readouts of features at a time; -1 for one a core")] = -1,
    test: options.Test = False,
    log: options.Log = None,
) -> None:
    """Score every layer and mixture.
    [dim]myocard probe superclasses features/mine --out results[/dim]

    Train every readout and head of the recipe on the states of a frozen encoder.

    States come from caches, are streamed, or are your own; readouts of tokens need a stream.
    """
    from myocard.cli.named import encoder_named
    from myocard.data.store import Store
    from myocard.evaluation.embeddings import import_embeddings
    from myocard.evaluation.features import Features
    from myocard.evaluation.probing import Stream
    from myocard.evaluation.probing import probe as make
    from myocard.evaluation.probing.job import Source
    from myocard.recipe import ProbeRecipe, read_recipe
    from myocard.results.validation import warn_below_chance

    settings, tracking = read_recipe(recipe, ProbeRecipe, change or ()), options.tracking(log)
    given = [bool(features), encoder is not None, embeddings is not None]
    if (encoder is None) != (store is None) or sum(given) != 1:
        raise InputError(
            "give either folders of features, or --encoder and --store, or --embeddings"
        )
    if embeddings is None and (records, name, pretrained_on) != (None, None, None):
        raise InputError("--records, --name and --pretrained-on are for --embeddings")
    sources: list[Source] = [Features.open(folder) for folder in features or ()]
    if embeddings is not None:
        found = import_embeddings(
            embeddings, out, records=records, name=name, pretrained_on=tuple(pretrained_on or ())
        )
        sources += found.features
        if found.task is not None:
            print(f"task {found.task}, in place of {settings.task}", file=sys.stderr)
            settings = settings.model_copy(update={"task": str(found.task)})
    if encoder is not None and store is not None:
        loaded = encoder_named(encoder)
        streamed = loaded if random is None else loaded.randomised(random)
        sources.append(Stream(streamed, Store.open(store)))
    folders: list[Path] = []
    with occupied(out), shown() as progress:
        for source in sources:
            folders += make(source, settings, out, test=test, progress=progress, jobs=jobs)
    options.track(tracking, folders)
    _tell(folders[0])
    warn_below_chance(folders)
    tell(out, out=out, runs=folders)


def _tell(folder: Path) -> None:
    """Say how many records a run was trained and scored on, and which classes are left out."""
    from myocard.results.run import Run

    run = Run.read(folder)
    sizes = ", ".join(
        f"{split} {info.records}"
        + (f" ({info.copies_dropped} copies dropped)" if info.copies_dropped else "")
        for split, info in run.splits.items()
    )
    left = "; ".join(f"{name} left out ({why})" for name, why in run.classes_left_out.items())
    print(f"{run.task}: {sizes} records{f'; {left}' if left else ''}", file=sys.stderr)


@app.command(rich_help_panel=options.MAIN)
def report(
    results: Annotated[list[Path], Argument(help="Folders that hold runs, at any depth")],
    out: options.Out = Path("report"),
) -> None:
    """Draw tables, figures and a page.
    [dim]myocard report results encoder --out report[/dim]

    Draw the report from result files alone: HTML, CSV, LaTeX and SVG.
    """
    from myocard.report import write_report

    page = write_report(results, out)
    tell(page, page=page)
