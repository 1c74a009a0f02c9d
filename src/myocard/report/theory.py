"""What is measured of a layer, and in two sentences why; docs/theory.md says it in full."""

from typing import NamedTuple


class Measure(NamedTuple):
    """A panel of the anatomy's figure.

    Attributes:
        key: As in ``layers.json``.
        label: Its title.
        unit: At its axis.
        theory: What it is and why it might matter, with the source.
    """

    key: str
    label: str
    unit: str
    theory: str


MEASURES = (
    Measure(
        "auroc",
        "Linear probe",
        "Macro AUROC",
        "A linear classifier trained on a layer's pooled states (Alain and Bengio, "
        "arXiv 1610.01644). It tells how much of the label can be read off without further "
        "computation, not how much is there.",
    ),
    Measure(
        "effective_rank",
        "Effective rank of records (RankMe)",
        "Directions",
        "The exponential of the entropy of the shares of the pooled states' singular values, here "
        "of states less their mean (RankMe, Garrido et al., arXiv 2210.02885). A linear head reads "
        "no more directions than there are, and among self-supervised encoders a higher rank went "
        "with better probes.",
    ),
    Measure(
        "state_entropy",
        "Entropy of records",
        "Nats",
        "The von Neumann entropy of the Gram matrix of the centred pooled states, the matrix-based "
        "entropy at α = 1 over a data set (Skean et al., arXiv 2502.02013). It weighs directions "
        "by variance, where RankMe weighs them by its root, and so attends to the large ones.",
    ),
    Measure(
        "lidar",
        "Directions that tell records apart (LiDAR)",
        "Directions",
        "The effective rank of the linear discriminants between records, whose two halves count as "
        "views of the same (LiDAR, Thilak et al., arXiv 2312.04000). Directions in which a record "
        "differs from itself do not count, so that it can fall where the plain rank rises.",
    ),
    Measure(
        "token_entropy",
        "Entropy of a record's tokens",
        "Nats",
        "The same entropy over the tokens of one record, averaged over records (prompt entropy, "
        "Skean et al., arXiv 2502.02013). A dip is a layer that compresses; in autoregressive "
        "language models the middle layers dip, and are the best read.",
    ),
    Measure(
        "token_similarity",
        "Similarity of a record's tokens",
        "Cosine",
        "The mean cosine similarity of two tokens of a record (Shi et al., arXiv 2202.08625). "
        "Attention averages, and stacked without residuals it turns all tokens into one (Dong et "
        "al., arXiv 2103.03404): what is over-smoothed has lost where and when.",
    ),
    Measure(
        "attention_entropy",
        "Entropy of attention",
        "Nats",
        "The mean entropy of a patch's attention weights; the logarithm of the number of tokens is "
        "attention to everything alike (Zhai et al., arXiv 2303.06296). Low entropy is a block "
        "that picks, high entropy one that averages.",
    ),
    Measure(
        "attention_seconds",
        "Reach of attention in time",
        "Seconds",
        "The mean distance in time from a patch to the patches it attends to, in any lead (for "
        "images Dosovitskiy et al., arXiv 2010.11929; Raghu et al., arXiv 2108.08810). Short is "
        "one beat, long is rhythm.",
    ),
    Measure(
        "attention_across",
        "Attention to other leads",
        "Share",
        "The share of other leads in the attention that goes to patches; with twelve leads, 11/12 "
        "is chance. The leads are projections of one source (ST-MEM, Na et al., arXiv 2402.09450), "
        "so that a hidden patch is best told from the same moment in another lead.",
    ),
    Measure(
        "attention_separators",
        "Attention to separators",
        "Share",
        "The share of attention that goes to the separators, which carry no signal (sinks: Xiao et "
        "al., arXiv 2309.17453; Darcet et al., arXiv 2309.16588). A head with nothing to add rests "
        "there.",
    ),
    Measure(
        "r2_own",
        "Reconstruction of a token's own patch",
        "R²",
        "How much of the variance of the standardised patch a ridge regression from its normed "
        "token explains, on held-out records. It falls where the token gives up its own waveform "
        "for context, and rises again where the encoder turns to drawing, as masked autoencoders "
        "are said to (after He et al., arXiv 2111.06377, section 4.1).",
    ),
    Measure(
        "r2_hidden",
        "Reconstruction of the hidden patch behind",
        "R²",
        "The same for the hidden patch behind a visible one, with three quarters masked: what the "
        "pretraining asks for. The last layers of a masked autoencoder specialise in it at the "
        "expense of recognition (He et al., arXiv 2111.06377, section 4.1).",
    ),
)

ALIGNMENT = (
    "Centred kernel alignment: the normalised similarity of the records' Gram matrices in two "
    "layers, with the unbiased estimate of HSIC (Kornblith et al., arXiv 1905.00414; Nguyen et "
    "al., arXiv 2010.15327). It does not change with rotation and scale, so it says whether two "
    "layers arrange the records alike, however each writes it down."
)
