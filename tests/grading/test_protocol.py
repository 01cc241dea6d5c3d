"""The wire: what crosses comes back equal, what is forged is refused."""

import io
import json
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamrec.grading import protocol
from streamrec.grading.criteria import Handle
from streamrec.grading.protocol import ProtocolError, decode, encode, head, pack, read

PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.complex_numbers(allow_nan=False)
    | st.text(),
    lambda inner: (
        st.lists(inner) | st.lists(inner).map(tuple) | st.dictionaries(st.text(), inner)
    ),
    max_leaves=40,
)


def crossed(value):
    """The value after a journey over the wire."""
    blobs = []
    data = pack({"value": encode(value, blobs)}, blobs)
    message, back = read(io.BytesIO(data))
    return decode(message["value"], back)


def same(a, b):
    if type(a) is not type(b):
        return False
    if type(a) in (list, tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if type(a) is dict:
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    return a == b


@given(PLAIN)
@settings(max_examples=60, deadline=None)
def test_plain_values_come_back_equal_and_of_their_type(value):
    assert same(crossed(value), value)


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6.0).reshape(2, 3),
        np.asfortranarray(np.arange(6).reshape(2, 3)),
        np.zeros((0, 4)),
        np.array(2.5),
        np.array([True, False]),
        np.array(["a", "äb"]),
        np.array(["", ""]),
        np.array([1 + 2j]),
        np.arange(3, dtype=">i4"),
        np.array([np.nan, np.inf, -0.0]),
    ],
)
def test_arrays_come_back_equal(array):
    back = crossed(array)
    assert type(back) is np.ndarray
    assert back.shape == array.shape
    assert back.dtype.kind == array.dtype.kind and back.dtype.isnative
    assert back.dtype.itemsize >= array.dtype.itemsize
    assert np.array_equal(back, array, equal_nan=array.dtype.kind == "f")
    assert back.flags.owndata


@pytest.mark.parametrize("kind", [list, tuple])
@pytest.mark.parametrize("values", [range(100), [0.5] * 100, [2**70] * 50])
def test_long_lists_of_numbers_keep_their_type(kind, values):
    assert same(crossed(kind(values)), kind(values))


def test_handles_cross():
    assert crossed([Handle(3, "Ridge")]) == [Handle(3, "Ridge")]


@pytest.mark.parametrize("value", [object(), {1, 2}, b"bytes", np.float64(1)])
def test_other_types_do_not_leave(value):
    with pytest.raises(TypeError):
        encode(value, [])


@pytest.mark.parametrize(
    "tree",
    [
        {"x": 1},
        {"t": 1},
        {"d": []},
        {"a": 0},
        {"a": True},
        {"h": [1, 2]},
        {"c": [1, 2]},
        {"s": [0, "set"]},
        {"t": [], "d": {}},
        {},
    ],
)
def test_other_forms_are_refused(tree):
    with pytest.raises(ProtocolError):
        decode(tree, [])


def npy(text, body, version=b"\x01\x00"):
    line = text.encode() + b"\n"
    return b"\x93NUMPY" + version + struct.pack("<H", len(line)) + line + body


@pytest.mark.parametrize(
    "blob",
    [
        b"",
        b"\x93NUMPY",
        npy("{'descr': '<f8', 'fortran_order': False, 'shape': (10**12,)}", b""),
        npy("{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000,)}", b"x"),
        npy("{'descr': '<f8', 'fortran_order': False, 'shape': (2,)}", b"x" * 24),
        npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", b"x" * 8),
        npy("{'descr': '<M8[s]', 'fortran_order': False, 'shape': (1,)}", b"x" * 8),
        npy(
            "{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': (1,)}", b"x" * 8
        ),
        npy("{'descr': '<f8', 'fortran_order': False, 'shape': (-1,)}", b""),
        npy("{'descr': '|b1', 'fortran_order': False, 'shape': (1,)}", b"\x02"),
        npy("{'descr': '<U1', 'fortran_order': False, 'shape': (1,)}", b"\xff" * 4),
        npy("{'descr': '<f8', 'fortran_order': False, 'shape': (0, 10**30)}", b""),
        npy(
            "{'descr': '<f8', 'fortran_order': False, 'shape': (2,)}",
            b"x" * 16,
            b"\x09\x00",
        ),
    ],
)
def test_forged_arrays_are_refused(blob):
    with pytest.raises(ProtocolError):
        decode({"a": 0}, [blob])


def test_an_array_is_used_once():
    blobs = []
    encode(np.zeros(3), blobs)
    with pytest.raises(ProtocolError, match="twice"):
        decode([{"a": 0}, {"a": 0}], blobs)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"[]",
        b"{}",
        b"nonsense",
        b'{"blobs": 3}',
        b'{"blobs": [-1]}',
        b'{"blobs": [1e3]}',
        b'{"blobs": [99999999999]}',
        b'{"blobs": [' + b"1," * 30_000 + b"1]}",
        b'{"value": ' + b"[" * 100_000 + b"]" * 100_000 + b', "blobs": []}',
        b'{"value": ' + b"9" * 5000 + b', "blobs": []}',
        b"[]," * 2_000_000,
        b"\xff\xfe",
    ],
)
def test_lines_that_are_no_message_are_refused(line):
    with pytest.raises(ProtocolError):
        head(line)


def test_depth_has_a_cap():
    tree = 1
    for _ in range(300):
        tree = [tree]
    with pytest.raises(ProtocolError, match="deep"):
        decode(tree, [])


def test_a_pipe_that_ends_is_told_from_one_that_breaks():
    assert read(io.BytesIO(b"")) is None
    data = json.dumps({"blobs": [8]}).encode() + b"\nabc"
    with pytest.raises(ProtocolError, match="ended"):
        read(io.BytesIO(data))


def test_more_than_the_cap_is_not_packed():
    with pytest.raises(ProtocolError, match="64 MB"):
        pack({}, [bytes(protocol.MAX_BYTES), bytes(2**21)])
