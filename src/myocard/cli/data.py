"""Records: made, prepared, fetched and audited."""

from pathlib import Path
from typing import Annotated

import typer

from myocard.cli.options import CheckpointFolder, Out, StoreFolder, app, audit, numbers
from myocard.cli.progress import bar
from myocard.errors import InputError
from myocard.files.atomic import replace_folder


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
    from myocard import simulation

    if out.exists():
        raise InputError(f"{out}: exists already; remove it or choose another folder")
    with bar() as advance:

        def write(fresh: Path) -> None:
            simulation.write(
                fresh,
                layout,
                count=records,
                seed=seed,
                site=site,
                progress=lambda done: advance("simulate", done, records),
            )

        replace_folder(out, write)


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
    dataset: Annotated[
        str | None,
        typer.Option(help="Within which an id or patient is one; the source's by default"),
    ] = None,
    split_seed: Annotated[int, typer.Option(help="For sources without published folds")] = 0,
    shard: Annotated[
        str, typer.Option(help="3/16: every sixteenth patient, for one of 16 machines")
    ] = "1/1",
    jobs: Annotated[int, typer.Option(help="Processes; -1 for one a core")] = -1,
) -> None:
    """Read a vendor's folder into a store; what cannot be used is listed in quarantine.csv."""
    from myocard.data.preparation import Wanted, of_shard
    from myocard.data.preparation import prepare as make
    from myocard.data.sources import dataset as dataset_of
    from myocard.data.sources import entries
    from myocard.recipe import InputSettings, check

    if like is not None and (highpass, lowpass, leads) != (None, None, None):
        raise InputError("--like takes filter and leads from the checkpoint; leave the others out")
    if like is None:
        names = leads.split(",") if leads else None
        chosen = {"preset": preset, "highpass": highpass, "lowpass": lowpass, "leads": names}
        stated = check(InputSettings, chosen, "prepare").preprocessing()
    else:
        from myocard.models.checkpoint import read_preprocessing

        stated = read_preprocessing(like)
    wanted = Wanted(stated.rate, seconds, stated.leads, stated.band, tuple(allow or ()))
    found = entries(source, folder)
    share = _share(shard)
    done, total = 0, len(of_shard(found, *share))

    with bar() as advance:

        def progress(count: int) -> None:
            nonlocal done
            done += count
            advance("prepare", done, total)

        store = make(
            found,
            out,
            wanted,
            source=dataset or dataset_of(source, folder),
            split_seed=split_seed,
            shard=share,
            jobs=jobs,
            progress=progress,
        )
    barred = store.info["quarantined"]
    print(f"{out}: {len(store.records):,} records, {barred:,} in {out / 'quarantine.csv'}")


@app.command()
def fetch(
    url: Annotated[str, typer.Argument(help="s3://, gs://, hf://, https:// …; patterns in quotes")],
    out: Out,
) -> None:
    """Copy a store, checkpoint or cache, or all that a pattern names, and check every hash."""
    from myocard.files.download import fetch as copy

    with bar() as advance:
        found = copy(
            url, out, lambda file, *done: advance(f"{file}, MiB", *(each >> 20 for each in done))
        )
    print(*found, sep="\n")


@audit.command()
def files(
    folders: Annotated[list[Path], typer.Argument(help="Stores, checkpoints or features")],
) -> None:
    """Hash every file that was written and name those that were altered; exit with 1 then."""
    from myocard.tasks.audit import altered

    findings = [finding for folder in folders for finding in altered(folder)]
    for finding in findings:
        print(finding)
    if findings:
        raise typer.Exit(1)
    print(f"{', '.join(map(str, folders))}: every file is as it was written")


@audit.command()
def labels(
    store: StoreFolder,
    dataset: Annotated[str, typer.Option(help="Whose published counts")] = "ptbxl-1.0.3",
) -> None:
    """Compare a store's label counts with the published ones; exit with 1 where they differ."""
    from myocard.data.store import Store
    from myocard.tasks.audit import compare

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
    from myocard.data.store import Store
    from myocard.models.checkpoint import Checkpoint
    from myocard.tasks.audit import leaks
    from myocard.tasks.task import task as task_named

    corpus, records = Checkpoint.load(checkpoint).corpus, Store.open(store).records
    held_out = None if folds == "all" else numbers(folds)
    findings = leaks(corpus, records, held_out, task_named(task) if task else None)
    for finding in findings:
        print(finding)
    if findings:
        raise typer.Exit(1)
    print(
        f"{checkpoint}: trained on none of the held-out records of {store}, by waveform, id, "
        "patient or fingerprint"
    )


def _share(shard: str) -> tuple[int, int]:
    try:
        number, count = map(int, shard.split("/"))
    except ValueError as error:
        raise InputError(f"--shard {shard}: give a number and their count, as 3/16") from error
    return number, count
