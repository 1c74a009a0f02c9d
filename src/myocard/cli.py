"""The command line: parse, call, print. Programs live in modules of their own names."""

import logging
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from myocard.errors import InputError
from myocard.occupancy import occupied

# Programs are imported where they are called: `myocard --help` should not wait for torch.
if TYPE_CHECKING:
    from myocard import training

app = typer.Typer(
    help="Which layer of an ECG foundation model should you read, and what is a mixture worth?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
audit = typer.Typer(help="Check a store before its numbers are believed.", no_args_is_help=True)
app.add_typer(audit, name="audit")
console = Console(stderr=True)

RecipeFile = Annotated[Path, typer.Argument(help="Recipe, a TOML file")]
StoreFolder = Annotated[Path, typer.Argument(help="Folder that `myocard prepare` made")]
CheckpointFolder = Annotated[Path, typer.Argument(help="Folder that `myocard pretrain` made")]
Out = Annotated[Path, typer.Argument(help="Folder to write; it must not exist")]
Test = Annotated[
    bool, typer.Option("--test", help="Score the test folds too: once, when all is chosen")
]


@app.command()
def demo(
    out: Annotated[Path, typer.Argument(help="Folder to write")] = Path("demo"),
) -> None:
    """Simulate, prepare, pretrain, extract, probe and report: the main job in minutes."""
    from myocard.benchmarking import benchmark as run
    from myocard.grid import read_grid

    with occupied(out), _bar() as advance:
        page = run(read_grid("demo"), out, advance, test=True, jobs=-1)
    print(page)


@app.command()
def benchmark(
    recipe: Annotated[str, typer.Argument(help="A TOML file, or the name of a shipped one")],
    out: Annotated[Path, typer.Argument(help="Folder to write; what is there is kept")],
    test: Test = False,
    jobs: Annotated[int, typer.Option(help="Trials at a time; -1 for one a core")] = -1,
    change: Annotated[
        list[str] | None, typer.Option("--set", help="key = value over the recipe's, in TOML")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List what is missing and what it would cost")
    ] = False,
) -> None:
    """From raw folders to the report: every encoder, readout, head, task, label share, lead set."""
    from myocard.benchmarking import benchmark as run
    from myocard.grid import read_grid
    from myocard.rehearsal import Piece, rehearse

    grid = read_grid(recipe, change or ())
    if dry_run:
        pieces = rehearse(grid, out, jobs=jobs)
        for piece in [*pieces, Piece("in all", sum(piece.seconds for piece in pieces))]:
            cost = timedelta(seconds=round(piece.seconds)) if piece.seconds else "there"
            print(f"{cost!s:>16}  {piece.name}")
        return
    with occupied(out), _bar() as advance:
        page = run(grid, out, advance, test=test, jobs=jobs)
    print(page)


@app.command()
def simulate(
    out: Out,
    layout: Annotated[
        str, typer.Option(help="ptbxl, chapman, ecg-arrhythmia, challenge or ludb")
    ] = "ptbxl",
    records: Annotated[int, typer.Option(min=1)] = 1000,
    site: Annotated[str, typer.Option(help="A or B: another device and population")] = "A",
    seed: int = 0,
) -> None:
    """Write simulated 12-lead ECGs with labels, laid out as a vendor would."""
    from myocard.data.sources import simulator

    if out.exists():
        raise InputError(f"{out}: exists already; remove it or choose another folder")
    partial = out.with_name(f"{out.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    with _bar() as advance:
        simulator.write(
            partial,
            layout,
            count=records,
            seed=seed,
            site=site,
            progress=lambda done: advance("simulate", done, records),
        )
    partial.rename(out)


@app.command()
def prepare(
    source: Annotated[str, typer.Argument(help="What the folder is: ptbxl-500, chapman, folder …")],
    folder: Annotated[Path, typer.Argument(help="The vendor's folder, as downloaded")],
    out: Out,
    preset: Annotated[
        str, typer.Option(help="Rate, filter and leads of an encoder: stmem or ecgsoup")
    ] = "ecgsoup",
    like: Annotated[
        Path | None, typer.Option(help="Take them from this checkpoint instead")
    ] = None,
    highpass: Annotated[float | None, typer.Option(help="Hz, over the preset's")] = None,
    lowpass: Annotated[float | None, typer.Option(help="Hz, over the preset's")] = None,
    leads: Annotated[str | None, typer.Option(help="Such as I,II,V2; all by default")] = None,
    seconds: Annotated[float, typer.Option(min=0.1, help="Length of a record")] = 10.0,
    allow: Annotated[
        list[str] | None, typer.Option(help="Keep, flagged: flat_lead, unknown_code, duplicate")
    ] = None,
    split_seed: Annotated[int, typer.Option(help="For sources without published folds")] = 0,
    jobs: Annotated[int, typer.Option(help="Processes; -1 for one a core")] = -1,
) -> None:
    """Read a vendor's folder into a store; what cannot be used is listed in quarantine.csv."""
    from myocard.data.sources import dataset, entries
    from myocard.preparation import Wanted
    from myocard.preparation import prepare as make
    from myocard.recipe import InputSettings, check

    if like is not None and (highpass, lowpass, leads) != (None, None, None):
        raise InputError("--like takes filter and leads from the checkpoint; leave the others out")
    if like is None:
        names = leads.split(",") if leads else None
        chosen = {"preset": preset, "highpass": highpass, "lowpass": lowpass, "leads": names}
        stated = check(InputSettings, chosen, "prepare").preprocessing()
    else:
        from myocard.checkpoint import read_preprocessing

        stated = read_preprocessing(like)
    wanted = Wanted(stated.rate, seconds, stated.leads, stated.band, tuple(allow or ()))
    found = entries(source, folder)
    done = 0

    with _bar() as advance:

        def progress(count: int) -> None:
            nonlocal done
            done += count
            advance("prepare", done, len(found))

        store = make(
            found,
            out,
            wanted,
            source=dataset(source),
            split_seed=split_seed,
            jobs=jobs,
            progress=progress,
        )
    barred = store.info["quarantined"]
    print(f"{out}: {len(store.records):,} records, {barred:,} in {out / 'quarantine.csv'}")


@audit.command()
def labels(
    store: StoreFolder,
    dataset: Annotated[str, typer.Option(help="Whose published counts")] = "ptbxl-1.0.3",
) -> None:
    """Compare a store's label counts with the published ones; exit with 1 where they differ."""
    from myocard.auditing import compare
    from myocard.data.store import Store

    records = Store.open(store).records
    findings = compare(records["codes"].map(list).tolist(), records["fold"].tolist(), dataset)
    for finding in findings:
        print(finding)
    if findings:
        raise typer.Exit(1)
    print(f"{store}: every count is as published for {dataset}")


@audit.command()
def leak(
    checkpoint: CheckpointFolder,
    store: StoreFolder,
    folds: Annotated[str, typer.Option(help="Those that are held out; all: every fold")] = "9,10",
    task: Annotated[str | None, typer.Option(help="Only records that it keeps")] = None,
) -> None:
    """List held-out records that an encoder was trained on; exit with 1 where there are any."""
    from myocard.auditing import leaks
    from myocard.checkpoint import Checkpoint
    from myocard.data.store import Store
    from myocard.tasks import task as task_named

    corpus, records = Checkpoint.load(checkpoint).corpus, Store.open(store).records
    held_out = None if folds == "all" else _numbers(folds)
    findings = leaks(corpus, records, held_out, task_named(task) if task else None)
    for finding in findings:
        print(finding)
    if findings:
        raise typer.Exit(1)
    print(
        f"{checkpoint}: trained on none of the held-out records of {store}, by waveform, id, "
        "patient or fingerprint"
    )


@app.command()
def pretrain(recipe: RecipeFile, out: Out) -> None:
    """Pretrain an encoder by the recipe's objective; a run that was stopped is taken up again."""
    from myocard.pretraining import collapsed
    from myocard.pretraining import pretrain as make
    from myocard.recipe import PretrainRecipe, read_recipe
    from myocard.training import precision

    settings = read_recipe(recipe, PretrainRecipe)
    verb = f"pretrain in {precision(settings.optimisation.precision)}"
    with _bar() as advance:
        made = make(settings, out, report=_steps(verb, advance))
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
    from myocard.checkpoint import Checkpoint
    from myocard.data.store import Store
    from myocard.features import extract as make

    encoder, opened = Checkpoint.load(checkpoint), Store.open(store)
    if random is not None:
        encoder = encoder.randomised(random)
    done = 0
    with _bar() as advance:

        def progress(count: int) -> None:
            nonlocal done
            done += count
            advance("extract", done, len(opened.records))

        make(encoder, opened, out, by_lead=by_lead, batch=batch, report=progress)
    print(out)


@app.command()
def probe(
    recipe: RecipeFile,
    features: Annotated[list[Path], typer.Argument(help="Folders that `myocard extract` made")],
    out: Annotated[Path, typer.Option(help="Results; runs that are there are kept")],
    test: Test = False,
) -> None:
    """Train every readout and head of the recipe on cached states."""
    from myocard.features import Features
    from myocard.probing import probe as make
    from myocard.recipe import ProbeRecipe, read_recipe

    settings = read_recipe(recipe, ProbeRecipe)
    opened = [Features.open(folder) for folder in features]
    with console.status("probe") as status:
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
    from myocard.checkpoint import Checkpoint
    from myocard.data.store import Store
    from myocard.probing.streaming import TokenStream
    from myocard.probing.tokens import probe_tokens as make
    from myocard.probing.tokens import views
    from myocard.recipe import TokenProbeRecipe, read_recipe

    settings = read_recipe(recipe, TokenProbeRecipe)
    encoder, opened = Checkpoint.load(checkpoint), Store.open(store)
    if random is not None:
        encoder = encoder.randomised(random)
    looks = views(settings.readouts, encoder.encoder.shape)
    stream = TokenStream(encoder, opened, looks, settings.keep * 1e9)
    with _bar() as advance:
        make(settings, stream, out, test=test, report=_steps("probe tokens", advance))
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
    from myocard.anatomy import dissect
    from myocard.checkpoint import Checkpoint
    from myocard.data.store import Store
    from myocard.features import extract as states
    from myocard.probing import probe as make
    from myocard.recipe import ProbeRecipe, check

    asked = {"task": task, "readouts": ["layers"], "heads": ["linear"]}
    recipe = check(ProbeRecipe, asked, "layers")
    trained, opened = Checkpoint.load(checkpoint), Store.open(store)
    for encoder in (trained, trained.randomised(random)):
        folder = out / "measures" / encoder.name
        with console.status(f"layers of {encoder.name}"):
            features = states(encoder, opened, out / "features" / encoder.name)
            runs = make(features, recipe, out / "runs", test=test)
            dissect(encoder, opened, runs, folder, records=records, test=test)
        print(folder)


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
    from myocard.checkpoint import Checkpoint
    from myocard.data.store import Store
    from myocard.finetuning import finetune as make
    from myocard.recipe import FinetuneRecipe, read_recipe

    settings = read_recipe(recipe, FinetuneRecipe)
    encoder, opened = Checkpoint.load(checkpoint), Store.open(store)
    with _bar() as advance:
        report = _steps("fine-tune", advance)
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
    from myocard.features import Features
    from myocard.transferring import transfer as make

    opened = Features.open(trained), Features.open(target)
    chosen = None if folds is None else _numbers(folds)
    with console.status("transfer") as status:
        make(runs, *opened, out, folds=chosen, report=status.update)
    print(out)


@app.command()
def yardstick(recipe: RecipeFile, store: StoreFolder, out: Out, test: Test = False) -> None:
    """Train and score what an encoder should beat: MiniRocket, xresnet1d101, S4D, a ViT."""
    from myocard.data.store import Store
    from myocard.recipe import read_yardstick
    from myocard.yardstick import measure

    if out.exists():
        raise InputError(f"{out}: exists already; remove it or choose another folder")
    settings = read_yardstick(recipe)
    with _bar() as advance:
        measure(Store.open(store), settings, out, test=test, report=advance)
    print(out)


@app.command()
def report(
    results: Annotated[list[Path], typer.Argument(help="Folders that hold runs, at any depth")],
    out: Annotated[Path, typer.Option(help="Folder to write")] = Path("report"),
) -> None:
    """Draw the report from result files alone: HTML, CSV, LaTeX and SVG."""
    from myocard.reporting import write_report

    write_report(results, out)
    print(out / "report.html")


def _numbers(listed: str) -> list[int]:
    try:
        return [int(part) for part in listed.split(",")]
    except ValueError as error:
        raise InputError(f"{listed!r}: give numbers with commas between them, as 9,10") from error


Advance = Callable[[str, int, int], None]


@contextmanager
def _bar() -> Iterator[Advance]:
    """A progress bar with a line for each piece of work, drawn on standard error."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    bar = Progress(*columns, console=console)
    lines: dict[str, TaskID] = {}

    def advance(what: str, done: int, total: int) -> None:
        bar.start()
        name = what.split(",")[0]
        if name not in lines:
            lines[name] = bar.add_task(name, total=total)
        bar.update(lines[name], completed=done, total=total, description=what)

    try:
        yield advance
    finally:
        if lines:  # a command that was refused draws nothing
            bar.stop()


def _steps(verb: str, advance: Advance) -> "Callable[[training.Progress], None]":
    def step(progress: "training.Progress") -> None:
        advance(f"{verb}, loss {progress.loss:.4f}", progress.step, progress.steps)

    return step


def main() -> None:
    """Run the command line; a fault of the user's is one line and exit code 2."""
    # Fabric tells its precision and devices at INFO, and resets its root logger when imported.
    logging.getLogger("lightning_fabric.utilities.rank_zero").setLevel(logging.WARNING)
    try:
        app()
    except (InputError, OSError) as error:
        _say(" ".join(str(error).split()), style="bold red")
        sys.exit(2)
    except SystemExit as done:
        # Typer turns Ctrl-C into this code without a word.
        if done.code == 130:
            _say("stopped; the same command goes on from what was saved, or starts again")
        raise


def _say(what: str, style: str | None = None) -> None:
    """Print one line on standard error as it is: a path may look like Rich's markup."""
    line = f"myocard: {what}"
    console.print(line, style=style, markup=False, emoji=False, highlight=False, soft_wrap=True)
