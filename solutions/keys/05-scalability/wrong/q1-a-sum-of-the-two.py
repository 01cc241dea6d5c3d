"""q1, a sum of the two: 2 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def least_seconds(B, N, D, bytes_each, peak, bandwidth):
    if min(B, N, D, bytes_each, peak, bandwidth) <= 0:
        raise ValueError("sizes and rates must be positive")
    moved = bytes_each * (B * D + N * D + B * N)
    return 2 * B * N * D / peak + moved / bandwidth
