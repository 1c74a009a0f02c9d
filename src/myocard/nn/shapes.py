"""The tensors that pass between packages, and the letters of their shapes.

``leads`` C, ``samples`` S, ``patches`` N (of one lead), ``tokens`` C·(N+2) with a separator at both
ends of each lead, ``width`` D, ``layers`` L+1 with the embedding first,
``viewed`` the layers that a readout of tokens reads, ``joined`` the widths of all layers together.
"""

from jaxtyping import Float
from torch import Tensor

Signals = Float[Tensor, "batch leads samples"]
Patches = Float[Tensor, "batch leads patches patch"]
Tokens = Float[Tensor, "batch tokens width"]
LeadTokens = Float[Tensor, "batch leads patches width"]
Layers = Float[Tensor, "layers batch tokens width"]
States = Float[Tensor, "batch layers width"]
JoinedStates = Float[Tensor, "batch joined"]
ViewedTokens = Float[Tensor, "batch viewed tokens width"]
LayerWeights = Float[Tensor, "batch layers"]
Representation = Float[Tensor, "batch features"]
Loss = Float[Tensor, ""]
