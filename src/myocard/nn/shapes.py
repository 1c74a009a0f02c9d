"""The tensors that pass between rooms, and the letters of their shapes.

``leads`` C, ``samples`` S, ``patches`` N (of one lead), ``tokens`` C·(N+2) with a separator at both
ends of each lead, ``width`` D, ``layers`` L+1 with the embedding first,
``viewed`` those layers that a readout of tokens looks at.
"""

from jaxtyping import Float
from torch import Tensor

Signals = Float[Tensor, "batch leads samples"]
Patches = Float[Tensor, "batch leads patches patch"]
Tokens = Float[Tensor, "batch tokens width"]
LeadTokens = Float[Tensor, "batch leads patches width"]
Layers = Float[Tensor, "layers batch tokens width"]
States = Float[Tensor, "batch layers width"]
ViewedTokens = Float[Tensor, "batch viewed tokens width"]
LeadStates = Float[Tensor, "batch layers leads width"]
LayerWeights = Float[Tensor, "batch layers"]
Representation = Float[Tensor, "batch features"]
