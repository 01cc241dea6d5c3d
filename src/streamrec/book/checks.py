"""``check`` for identities and ``claim`` for headlines.

Each prints one quiet line when true and raises when false, so a page whose formula or
headline is wrong cannot be built. Array comparisons are norm-wise (Frobenius).

Two environment variables serve the tools that run pages: ``STREAMREC_RECORD`` names a
file to which each result is appended as a line of JSON, and
``STREAMREC_ON_FAILURE=record`` lets a page go on after a failure, so that pass rates
over many seeds can be counted.
"""

from __future__ import annotations

import json
import math
import os
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

# Monte-Carlo checks allow 4.5 standard errors: two-sided probability 7e-6, so that
# thousands of checks at many seeds do not cry wolf.
MONTE_CARLO_ERRORS = 4.5


class CheckError(AssertionError):
    """A derived identity does not hold."""


class ClaimError(AssertionError):
    """A headline is not supported by its numbers."""


def _array(x: Any) -> np.ndarray:
    """Accept anything array-like, PyTorch tensors and sparse matrices included."""
    if hasattr(x, "detach"):
        x = x.detach().cpu().numpy()
    if hasattr(x, "toarray"):
        x = x.toarray()
    return np.asarray(x, dtype=complex if np.iscomplexobj(x) else float)


def _settle(
    kind: str, name: str, holds: bool, line: str, error: type[Exception]
) -> None:
    """Print the line if true, raise if false; note either for the tools that ask."""
    file = os.environ.get("STREAMREC_RECORD")
    if file:
        row = {"kind": kind, "name": name, "holds": holds, "line": line}
        with open(file, "a", encoding="utf-8") as out:
            out.write(json.dumps(row, ensure_ascii=False) + "\n")
    if not holds and os.environ.get("STREAMREC_ON_FAILURE") != "record":
        raise error(f"✗ {line}")
    print(f"{'✓' if holds else '✗'} {line}")


def _norm(x: np.ndarray) -> float:
    """Frobenius norm that neither overflows nor underflows on the way."""
    largest = float(np.max(np.abs(x), initial=0.0))
    if largest == 0 or not math.isfinite(largest):
        return largest
    return largest * float(np.linalg.norm(np.ravel(x / largest)))


def _short(x: np.ndarray) -> str:
    if x.size == 1:
        value = x.reshape(()).item()
        return f"{value:.4g}"
    return f"array{x.shape}"


def check(
    name: str,
    a: ArrayLike | Any,
    b: ArrayLike | Any,
    *,
    rtol: float | None = None,
    scale: float | ArrayLike | None = None,
    se: float | ArrayLike | None = None,
) -> None:
    """Assert that ``a`` equals ``b`` and print one line.

    Exactly one yardstick decides:

    * ``rtol`` (default 1e-9): ||a - b|| <= rtol * max(||a||, ||b||);
    * ``rtol`` with ``scale=s``: ||a - b|| <= rtol * ||s||, for a target that is zero;
    * ``se=s``: every |a - b| <= 4.5 s, where s is a Monte-Carlo standard error.

    Shapes must be equal (a scalar is compared with a scalar). NaN never passes, nor do
    empty arrays. ``a`` and ``b`` may be arrays, tensors, sparse matrices or tables. A
    target of exactly zero needs ``scale=``: without it only exact zeros pass.

    Raises
    ------
    CheckError
        If the two differ by more, have different shapes, are empty or not finite.
    ValueError
        If the yardstick cannot decide: rtol outside [0, 1), scale not positive, or
        se together with another one.

    Examples
    --------
    >>> check("one third three times", 3 * (1 / 3), 1.0, rtol=1e-12)
    ✓ one third three times: 1 = 1 (rtol 1e-12)
    """
    holds, line = _compare(_array(a), _array(b), rtol, scale, se)
    _settle("check", name, holds, f"{name}: {line}", CheckError)


def _compare(
    x: np.ndarray, y: np.ndarray, rtol: Any, scale: Any, se: Any
) -> tuple[bool, str]:
    """Whether the two agree by the chosen yardstick, and the numbers that say so."""
    if se is not None and (rtol is not None or scale is not None):
        raise ValueError("give se= alone, or rtol= with an optional scale=")
    tol = 1e-9 if rtol is None else float(rtol)
    if not 0 <= tol < 1:
        raise ValueError("rtol must lie in [0, 1): a larger one cannot fail")
    if x.shape != y.shape:
        return False, f"shapes {x.shape} and {y.shape} differ"
    if x.size == 0:
        return False, "there is nothing to compare, both are empty"
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        return False, "a value is not finite"
    if se is not None:
        return _within_errors(x, y, _array(se))
    size = max(_norm(x), _norm(y))
    label = f"rtol {tol:g}"
    if scale is not None:
        size = _norm(_array(scale))
        if not (math.isfinite(size) and size > 0):
            raise ValueError("scale must be positive and finite")
        label = f"rtol {tol:g} of {size:.3g}"
    gap = _norm(x - y)
    if not (math.isfinite(size) and gap <= tol * size):
        relative = gap / size if size else math.inf
        return False, (
            f"{_short(x)} and {_short(y)} differ by {gap:.3g} "
            f"({relative:.2g} relative; allowed {label})"
        )
    return True, f"{_short(x)} = {_short(y)} ({label})"


def _within_errors(x: np.ndarray, y: np.ndarray, se: np.ndarray) -> tuple[bool, str]:
    s = np.broadcast_to(se, x.shape)
    if not (np.isfinite(s).all() and (s > 0).all()):
        return False, "the standard error must be positive"
    worst = float(np.max(np.abs(x - y) / s))
    text = f"{_short(x)} = {_short(y)} ({worst:.1f} of {MONTE_CARLO_ERRORS} se)"
    return worst <= MONTE_CARLO_ERRORS, text


def claim(name: str, holds: bool | np.bool_, evidence: str = "") -> None:
    """Assert a headline and print it with the numbers that support it.

    Raises
    ------
    ClaimError
        If ``holds`` is false.
    TypeError
        If ``holds`` is not one truth value (an array, None, a number).

    Examples
    --------
    >>> claim("three is more than two", 3 > 2, "3 against 2")
    ✓ three is more than two: 3 against 2
    """
    if not isinstance(holds, (bool, np.bool_)):
        raise TypeError(
            f"claim needs True or False, not {type(holds).__name__}: "
            "reduce it first, for example bool((a > b).all())"
        )
    line = f"{name}: {evidence}" if evidence else name
    _settle("claim", name, bool(holds), line, ClaimError)
