"""Best layer and mixture of an encoder: with myocard, and with scikit-learn and torch alone.

    .venv/bin/python docs/experiments/plain_mixture.py [RECORDS]

Both start from the same arrays of simulated ECGs (12 leads, 500 Hz, mV), the weights of
``ecg-nano``, labels (normal or not) and patients. Both encode every record once, choose a layer on
held-out patients, solve one share a layer together with a head, and predict patients who are in no
other part. Lines are those of code, without imports, docstrings, comments and blanks.
"""

import ast
import inspect
import sys
import time
from collections.abc import Callable

import numpy as np
import torch
from scipy.signal import butter, resample_poly, sosfiltfilt
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold, GroupShuffleSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

import myocard
from myocard.leads import LEADS
from myocard.metrics.summary import summarise
from myocard.simulation import simulate

PENALTIES = (1e-3, 1e-2, 1e-1, 1.0)
PULLS = (0.1, 0.03, 0.01, 0.003, 0.0)


def ours(arrays, labels, patients, train, test):
    """Return probabilities of the test records by the best layer and by the mixture, and shares."""
    layers = myocard.ECGLayers(rate=500, leads=LEADS, unit="mV")
    states = layers.fit_transform(arrays).reshape(len(arrays), layers.n_layers_, -1)
    known = states[train], labels[train], patients[train]
    mixture = myocard.LayerMixture(norm="layer").fit(*known)
    best = int(mixture.layer_curve_.argmax())
    probe = myocard.LayerProbe(best, norm="layer", layer_curve=False).fit(*known)
    found = [each.predict_proba(states[test])[:, 1] for each in (probe, mixture)]
    return best, found, mixture.layer_weights_[1:]


def plain(arrays, labels, patients, train, test):
    """Do the same without myocard but for its weights."""
    network = myocard.from_pretrained().encoder.network
    states = plain_states(network, plain_signals(arrays))
    known = states[train], labels[train], patients[train]
    best, probe = plain_best_layer(network.norm, *known)
    shares, predict = plain_mixture(network.norm, *known)
    own = normed(network.norm, states[test][:, best])
    return best, [probe.predict_proba(own)[:, 1], predict(states[test])], shares


def plain_signals(arrays):
    order = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6", "III", "aVR", "aVL", "aVF")
    slow = resample_poly(arrays[:, [LEADS.index(lead) for lead in order]], 1, 5, axis=-1)
    band = butter(5, [0.5, 40.0], "bandpass", fs=100, output="sos")
    found = sosfiltfilt(band, slow, axis=-1)
    found -= found.mean(axis=-1, keepdims=True)
    found /= found.std(axis=-1, keepdims=True)
    return torch.from_numpy(found.astype(np.float32))


@torch.inference_mode()
def plain_states(network, signals):
    kept = []
    order = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6", "III", "aVR", "aVL", "aVF")

    def keep(tokens):
        by_lead = tokens.unflatten(1, (12, -1))[:, :, 1:-1]
        kept[-1].append(by_lead.mean(dim=(1, 2)))

    hooks = [network.blocks[0].register_forward_pre_hook(lambda block, given: keep(given[0]))]
    for block in network.blocks:
        hooks.append(block.register_forward_hook(lambda block, given, tokens: keep(tokens)))
    for some in signals.split(64):
        kept.append([])
        network(some, order)
    for hook in hooks:
        hook.remove()
    return torch.cat([torch.stack(each, dim=1) for each in kept]).numpy()


@torch.inference_mode()
def normed(norm, states):
    return norm(torch.from_numpy(states)).numpy()


def plain_best_layer(norm, states, labels, patients):
    fold = GroupShuffleSplit(1, test_size=0.2, random_state=0)
    fitted, held = next(fold.split(states, labels, patients))
    scores = {}
    for layer in range(states.shape[1]):
        own = normed(norm, states[:, layer])
        for penalty in PENALTIES:
            regression = LogisticRegression(C=1 / (penalty * len(fitted)), max_iter=1000)
            model = make_pipeline(StandardScaler(), regression).fit(own[fitted], labels[fitted])
            told = model.predict_proba(own[held])[:, 1]
            scores[layer, penalty] = roc_auc_score(labels[held], told)
    layer, penalty = max(scores, key=scores.get)
    regression = LogisticRegression(C=1 / (penalty * len(labels)), max_iter=1000)
    return layer, make_pipeline(StandardScaler(), regression).fit(
        normed(norm, states[:, layer]), labels
    )


