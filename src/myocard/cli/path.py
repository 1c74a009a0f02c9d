"""The main path to the states of every layer: records, an encoder, features."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from myocard.cli import options
from myocard.cli.options import app
from myocard.cli.output import tell
from myocard.cli.progress import shown
from myocard.errors import InputError

if TYPE_CHECKING:
    from myocard.data.signal import Preprocessing


@app.command(rich_help_panel=options.MAIN)
def prepare(
    source: Annotated[str, Argument(help="Layout of the folder: ptbxl-500, folder, files …")],
    folder: Annotated[Path, Argument(help="The vendor's folder, as downloaded")],
    out: options.Out,
    preset: Annotated[
        str | None,
        Option(help="Rate, filter and leads of an encoder: stmem, or ecgsoup by default"),
    ] = None,
    like: Annotated[
        Path | None, Option(help="Take them from this checkpoint or recipe instead")
    ] = None,
    highpass: Annotated[float | None, Option(help="Hz, over the preset's")] = None,
    lowpass: Annotated[float | None, Option(help="Hz, over the preset's")] = None,
    raw: Annotated[
        bool,
        Option("--raw", help="As recorded, for all encoders that filter and resample themselves"),
    ] = False,
    leads: Annotated[str | None, Option(help="Such as I,II,V2; all by default")] = None,
    seconds: Annotated[float, Option(min=0.1, help="Length of a record")] = 10.0,
    step: Annotated[
        float | None,
        Option(help="Seconds from a window of a long record to the next; its middle by default"),
    ] = None,
    rename: options.Rename = None,
    allow: Annotated[
        list[str] | None, Option(help="Keep, flagged: flat_lead, duplicate, wrong_unit")
    ] = None,
    strict: Annotated[
        bool, Option("--strict", help="Refuse codes in no table, in place of counting them")
    ] = False,
    salt: Annotated[
        Path | None, Option(help="File of a key for pseudonyms of patients; your own by default")
    ] = None,
    keep_identifiers: Annotated[
        bool, Option("--keep-identifiers", help="Keep names and numbers of patients")
    ] = False,
    filtered: Annotated[
        bool, Option("--filtered", help="The records come through that filter; do not filter again")
    ] = False,
    standardise: Annotated[
        str | None,
        Option(help="z-score while preparing, so that unlike units can be joined: lead or record"),
    ] = None,
    dataset: Annotated[
        str | None, Option(help="Within which an id or patient is one; the source's by default")
    ] = None,
    split_seed: Annotated[int, Option(help="For sources without published folds")] = 0,
    shard: Annotated[
        str, Option(help="3/16: every sixteenth patient, for one of 16 machines")
    ] = "1/1",
    jobs: Annotated[int, Option(help="Processes; -1 for one a core")] = -1,
) -> None:
    """Read a vendor's folder into a store.
    [dim]myocard prepare ptbxl-500 /data/ptb-xl --out store[/dim]

    Records that cannot be used are listed in quarantine.csv.
    """
    from myocard.data import labels
    from myocard.data.formats.joining import parse_rename
    from myocard.data.preparation import UNKNOWN, prepare_folder, told_unknown
    from myocard.data.preparation.identity import Policy
    from myocard.data.pseudonyms import read_salt

    names = leads.split(",") if leads else None
    expected = _expected(raw, preset, like, (highpass, lowpass), names)
    with shown() as progress:
        store = prepare_folder(
            source,
            folder,
            out,
            expected,
            seconds=seconds,
            step=step,
            leads=names,
            allow=allow or (),
            strict=strict,
            rename=parse_rename(rename or ()),
            policy=Policy(None if salt is None else read_salt(salt), keep_identifiers),
            filtered=filtered,
            standardise=standardise,
            dataset=dataset,
            split_seed=split_seed,
            shard=_share(shard),
            jobs=jobs,
            progress=progress,
        )
    records, quarantined = store.records, store.info["quarantined"]
    flagged = int((records["flags"] != "").sum())
    told = f"{len(records):,} records, {flagged:,} of them in {out / 'flags.csv'}"
    tell(
        f"{out}: {told}, {quarantined:,} others in {out / 'quarantine.csv'}",
        out=out,
        records=len(records),
        flagged=flagged,
        quarantined=quarantined,
    )
    unknown = labels.unknown(records["codes"].map(list))
    if unknown:
        line = f"codes in no table, kept: {told_unknown(unknown)} ({out / UNKNOWN})"
        tell(line, unknown_codes=unknown)


def _expected(
    raw: bool,
    preset: str | None,
    like: Path | None,
    filters: tuple[float | None, float | None],
    leads: list[str] | None,
) -> "Preprocessing | None":
    """Return the form that a store is to have: as recorded, as a preset's or as an encoder's."""
    from myocard.recipe import InputSettings, check, read_input

    if raw and (preset, like, *filters) != (None, None, None, None):
        raise InputError("--raw takes records as they are; leave preset, --like and filter out")
    if like is not None and filters != (None, None):
        raise InputError("--like takes the filter from the checkpoint; leave the others out")
    if raw:
        return None
    if like is None:
        highpass, lowpass = filters
        chosen = {
            "preset": preset or "ecgsoup",
            "highpass": highpass,
            "lowpass": lowpass,
            "leads": leads,
        }
        return check(InputSettings, chosen, "prepare").preprocessing()
    if like.suffix.lower() == ".toml":
        return read_input(like)
    from myocard.cli.named import encoder_named

    return encoder_named(like).input


def _share(shard: str) -> tuple[int, int]:
    try:
        number, count = map(int, shard.split("/"))
    except ValueError as error:
        raise InputError(f"--shard {shard}: give a number and their count, as 3/16") from error
    return number, count


@app.command(rich_help_panel=options.MAIN)
def pretrain(
    recipe: options.RecipeFile,
    store: Annotated[
        list[str], Option(help="Folder of a store, or NAME=FOLDER as the recipe names it")
    ],
    out: options.Out,
    change: options.Changes = None,
    fsdp: Annotated[
        bool, Option("--fsdp", help="A part of the weights in each process, not all")
    ] = False,
    log: options.Log = None,
) -> None:
    """Pretrain an encoder without labels.
    [dim]myocard pretrain ipastmem --store store --out encoder[/dim]

    The recipe names the objective; a run that was stopped is taken up again.
    """
    from myocard.data.store import Store
    from myocard.pretraining.pretrain import pretrain as make
    from myocard.recipe import PretrainRecipe, read_recipe

    settings, tracking = read_recipe(recipe, PretrainRecipe, change or ()), options.tracking(log)
    stores = {name: Store.open(folder) for name, folder in _named(store).items()}
    with shown() as progress:
        made = make(settings, stores, out, progress=progress, fsdp=fsdp, tracking=tracking)
    rank = made.encoder.origin.effective_rank
    if rank is not None and rank.collapsed:
        warning = f"warning: {out} collapsed: effective rank {rank.value}, see its card"
        print(warning, file=sys.stderr)
    tell(out, out=out)


def _named(stores: list[str]) -> dict[str, Path]:
    """Return folders by name; without one, a folder's own."""
    named = {}
    for given in stores:
        name, equals, folder = given.partition("=")
        path = Path(folder if equals else given)
        name = name if equals else path.name
        if name in named:
            raise InputError(f"two stores are called {name}; give them as NAME=FOLDER")
        named[name] = path
    return named


