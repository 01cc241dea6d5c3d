"""The written-out step of the GRU against PyTorch's kernel."""

from __future__ import annotations

import torch

from streamrec.models.gru import gru_step


def test_the_step_of_the_gru_is_the_kernels():
    g = torch.Generator().manual_seed(0)
    gru_kernel = torch.nn.GRU(4, 3, batch_first=True)
    x = torch.randn(2, 7, 4, generator=g)
    h, W = torch.zeros(2, 3), dict(gru_kernel.named_parameters())
    names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    states = []
    for t in range(7):
        h = gru_step(x[:, t], h, *(W[n] for n in names))
        states.append(h)
    torch.testing.assert_close(torch.stack(states, 1), gru_kernel(x)[0])
