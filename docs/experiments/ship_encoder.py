"""Write a pretrained encoder into the package, in half precision and without its decoder.

Its card ends with the file beside this one that is called as the encoder.

.venv/bin/python docs/experiments/ship_encoder.py out/encoders/ecg-nano
"""

import sys
from dataclasses import replace
from pathlib import Path

from myocard.models.checkpoint import Checkpoint

SHIPPED = Path(__file__).parents[2] / "src/myocard/models/shipped"


def main() -> None:
    checkpoint = Checkpoint.load(Path(sys.argv[1]))
    encoder = checkpoint.encoder
    # Folders of the machine that it was made on say nothing elsewhere.
    stores = {Path(folder).name: key for folder, key in encoder.origin.stores.items()}
    origin = encoder.origin.model_copy(update={"stores": stores})
    halved = replace(encoder, network=encoder.network.half(), origin=origin)
    folder = SHIPPED / encoder.name
    Checkpoint(halved, {}).save(folder)
    card = folder / "README.md"
    card.write_text(card.read_text() + Path(__file__).with_name(f"{encoder.name}.md").read_text())
    print(*sorted(folder.iterdir()), sep="\n")


if __name__ == "__main__":
    main()
