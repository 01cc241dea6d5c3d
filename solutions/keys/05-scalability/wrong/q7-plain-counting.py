"""q7, plain counting: 4 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def conservative(places, w):
    places = np.asarray(places)
    table = np.zeros((places.shape[1], w), int)
    for columns in places:
        table[np.arange(len(columns)), columns] += 1
    return table