class PlainMixture(nn.Module):
    def __init__(self, norm, layers, width):
        super().__init__()
        self.norm = norm.requires_grad_(False)
        self.scores = nn.Parameter(torch.zeros(layers - 1))
        self.scale = nn.BatchNorm1d(width, affine=False)
        self.head = nn.Linear(width, 1)

    def forward(self, states):
        mixed = torch.einsum("l,nld->nd", self.scores.softmax(dim=0), states[:, 1:])
        return self.head(self.scale(self.norm(mixed)))[:, 0]


def plain_fit(norm, states, labels, penalty, pull):
    """Pull shares toward equal ones; None holds them there."""
    model = PlainMixture(norm, *states.shape[1:])
    model.scores.requires_grad_(pull is not None)
    own = [parameter for parameter in model.parameters() if parameter.requires_grad]
    adam = torch.optim.LBFGS(own, max_iter=200, line_search_fn="strong_wolfe")
    given, told = torch.from_numpy(states), torch.from_numpy(labels).float()
    model.scale.momentum = None

    def closure():
        adam.zero_grad()
        shares = model.scores.softmax(dim=0)
        divergence = (shares * (shares * len(shares)).log()).sum()
        loss = nn.functional.binary_cross_entropy_with_logits(model(given), told)
        loss = loss + penalty * model.head.weight.square().sum() / 2 + (pull or 0.0) * divergence
        loss.backward()
        return loss

    adam.step(closure)
    model.scale.reset_running_stats()
    with torch.no_grad():
        model(given)
    return model.eval()


@torch.no_grad()
def plain_predict(model, states):
    return model(torch.from_numpy(states)).sigmoid().numpy()


def plain_mixture(norm, states, labels, patients):
    folds = list(GroupKFold(5).split(states, labels, patients))

    def scores_of(penalty, pull):
        found = []
        for fitted, held in folds:
            model = plain_fit(norm, states[fitted], labels[fitted], penalty, pull)
            found.append(roc_auc_score(labels[held], plain_predict(model, states[held])))
        return np.array(found)

    penalty = max(PENALTIES, key=lambda each: scores_of(each, None).mean())
    steps = (None, *PULLS)
    scores = np.stack([scores_of(penalty, pull) for pull in steps])
    lost = scores[scores.mean(axis=1).argmax()] - scores
    errors = lost.std(axis=1, ddof=1) / np.sqrt(len(folds))
    step = int(np.argmax(lost.mean(axis=1) <= errors))
    model = plain_fit(norm, states, labels, penalty, steps[step])
    shares = model.scores.detach().softmax(dim=0).numpy()
    return shares, lambda others: plain_predict(model, others)


def lines(*parts: Callable) -> int:
    """Count lines of code."""
    tree = ast.parse("\n".join(inspect.getsource(part) for part in parts))
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node):
            node.body = node.body[1:]
    return len(ast.unparse(tree).split("\n")) - ast.unparse(tree).split("\n").count("")


def main() -> None:
    torch.set_num_threads(1)
    count = int(sys.argv[1]) if sys.argv[1:] else 400
    drawn = [simulate(0, index) for index in range(count)]
    arrays = np.stack([each.record.signal for each in drawn])
    labels = np.array(["NORM" in each.findings for each in drawn]).astype(int)
    patients = np.array([each.patient for each in drawn])
    fold = GroupShuffleSplit(1, test_size=0.4, random_state=0)
    train, test = next(fold.split(arrays, labels, patients))
    print(f"{count} records, {labels.sum()} normal; {len(train)} to fit, {len(test)} to test")
    theirs = (plain, plain_signals, plain_states, normed, plain_best_layer, PlainMixture)
    theirs += (plain_fit, plain_predict, plain_mixture)
    for name, do, parts in (("myocard", ours, (ours,)), ("plain", plain, theirs)):
        began = time.process_time()
        best, found, shares = do(arrays, labels, patients, train, test)
        spent = time.process_time() - began
        print(f"{name}: {lines(*parts)} lines, {spent:.0f} s of CPU, best layer {best}")
        for what, scores in zip(("best layer", "mixture"), found, strict=True):
            area = summarise(
                labels[test][:, None], scores[:, None], ("normal",), groups=patients[test]
            ).main.macro
            print(f"  {what}: AUROC {area.value:.3f} [{area.low:.3f}, {area.high:.3f}]")
        print("  shares of layers 1 to 8:", " ".join(f"{share:.2f}" for share in shares))


if __name__ == "__main__":
    main()
