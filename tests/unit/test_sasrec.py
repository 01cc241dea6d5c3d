"""Attention of the self-attentive recommender against PyTorch's kernel and by hand."""

from __future__ import annotations

import math

import torch

from streamrec.models.sasrec import attend, slopes


def test_attention_equals_the_fused_kernel():
    g = torch.Generator().manual_seed(0)
    Q, K, V = (torch.randn(3, 2, 9, 5, generator=g, dtype=torch.float64) for _ in "QKV")
    fused = torch.nn.functional.scaled_dot_product_attention(Q, K, V, is_causal=True)
    torch.testing.assert_close(attend(Q, K, V), fused, rtol=1e-12, atol=1e-12)
    m, i = slopes(2).double(), torch.arange(9.0, dtype=torch.float64)
    C = (m * (i - i[:, None])).masked_fill(i > i[:, None], -torch.inf)
    fused = torch.nn.functional.scaled_dot_product_attention(Q, K, V, attn_mask=C)
    torch.testing.assert_close(attend(Q, K, V, m), fused, rtol=1e-12, atol=1e-12)


def test_each_head_forgets_four_times_slower():
    assert slopes(3).shape == (3, 1, 1)
    assert slopes(3).flatten().tolist() == [1 / 4, 1 / 16, 1 / 64]


def test_forgetting_alone_gives_geometric_weights():
    V = torch.eye(4)
    weights = attend(torch.zeros(4, 1), torch.zeros(4, 1), V, math.log(2))
    expected = torch.tensor([1.0, 2.0, 4.0, 8.0]) / 15
    torch.testing.assert_close(weights[3], expected)


def test_equal_queries_average_the_past():
    V = torch.randn(1, 6, 3)
    expected = V.cumsum(1) / torch.arange(1, 7)[:, None]
    torch.testing.assert_close(attend(torch.zeros(1, 6, 3), V, V), expected)
