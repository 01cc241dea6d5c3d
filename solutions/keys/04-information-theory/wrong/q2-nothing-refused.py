"""q2, nothing refused: 4 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def codewords(lengths):
    top, start = max(lengths), 0
    words = [""] * len(lengths)
    for k in sorted(range(len(lengths)), key=lambda j: lengths[j]):
        words[k] = format(start >> (top - lengths[k]), f"0{lengths[k]}b")
        start += 2 ** (top - lengths[k])
    return words


def decode(bits, words):
    outcome, out, word = {w: k for k, w in enumerate(words)}, [], ""
    for bit in bits:
        word += bit
        if word in outcome:
            out.append(outcome[word])
            word = ""
    return out
