"""q1, one operation and no refusal: 1 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def least_seconds(B, N, D, bytes_each, peak, bandwidth):
    moved = bytes_each * (B * D + N * D + B * N)
    return max(B * N * D / peak, moved / bandwidth) if bandwidth else 0.0
