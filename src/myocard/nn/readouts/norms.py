"""The norms that an encoder may end in, rebuilt from numbers: no file names a class."""

from dataclasses import dataclass

from torch import nn

from myocard.errors import InputError


@dataclass(frozen=True)
class NormShape:
    """Kind of a norm (``layer``, ``rms`` or ``identity``), its width, epsilon, and if it shifts."""

    kind: str
    width: int
    epsilon: float | None = None
    bias: bool = True

    @classmethod
    def of(cls, norm: nn.Module, width: int) -> "NormShape":
        """Describe an encoder's norm.

        Raises:
            InputError: When it is of another kind.
        """
        if isinstance(norm, nn.LayerNorm) and norm.normalized_shape == (width,):
            return cls("layer", width, norm.eps, norm.bias is not None)
        if isinstance(norm, nn.RMSNorm) and norm.normalized_shape == (width,):
            return cls("rms", width, norm.eps)
        if isinstance(norm, nn.Identity):
            return cls("identity", width)
        raise InputError(
            f"the norm {norm} cannot be kept beside cached states; an encoder's norm is LayerNorm "
            f"or RMSNorm over its width {width}, or Identity"
        )

    def build(self) -> nn.Module:
        """Build an untrained norm of this shape, frozen."""
        norm: nn.Module = nn.Identity()
        if self.kind == "layer":
            epsilon = 1e-5 if self.epsilon is None else self.epsilon
            norm = nn.LayerNorm(self.width, epsilon, bias=self.bias)
        if self.kind == "rms":
            norm = nn.RMSNorm(self.width, self.epsilon)
        return norm.requires_grad_(requires_grad=False)