@app.command(rich_help_panel=options.MAIN)
def extract(
    checkpoint: options.Encoder,
    store: options.StoreFolder,
    out: options.Out,
    leads: Annotated[
        str | None, Option(help="Some of the encoder's, for records that have no others: I,II")
    ] = None,
    random: options.Random = None,
    batch: Annotated[
        int | None, Option(min=1, help="Records in one forward pass; by default the fastest")
    ] = None,
) -> None:
    """Keep the states of every layer.
    [dim]myocard extract encoder store --out features/mine[/dim]

    The frozen encoder runs once over the store; pooled states are kept on disk.
    """
    from myocard.cli.named import encoder_named
    from myocard.data.store import Store
    from myocard.encoders.protocol import with_only
    from myocard.evaluation.features import extract as make
    from myocard.tasks.audit import leaks_by_name

    encoder, opened = encoder_named(checkpoint), Store.open(store)
    if leads is not None:
        encoder = with_only(encoder, leads.split(","))
    if random is not None:
        encoder = encoder.randomised(random)
    for finding in leaks_by_name(encoder.pretrained_on, opened.records):
        print(f"warning: {encoder.info.name}: {finding}", file=sys.stderr)
    with shown() as progress:
        make(encoder, opened, out, batch=batch, progress=progress)
    tell(out, out=out)
