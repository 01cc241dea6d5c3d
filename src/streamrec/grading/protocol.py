"""The wire between the grader and an answer: a line of JSON, then arrays as npy.

Never pickle. What arrives is rebuilt from exact types alone: None, bool, int, float,
complex, str, list, tuple, dict with string keys, ``Handle`` and numeric arrays.
Counts and sizes are compared with the caps before anything is built, and the size that
an array's header states with the bytes that came.
"""

from __future__ import annotations

import io
import json
import math
import os
from typing import Any, BinaryIO

import numpy as np

from streamrec.grading.criteria import (
    MAX_BYTES,
    MAX_DEPTH,
    MAX_VALUES,
    Handle,
    widened,
)

MAX_LINE = 16 * 2**20
MAX_MARKS = 1_500_000  # commas, brackets and colons: a bound on the number of values
MAX_BLOBS = 20_000
_RUN = 32  # longer lists of floats or of ints travel as an array


class ProtocolError(Exception):
    """What came over the pipe is not a message, or breaks a cap."""


# ------------------------------------------------------------------ values


def encode(value: Any, blobs: list[bytes]) -> Any:
    """A value as JSON; arrays are appended to ``blobs``.

    Examples
    --------
    >>> encode((1, "a"), [])
    {'t': [1, 'a']}
    """
    kind = type(value)
    if value is None or kind in (bool, int, float, str):
        return value
    if kind is complex:
        return {"c": [value.real, value.imag]}
    if kind is np.ndarray:
        blobs.append(_npy(value))
        return {"a": len(blobs) - 1}
    if kind is Handle:
        return {"h": [value.number, value.label]}
    if kind is dict:
        return {"d": {k: encode(v, blobs) for k, v in value.items()}}
    if kind in (list, tuple):
        run = _numbers(value)
        if run is not None:
            blobs.append(_npy(run))
            return {"s": [len(blobs) - 1, kind.__name__]}
        parts = [encode(v, blobs) for v in value]
        return parts if kind is list else {"t": parts}
    raise TypeError(f"a {kind.__name__} cannot cross")


def _numbers(value: list[Any] | tuple[Any, ...]) -> np.ndarray | None:
    """A long list of nothing but floats, or nothing but ints, as an array."""
    if len(value) <= _RUN:
        return None
    kinds = set(map(type, value))
    if kinds == {float}:
        return np.array(value, dtype=np.float64)
    if kinds == {int} and all(-(2**63) <= v < 2**63 for v in value):
        return np.array(value, dtype=np.int64)
    return None


def _npy(array: np.ndarray) -> bytes:
    out = io.BytesIO()
    np.lib.format.write_array(out, array, allow_pickle=False)
    return out.getvalue()


def decode(tree: Any, blobs: list[Any]) -> Any:
    """Rebuild a value; each array may be used once.

    Raises
    ------
    ProtocolError
        If the form is wrong or a cap is broken.

    Examples
    --------
    >>> decode({"t": [1, {"c": [0.0, 1.0]}]}, [])
    (1, 1j)
    """
    return _decode(tree, blobs, 0, [MAX_VALUES])


def _decode(tree: Any, blobs: list[Any], depth: int, budget: list[int]) -> Any:
    if depth > 2 * MAX_DEPTH + 4:
        raise ProtocolError("nested too deep")
    budget[0] -= 1
    if budget[0] < 0:
        raise ProtocolError("too many values")
    kind = type(tree)
    if tree is None or kind in (bool, float, str):
        return tree
    if kind is int:
        if tree.bit_length() > 8192:
            raise ProtocolError("an integer of more than 8,192 bits")
        return tree
    if kind is list:
        return [_decode(v, blobs, depth + 1, budget) for v in tree]
    if kind is not dict or len(tree) != 1:
        raise ProtocolError("not a value")
    ((tag, body),) = tree.items()
    if tag == "t" and type(body) is list:
        return tuple(_decode(v, blobs, depth + 1, budget) for v in body)
    if tag == "d" and type(body) is dict:
        return {k: _decode(v, blobs, depth + 1, budget) for k, v in body.items()}
    if tag == "a":
        return _array(_take(blobs, body))
    if type(body) is list and len(body) == 2:
        first, second = body
        if tag == "c" and type(first) is float and type(second) is float:
            return complex(first, second)
        if tag == "h" and type(first) is int and type(second) is str:
            return Handle(first, second[:200])
        if tag == "s" and second in ("list", "tuple"):
            array = _array(_take(blobs, first))
            if array.ndim != 1 or array.dtype.str not in ("<f8", "<i8", "|i8", "=f8"):
                raise ProtocolError("not a list of numbers")
            budget[0] -= array.size
            if budget[0] < 0:
                raise ProtocolError("too many values")
            values = array.tolist()
            return tuple(values) if second == "tuple" else values
    raise ProtocolError("not a value")


