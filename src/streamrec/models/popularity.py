"""The recommender that everything else must beat: what most people use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from streamrec.models.base import MatrixRecommender


@dataclass(eq=False)
class Popularity(MatrixRecommender):
    """Score of an item = number of training users who interacted with it.

    The same ranking for everybody, less what each has seen.

    >>> import pandas as pd
    >>> from streamrec.data.interactions import Interactions
    >>> df = pd.DataFrame({"user": ["a", "a", "b"], "item": [7, 9, 7]})
    >>> model = Popularity().fit(Interactions.from_frame(df))
    >>> model.recommend(["b", "new"], k=1).items.tolist()
    [[9], [7]]
    """

    def _fit(self, R: sp.csr_matrix) -> None:
        """popularity_ is learned by the base class for every model."""

    def _score_rows(self, rows: NDArray[np.intp]) -> NDArray[Any]:
        return np.tile(self.popularity_, (len(rows), 1))
