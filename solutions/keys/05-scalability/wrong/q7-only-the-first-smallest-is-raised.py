"""q7, only the first smallest is raised: 0 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def conservative(places, w):
    places = np.asarray(places)
    d = places.shape[1]
    table, row = np.zeros((d, w), int), np.arange(d)
    for columns in places:
        j = table[row, columns].argmin()
        table[j, columns[j]] += 1
    return table