def _take(blobs: list[Any], index: Any) -> bytes:
    if type(index) is not int or not 0 <= index < len(blobs) or blobs[index] is None:
        raise ProtocolError("an array is missing or used twice")
    blob: bytes = blobs[index]
    blobs[index] = None
    return blob


def _array(blob: bytes) -> np.ndarray:
    """The array of an npy file in memory, its header compared with its bytes first."""
    file = io.BytesIO(blob)
    try:
        version = np.lib.format.read_magic(file)
        if version == (1, 0):
            head = np.lib.format.read_array_header_1_0(file, max_header_size=2000)
        else:
            raise ProtocolError("an array header of another version")
        shape, fortran, dtype = head
    except ProtocolError:
        raise
    except Exception:
        raise ProtocolError("a broken array header") from None
    if dtype.kind not in "biufcU" or dtype.fields is not None or dtype.itemsize == 0:
        if not (dtype.kind == "U" and dtype.itemsize == 0):
            raise ProtocolError("an array of another type")
    if len(shape) > 32 or any(type(n) is not int or not 0 <= n < 2**40 for n in shape):
        raise ProtocolError("an array of an impossible shape")
    size = math.prod(shape) * dtype.itemsize
    body = memoryview(blob)[file.tell() :]
    if size != len(body) or size > MAX_BYTES:
        raise ProtocolError("an array whose header and size disagree")
    try:
        if dtype.itemsize == 0:
            return np.zeros(shape, dtype)
        flat = np.frombuffer(body, dtype=dtype)
        array = flat.reshape(shape, order="F" if fortran else "C")
        array = np.array(array, dtype=dtype.newbyteorder("="), order="C")
    except (ValueError, TypeError):
        raise ProtocolError("an array that cannot be built") from None
    if dtype.kind == "b" and array.size and array.view(np.uint8).max() > 1:
        raise ProtocolError("a truth value that is neither 0 nor 1")
    if dtype.kind == "U" and array.size:
        points = np.ascontiguousarray(array).reshape(-1).view(np.uint32)
        if points.max(initial=0) > 0x10FFFF:
            raise ProtocolError("text that is not Unicode")
    return widened(array)


# ---------------------------------------------------------------- messages


def pack(message: dict[str, Any], blobs: list[bytes]) -> bytes:
    """A message as bytes: one line of JSON that also states the sizes of the arrays."""
    line = json.dumps({**message, "blobs": [len(b) for b in blobs]})
    data = line.encode("ascii")
    if len(data) >= MAX_LINE or sum(map(len, blobs)) > MAX_BYTES + 2**16 * 16:
        raise ProtocolError("the message is larger than 64 MB")
    return b"".join([data, b"\n", *blobs])


def head(line: bytes) -> tuple[dict[str, Any], list[int]]:
    """Parse the first line of a message; return it and the sizes of its arrays."""
    marks = sum(line.count(m) for m in (b",", b"[", b"{", b":"))
    if len(line) > MAX_LINE or marks > MAX_MARKS:
        raise ProtocolError("too many values")
    try:
        message = json.loads(line)
        sizes = message.pop("blobs")
    except (ValueError, RecursionError, KeyError, AttributeError, TypeError):
        raise ProtocolError("not a line of JSON") from None
    if type(sizes) is not list or len(sizes) > MAX_BLOBS:
        raise ProtocolError("too many arrays")
    if any(type(n) is not int or n < 0 for n in sizes):
        raise ProtocolError("a size that is not a number")
    if sum(sizes) > MAX_BYTES + 200 * len(sizes):
        raise ProtocolError("more than 64 MB of arrays")
    return message, sizes


def read(file: BinaryIO) -> tuple[dict[str, Any], list[Any]] | None:
    """Read one message, waiting as long as it takes; None at the end of the pipe."""
    line = file.readline()
    if not line:
        return None
    message, sizes = head(line)
    blobs: list[Any] = [file.read(n) for n in sizes]
    if [len(b) for b in blobs] != sizes:
        raise ProtocolError("the pipe ended inside an array")
    return message, blobs


def write(fd: int, data: bytes) -> None:
    """Write all of ``data`` to a pipe."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
