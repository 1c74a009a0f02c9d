"""Published encoders on the command line: listed, opened wherever an encoder is named, audited."""

import shutil
from pathlib import Path

import pandas as pd
import pytest
import torch

from myocard.data.preparation import prepare_folder
from myocard.data.store import FILES, Store
from myocard.encoders.merl import ResNet, ViT
from myocard.encoders.registry import cards, tell_licence
from myocard.encoders.vit import StackShape
from myocard.evaluation.features import Features
from myocard.files.manifest import STORE
from myocard.results.run import Run
from myocard.simulation import write

PROBE = """
task = "ptbxl-superdiagnostic"
min_positives = 1
resamples = 10
seeds = [0]
split = { train = [1, 2, 3, 4], validation = [5, 6, 7], test = [8, 9, 10] }
optimisation = { epochs = 1, batch = 16 }
"""


@pytest.fixture(scope="module")
def raw(tmp_path_factory) -> Path:
    """A store of forty simulated records as they were recorded, which every encoder can read."""
    folder = tmp_path_factory.mktemp("raw")
    write(folder / "records", "ptbxl", count=40)
    return prepare_folder("ptbxl-500", folder / "records", folder / "store", None, jobs=1).folder


@pytest.fixture
def place(raw, tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    torch.save(ViT(StackShape(64, 2, 1, 128), 50, 4).state_dict(), tmp_path / "merl.pth")
    (tmp_path / "raw").symlink_to(raw)
    (tmp_path / "finetune.toml").write_text(PROBE)
    (tmp_path / "probe.toml").write_text(
        f'{PROBE}readouts = ["last"]\nheads = ["linear"]\npenalties = [1e-2]'
    )
    return tmp_path


def renamed(store: Path, records: pd.DataFrame, folder: Path) -> None:
    """Copy a store whose records are called otherwise."""
    shutil.copytree(store, folder)
    records.to_parquet(folder / "records.parquet")
    STORE.write(folder, STORE.read(store, FILES), FILES)


def test_every_known_model_is_listed(myocard):
    code, out, err = myocard("encoders")
    assert (code, err) == (0, "")
    assert all(name in out for name in cards())
    assert "ecg-nano" in out
    assert "hugg" in out
    assert "CC BY-NC 4.0" in out
    assert "At hand" not in out


def test_what_is_at_hand_stands_beside_its_model(myocard, place):
    (place / "more").mkdir()
    torch.save(ResNet(4, (1, 1, 1, 1)).state_dict(), place / "more" / "resnet[red].pt")
    (place / "more" / "text.ckpt").write_text("nothing")
    code, out, err = myocard("encoders", "merl.pth", "more")
    assert (code, err) == (0, "")
    lines = {line.split("│")[1].strip(): line for line in out.splitlines() if line[:1] == "│"}
    assert "merl.pth: 2 × 64" in lines["merl-vit"]
    assert "more/resnet[red].pt: 4 ×" in lines["merl-resnet"]
    assert "ecgfounder" not in lines
    assert out.splitlines()[-1].startswith("more/text.ckpt: not a checkpoint")


def test_checkpoints_are_found_below_a_folder_of_folders(myocard, place):
    (place / "models" / "merl").mkdir(parents=True)
    (place / "merl.pth").rename(place / "models" / "merl" / "vit.pth")
    code, out, _ = myocard("encoders", "models")
    assert code == 0
    assert "models/merl/vit.pth: 2 × 64" in out


def test_a_folder_without_a_checkpoint_is_told(myocard, place):
    (place / "empty").mkdir()
    code, _, err = myocard("encoders", "empty")
    assert code == 2
    assert "empty: no checkpoint in or below it" in err


def test_a_published_file_goes_wherever_an_encoder_does(myocard, place):
    tell_licence.cache_clear()
    code, _, err = myocard("extract", "merl.pth", "raw", "--out", "features")
    assert code == 0, err
    assert err.count("MERL (ViT): code MIT, weights not stated apart from the code's: whether") == 1
    streamed = "--encoder merl.pth --store raw --out streamed"
    for words in (
        "probe probe.toml features --out probed",
        f"probe probe.toml {streamed}",
        "finetune finetune.toml merl.pth raw --out tuned",
        "prepare ptbxl-500 raw/../records --like merl.pth --jobs 1 --out like",
    ):
        code, _, err = myocard(*words.split())
        assert (code, "licence" in err) == (0, False), err
    run = Run.read(place / "probed/merl-vit/ptbxl-superdiagnostic/last-linear")
    assert (run.encoder.leak_check, run.encoder.datasets) == ("names", ("mimic-iv-ecg",))
    assert run.seen == ()
    assert not (place / "tuned" / "model").exists()
    assert Store.open(place / "like").made.samples >= 200


def test_a_file_that_is_no_encoder_is_told_in_one_line(myocard, place):
    torch.save({"a": torch.zeros(2)}, place / "other.pt")
    code, out, err = myocard("extract", "other.pt", "raw", "--out", "new")
    assert (code, out) == (2, "")
    assert err.startswith("myocard: other.pt: is of no known model; known are st-mem")
    code, _, err = myocard("extract", "st-mem", "raw", "--out", "new")
    assert code == 2
    assert err.startswith("myocard: st-mem: the weights of ST-MEM do not come with myocard; fetch")


def test_an_audit_of_names_says_what_they_tell(myocard, place):
    code, out, _ = myocard("audit", "leak", "merl.pth", "raw")
    told = "merl.pth: pretrained on mimic-iv-ecg, by name none of raw; its records are not known\n"
    assert (code, out) == (0, told)
    records = pd.read_parquet(place / "raw" / "records.parquet").assign(source="mimic-iv-ecg")
    renamed(place / "raw", records, place / "seen")
    code, out, _ = myocard("audit", "leak", "merl.pth", "seen")
    told = "pretrained on mimic-iv-ecg: has seen the records of mimic-iv-ecg\n"
    assert (code, out) == (1, told)


def test_extract_warns_of_records_that_the_encoder_has_seen_or_may_have(myocard, place):
    records = pd.read_parquet(place / "raw" / "records.parquet").assign(source="mimic-iv-ecg")
    renamed(place / "raw", records, place / "seen")
    code, _, err = myocard("extract", "merl.pth", "seen", "--out", "features/seen")
    told = "warning: merl-vit: pretrained on mimic-iv-ecg: has seen the records of mimic-iv-ecg\n"
    assert (code, err.count("warning"), told in err) == (0, 1, True)
    code, _, err = myocard("extract", "merl.pth", "seen", "--random", 0, "--out", "features/random")
    assert (code, "warning" in err) == (0, False)
    code, _, err = myocard("extract", "merl.pth", "raw", "--out", "features/raw")
    assert (code, "warning" in err) == (0, False)
    (place / "nameless.py").write_text(
        "import myocard, torch\ninput = myocard.Preprocessing(rate=100, samples=100)\n"
        "module = torch.nn.Sequential(torch.nn.Linear(100, 20))\n"
        'make = lambda: myocard.wrap(module, layers=["0"], input=input, name="nameless")\n'
    )
    code, _, err = myocard("extract", "nameless:make", "raw", "--out", "features/nameless")
    assert code == 0, err
    assert "warning: nameless: nobody says what it was pretrained on, which may be these" in err


def test_a_corpus_whose_owner_shares_its_fingerprints_is_audited(myocard, place):
    code, out, err = myocard("fingerprint", "raw", "--out", "theirs.parquet")
    assert (code, out, err) == (0, "theirs.parquet\n", "")
    code, out, _ = myocard("audit", "leak", "theirs.parquet", "raw", "--folds", "all")
    lines = out.splitlines()
    assert (code, len(lines)) == (1, 40)
    assert all(": same waveform as simulated ptbxl, site A, seed 0 " in line for line in lines)
    others = pd.read_parquet("theirs.parquet")
    others.assign(sha256="other", fingerprint="-" * 128).to_parquet("others.parquet")
    code, out, _ = myocard("audit", "leak", "others.parquet", "raw", "--folds", "all")
    assert code == 0
    assert out.startswith("others.parquet: pretrained on none of the held-out records of raw, by w")
    code, _, err = myocard("fingerprint", "raw", "--out", "theirs.parquet")
    assert (code, err.count("\n")) == (2, 1)
    assert "theirs.parquet: exists already; choose another file, or remove it" in err


def test_a_function_of_the_users_own_makes_an_encoder(myocard, place):
    code = (
        "from myocard.encoders.registry import open_published as opened\nfrom pathlib import Path\n"
    )
    (place / "my_encoder.py").write_text(f"{code}make = lambda: opened(Path('merl.pth'), 'mine')\n")
    code, _, err = myocard("extract", "my_encoder:make", "raw", "--out", "features")
    assert code == 0, err
    assert Features.open(place / "features").encoder.name == "mine"
