"""The project tracks: a learner's package, its reference, its criteria, its key.

``streamrec project new`` lays a package out (:mod:`streamrec.tracks.layout`), ``project
check`` runs its criteria (:mod:`streamrec.tracks.check`), and ``project key`` writes
what ``streamrec grade run`` needs (:mod:`streamrec.tracks.key`). None of this is there
while a project is graded: a part then stands on its own.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any


def fallback(function: Callable[..., Any]) -> Callable[..., Any]:
    """The learner's function, or the reference's where it is not written yet.

    Not written means that it raises ``NotImplementedError``.

    Parameters
    ----------
    function : a function of a project's module; the reference's has the same name.

    Examples
    --------
    >>> def ndcg(ranked, relevant, k):
    ...     raise NotImplementedError
    >>> fallback(ndcg)([[3, 1]], [[3]], 2).tolist()
    [1.0]
    """

    @functools.wraps(function)
    def either(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except NotImplementedError:
            from streamrec.tracks.milestones import reference_of

            return reference_of(function.__name__)(*args, **kwargs)

    return either
