"""q2, all of one length: 5 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def codewords(lengths):
    top = max(lengths)
    if sum(2 ** (top - v) for v in lengths) > 2**top:
        raise ValueError("impossible lengths")
    return [format(k, f"0{top}b") for k in range(len(lengths))]
