"""Measures of states that need no labels: effective rank, entropy, alignment, similarity.

Spectra are computed in float64, whatever the states come in.
"""

from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

_FLOOR = 1e-4  # of LiDAR's within-class variance, as in its paper


def effective_rank(states: Float[Tensor, "records width"]) -> float:
    """Compute RankMe: exp of the entropy of the singular values' shares (arXiv 2210.02885, eq. 1).

    Between 1 and the lesser of records and width. States are not centred, so that a collapse to one
    point counts as rank 1; a large common mean hides the rest, and the caller may take it away.
    """
    return _spread(torch.linalg.svdvals(states.double())).exp().item()


def matrix_entropy(rows: Float[Tensor, "*batch rows width"]) -> Float[Tensor, "*batch"]:
    """Compute the von Neumann entropy (nats) of the Gram matrix (arXiv 2502.02013, eq. 1).

    The matrix is scaled to trace 1. This is the limit α → 1 of the matrix-based Rényi entropy; for
    a record's tokens it is their "prompt entropy", for pooled states the "dataset entropy". Rows
    are not centred.
    """
    rows = rows.double()
    # Rows' and columns' Gram matrices have the same spectrum but for zeros.
    gram = rows.mT @ rows if rows.shape[-2] > rows.shape[-1] else rows @ rows.mT
    return _spread(torch.linalg.eigvalsh(gram).clamp(min=0))


def lidar(views: Float[Tensor, "records views width"]) -> float:
    """Compute the effective rank of the discriminants between records (LiDAR, arXiv 2312.04000).

    Each record is a class, and its views (crops) are the members: the spectrum of
    Σ_w^(-1/2) Σ_b Σ_w^(-1/2). To Σ_w the paper adds 1e-4; here it is 1e-4 of the mean variance, so
    that the scale of a layer does not count.
    """
    views = views.double()
    centres = views.mean(dim=1)
    between = _covariance(centres - centres.mean(dim=0))
    within = _covariance((views - centres[:, None]).flatten(0, 1))
    floor = _FLOOR * (between + within).diagonal().mean()
    within = within + floor * torch.eye(len(within), dtype=within.dtype, device=within.device)
    root = torch.linalg.cholesky(within)
    half = torch.linalg.solve_triangular(root, between, upper=False)
    whitened = torch.linalg.solve_triangular(root, half.mT, upper=False)
    return _spread(torch.linalg.eigvalsh(whitened).clamp(min=0)).exp().item()


def linear_cka(layers: Iterable[Float[Tensor, "records _"]]) -> Float[Tensor, "layers layers"]:
    """Compute linear centred kernel alignment (CKA) of all pairs of layers (arXiv 1905.00414).

    With the unbiased estimate of HSIC (Song et al. 2012, eq. 5; Nguyen et al. 2021), which does not
    rise to 1 when there are fewer records than dimensions. Needs four records or more. Layers may
    differ in width.
    """
    grams = torch.stack([layer @ layer.mT for layer in (each.double() for each in layers)])
    count = grams.shape[-1]
    grams = grams - torch.diag_embed(grams.diagonal(dim1=-2, dim2=-1))
    means = grams.sum(dim=-1, keepdim=True) / (count - 2)
    total = grams.sum(dim=(-2, -1), keepdim=True) / ((count - 1) * (count - 2))
    centred = grams - means - means.mT + total
    centred = centred - torch.diag_embed(centred.diagonal(dim1=-2, dim2=-1))
    flat = centred.flatten(1)
    products = flat @ flat.T
    norms = products.diagonal().sqrt()
    return products / (norms[:, None] * norms)


def token_similarity(tokens: Float[Tensor, "batch tokens width"]) -> Float[Tensor, " batch"]:
    """Compute the mean cosine similarity of two different tokens of a record (over-smoothing).

    1 where all tokens point the same way (Shi et al., arXiv 2202.08625).
    """
    count = tokens.shape[1]
    total = normalize(tokens.double(), dim=-1).sum(dim=1).square().sum(dim=-1)
    return (total - count) / (count * (count - 1))


def _spread(values: Float[Tensor, "*batch values"]) -> Float[Tensor, "*batch"]:
    """Compute the entropy (nats) of shares of values, none negative; 0 where all are zero."""
    total = values.sum(dim=-1, keepdim=True)
    shares = values / torch.where(total > 0, total, 1)
    return -torch.special.xlogy(shares, shares).sum(dim=-1)


def _covariance(centred: Float[Tensor, "rows width"]) -> Float[Tensor, "width width"]:
    return centred.mT @ centred / len(centred)
