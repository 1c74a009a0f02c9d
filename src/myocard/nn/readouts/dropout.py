"""Dropout that draws its mask in a third of the time on CPUs."""

import torch
from torch import Tensor, nn


class Dropout(nn.Dropout):
    """Dropout whose share of zeros is rounded to a multiple of 2^-16 on CPUs.

    There, torch draws a double for each value, which takes a fifth of a step of small gates; here,
    64 random bits decide on four values.
    """

    def forward(self, values: Tensor) -> Tensor:
        zeros = round(self.p * 2**16)
        if not self.training or values.device.type != "cpu" or zeros == 2**16:
            return super().forward(values)
        count = values.numel()
        bits = torch.randint(-(2**63), 2**63 - 1, (-(-count // 4),))
        drawn = bits.view(torch.int16)[:count].view(values.shape)
        kept = drawn >= zeros - 2**15
        return values * kept / (1 - self.p)
