"""Train JEPA for some steps and see whether it collapses: targets and initialisation compared.

    .venv/bin/python docs/experiments/jepa.py out

``out`` is that of `myocard benchmark ptbxl-local`. Pretraining on folds 1 to 5 of PTB-XL; ridge
probes of every layer are trained there too and tested on folds 7 to 10. One seed.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from sklearn.linear_model import RidgeCV
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch.nn.functional import layer_norm

from myocard.data.batches import Part, Shuffled, Windows, in_order, shuffled
from myocard.data.leaks import nothing_known
from myocard.data.store import Store
from myocard.encoders.protocol import pooled_states
from myocard.models.checkpoint import load_encoder
from myocard.nn.analysis.representation import effective_rank
from myocard.nn.encoder import Encoder, align, patch_tokens
from myocard.nn.objectives import predictive
from myocard.nn.objectives.decoders import Decoder, DecoderShape
from myocard.nn.objectives.masked import last_layer
from myocard.nn.objectives.momentum import follow
from myocard.nn.sizes import SIZES
from myocard.recipe import Optimisation, ProbeRecipe, check
from myocard.tasks.cohort import assemble_for
from myocard.training.loop import fit

STEPS, BATCH = 300, 16


@torch.no_grad()
def of_tokens(encoder, signals, leads):
    """Targets as published: each token scaled to mean 0 and variance 1."""
    last = last_layer(encoder.layers(encoder.tokens(signals, leads)), encoder.norm)
    return layer_norm(patch_tokens(last, len(leads)).float(), last.shape[-1:])


VARIANTS = {
    "published": (of_tokens, False),
    "aligned start": (of_tokens, True),
    "aligned start, over records": (predictive.latents, True),
}


def main() -> None:
    out = Path(sys.argv[1])
    torch.set_num_threads(1)
    store = Store.joined(
        Path("ptbxl"), [Store.open(out / "stores" / name) for name in ("ptbxl_z", "ptbxl_100")]
    )
    like, folds = load_encoder(out / "encoders" / "plain-0"), store.records["fold"].to_numpy()
    given = {"task": "ptbxl-superdiagnostic", "min_positives": 5}
    cohort = assemble_for(
        check(ProbeRecipe, given, "jepa"), store.records, nothing_known(store.records)
    )
    labelled = np.sort(np.concatenate(list(cohort.rows.values())))
    corpus = np.flatnonzero(folds <= 5)
    train, test = (labelled[chosen] for chosen in (folds[labelled] <= 5, folds[labelled] >= 7))
    for name, (targets, aligned) in VARIANTS.items():
        predictive.latents = targets
        torch.manual_seed(0)
        encoder = Encoder(like.network.shape)
        predictor = Decoder(
            encoder, DecoderShape(*SIZES["nano"].decoder), outputs=encoder.shape.width
        )
        model = predictive.JEPA(encoder, predictor, mask_ratio=0.75)
        if aligned:
            model.apply(align)
            follow(model.target_encoder, model.encoder, 0.0)
        loss = trained(model, Windows([Part(store, corpus)], like.input))

        def states(rows, encoder=encoder):
            own = type(like)("jepa", encoder.eval(), like.input, like.pretrained_on)
            parts = in_order(Windows([Part(store, rows)], like.input), 64)
            with torch.no_grad():
                return torch.cat([encoder.norm(pooled_states(own, x)) for x in parts])

        last = states(corpus[:256])[:, -1]
        last = last - last.mean(dim=0)
        inputs, tested = states(train).numpy(), states(test).numpy()
        areas = []
        for layer in range(inputs.shape[1]):
            ridge = make_pipeline(StandardScaler(), RidgeCV(np.logspace(0, 5, 11)))
            ridge.fit(inputs[:, layer], cohort.targets[train].astype(float))
            areas.append(roc_auc_score(cohort.targets[test], ridge.predict(tested[:, layer])))
        print(
            f"{name}: loss {loss:.3f}, deviation {last.std(dim=0).mean():.3f}, effective rank "
            f"{effective_rank(last):.1f}, AUROC by layer {np.round(areas, 3)}",
            flush=True,
        )


def trained(model: predictive.JEPA, windows: Windows) -> float:
    """Train for ``STEPS``; the last loss."""
    order, losses = Shuffled(len(windows), BATCH, 0), []
    settings = Optimisation(
        epochs=STEPS / order.steps_per_epoch, warmup_epochs=1.5, batch=BATCH,
        base_learning_rate=3.2e-2, weight_decay=0.01, betas=(0.9, 0.95), precision="fp32",
    )  # fmt: skip
    leads = windows.preprocessing.leads
    fit(
        model,
        loss=lambda module, signals: module(signals, leads).loss,
        batches=lambda numbers: shuffled(windows, order, numbers),
        steps_per_epoch=order.steps_per_epoch,
        settings=settings,
        report=lambda done: losses.append(done.loss),
    )
    return losses[-1]


if __name__ == "__main__":
    main()
