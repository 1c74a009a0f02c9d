"""Records: simulated, fetched and audited."""

import re
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from typer import Argument, Exit, Option

from myocard.cli.options import DATA, Out, StoreFolder, app, audit, numbers
from myocard.cli.output import tell
from myocard.cli.progress import shown
from myocard.errors import InputError


@app.command(rich_help_panel=DATA)
def simulate(
    out: Out,
    layout: Annotated[
        str, Option(help="ptbxl, chapman, ecg-arrhythmia, challenge or ludb")
    ] = "ptbxl",
    records: Annotated[int, Option(min=1)] = 1000,
    site: Annotated[str, Option(help="A or B: another device and population")] = "A",
    seed: int = 0,
) -> None:
    """Write labelled ECGs, to try things out.
    [dim]myocard simulate --records 300 --out ptb-xl[/dim]

    Write simulated 12-lead ECGs with labels, laid out as a vendor would.
    """
    from myocard import simulation

    with shown() as progress:
        simulation.write(out, layout, count=records, seed=seed, site=site, progress=progress)
    tell(out, out=out)


@app.command(rich_help_panel=DATA)
def fetch(
    what: Annotated[
        str,
        Argument(
            help="ptbxl, chapman, ningbo, georgia, cpsc2018, ludb, code15 or mitdb; or URL of a "
            "store, checkpoint or cache: s3://, gs://, hf://, https:// …; patterns in quotes"
        ),
    ],
    folder: Annotated[Path | None, Argument(help="Folder to write, as --out")] = None,
    out: Annotated[Path | None, Option("--out", "-o", help="The same")] = None,
    address: Annotated[
        str | None,
        Option("--from", help="URL of a mirror of the data set: a folder with SHA256SUMS.txt"),
    ] = None,
    as_read: Annotated[
        bool,
        Option("--as-read", help="Leave the signals of a store where they are until they are read"),
    ] = False,
    dry_run: Annotated[
        bool, Option("--dry-run", help="Say what a data set is and how long it takes, and stop")
    ] = False,
) -> None:
    """Download a public data set, or a store of yours.
    [dim]myocard fetch ptbxl ptb-xl[/dim]

    Every file is compared with its checksum. A download that was stopped goes on where it was.
    """
    from myocard.data.public import download, plan, public_sets
    from myocard.files.download import fetch as copy

    place = folder or out
    if place is None or (folder and out):
        raise InputError("name the folder to write, once: myocard fetch ptbxl FOLDER")
    if what in public_sets():
        if as_read:
            raise InputError(f"--as-read goes with a store's URL; {what} is a data set of files")
        wanted = public_sets()[what]
        tell(wanted.told(place), licence=wanted.licence, folder=place)
        planned = plan(what, address)
        tell(planned.told(), files=[file.name for file in planned.files])
        if not dry_run:
            with shown() as progress:
                download(planned, place, progress)
        return
    names = ", ".join(public_sets())
    if address is not None or dry_run:
        raise InputError(f"--from and --dry-run go with the name of a data set: {names}")
    if re.fullmatch(r"[\w-]+", what) and not Path(what).exists():
        raise InputError(f"{what}: no such folder, and no data set; those are {names}")
    with shown() as progress:
        found = copy(what, place, progress, as_read=as_read)
    tell(*found, files=found)


@app.command(rich_help_panel=DATA)
def fingerprint(
    store: StoreFolder,
    out: Annotated[Path, Option("--out", "-o", help="File to write, to be shared")],
) -> None:
    """Write the fingerprints of a corpus.
    [dim]myocard fingerprint store --out corpus.parquet[/dim]

    Hashes of every record and none of its signal: others audit with them what they test on.
    """
    from myocard.data.leaks import write_fingerprints
    from myocard.data.store import Store

    write_fingerprints(Store.open(store).records, out)
    tell(out, out=out)


@audit.command()
def files(folders: Annotated[list[Path], Argument(help="Stores, checkpoints or features")]) -> None:
    """Hash every file that was written and name those that were altered; exit with 1 then."""
    from myocard.files.manifest import altered

    _report(
        [finding for folder in folders for finding in altered(folder)],
        f"{', '.join(map(str, folders))}: every file is as it was written",
    )


@audit.command()
def labels(
    store: StoreFolder,
    dataset: Annotated[
        str | None, Option(help="Whose published counts; the store's own by default")
    ] = None,
) -> None:
    """Compare a store's label counts with the published ones; exit with 1 where they differ."""
    from myocard.data.store import Store
    from myocard.tasks.audit import audit_labels

    opened = Store.open(store)
    shards = opened.info.get("shards", {"": opened.info}).values()
    quarantined = sum(int(each.get("quarantined", 0)) for each in shards)
    found = audit_labels(opened.records, dataset, quarantined)
    tell(f"{store}: {found.extent}", extent=found.extent)
    _report(found.findings)


@audit.command()
def privacy(store: StoreFolder) -> None:
    """List what in a store could identify a person; exit with 1 where something does by itself."""
    from myocard.data.privacy import identifying_content
    from myocard.data.store import Store

    found = identifying_content(Store.open(store))
    kinds = {True: "identifies", False: "may help to"}
    lines = [f"{kinds[each.direct]}: {each.where}: {each.told}" for each in found]
    tell(*lines, findings=[asdict(each) for each in found])
    if any(finding.direct for finding in found):
        raise Exit(1)


@audit.command()
def leak(
    corpus: Annotated[
        Path, Argument(help="An encoder, or a file that `myocard fingerprint` wrote of a corpus")
    ],
    store: StoreFolder,
    folds: Annotated[str, Option(help="Folds that are held out; all: every fold")] = "9,10",
    task: Annotated[str | None, Option(help="Only records that it keeps")] = None,
) -> None:
    """List held-out records that an encoder was pretrained on; exit with 1 where there are any."""
    from myocard.data.leaks import read_fingerprints
    from myocard.data.store import Store
    from myocard.tasks.audit import leaks, leaks_by_name
    from myocard.tasks.registry import task as task_named

    if corpus.suffix == ".parquet":
        pretrained_on = read_fingerprints(corpus)
    else:
        from myocard.cli.named import encoder_named

        pretrained_on = encoder_named(corpus).pretrained_on
    records = Store.open(store).records
    if pretrained_on.records is None:
        listed = ", ".join(pretrained_on.datasets or ())
        _report(
            leaks_by_name(pretrained_on, records),
            f"{corpus}: pretrained on {listed}, by name none of {store}; its records are not known",
        )
        return
    held_out = None if folds == "all" else numbers(folds)
    _report(
        leaks(pretrained_on.records, records, held_out, task_named(task) if task else None),
        f"{corpus}: pretrained on none of the held-out records of {store}, by waveform, id, "
        "patient or fingerprint",
    )


def _report(findings: list[str], *otherwise: str) -> None:
    tell(*(findings or otherwise), findings=findings)
    if findings:
        raise Exit(1)
