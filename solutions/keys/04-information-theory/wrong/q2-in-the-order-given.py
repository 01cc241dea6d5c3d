"""q2, in the order given: 3 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def codewords(lengths):
    top = max(lengths)
    if sum(2 ** (top - v) for v in lengths) > 2**top:
        raise ValueError("impossible lengths")
    words, start = [], 0
    for v in lengths:
        words.append(format(start >> (top - v), f"0{v}b"))
        start += 2 ** (top - v)
    return words
