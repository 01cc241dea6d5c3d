"""The interactions container and the reader: identities first, then bad input."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamrec.data.interactions import (
    Interactions,
    InteractionsError,
    read_interactions,
)

ROWS = st.lists(
    st.tuples(
        st.integers(-5, 5), st.integers(0, 6), st.integers(0, 4), st.integers(-3, 3)
    ),
    min_size=1,
    max_size=25,
)


def table(rows):
    return pd.DataFrame(rows, columns=["user", "item", "time", "value"])


@given(ROWS)
def test_frame_gives_back_what_went_in(rows):
    df = table(rows)
    back = Interactions.from_frame(df, on_duplicates="keep").frame()
    pd.testing.assert_frame_equal(back, df.astype({"value": float}), check_dtype=False)


@given(ROWS)
def test_matrix_is_the_sum_of_the_values_of_each_pair(rows):
    x = Interactions.from_frame(table(rows), on_duplicates="keep")
    expected = np.zeros(x.shape)
    for user, item, _, value in rows:
        expected[x.user_rows(user)[0], x.item_rows(item)[0]] += value
    np.testing.assert_allclose(x.matrix.toarray(), expected)
    met = {(u, i) for u, i, _, _ in rows}
    assert x.binary.nnz == len(met) and set(x.binary.data) == {1.0}


@given(ROWS)
def test_merging_equals_pandas_groupby(rows):
    df = table(rows)
    ordered = df.sort_values("time", kind="stable")
    pair = ["user", "item"]
    for how in ("sum", "mean", "max", "first", "last"):
        x = Interactions.from_frame(df, on_duplicates=how)
        got = x.frame().set_index(pair).sort_index()
        expected = getattr(ordered.groupby(pair)["value"], how)()
        np.testing.assert_allclose(got["value"], expected, err_msg=how)
        when = "first" if how == "first" else "last"
        times = getattr(ordered.groupby(pair)["time"], when)()
        np.testing.assert_array_equal(got["time"], times, err_msg=how)


@given(ROWS, st.data())
def test_subset_keeps_the_catalogue_or_shrinks_it(rows, data):
    x = Interactions.from_frame(table(rows), on_duplicates="keep")
    mask = np.array(
        data.draw(st.lists(st.booleans(), min_size=len(x), max_size=len(x)))
    )
    kept, shrunk = x.subset(mask), x.subset(mask, keep_catalogue=False)
    assert kept.shape == x.shape
    pd.testing.assert_frame_equal(kept.frame(), shrunk.frame())
    assert set(shrunk.users) == set(x.frame()["user"][mask])
    both = kept.matrix + x.subset(~mask).matrix
    np.testing.assert_allclose(both.toarray(), x.matrix.toarray())


def test_subset_by_position_takes_them_in_that_order():
    x = Interactions.from_frame(table([(1, 5, 0, 1), (2, 6, 0, 2), (3, 7, 0, 3)]))
    assert x.subset([2, 0]).frame()["item"].tolist() == [7, 5]
    with pytest.raises(InteractionsError, match="mask has shape"):
        x.subset([True, False])


def test_a_given_catalogue_is_used_and_must_contain_the_ids():
    df = table([(1, 5, 0, 1)])
    x = Interactions.from_frame(df, items=[9, 5, 7], users=[1, 2])
    assert x.shape == (2, 3) and x.item_rows([5, 9]).tolist() == [0, 2]
    with pytest.raises(InteractionsError, match="lacks 1 ids that occur, such as 5"):
        Interactions.from_frame(df, items=[9])


@pytest.mark.parametrize(
    ("ids", "kind"),
    [
        ([3, 1, 1], "i"),
        (["b", "a", "a"], "U"),
        (np.array([3, 1, 1], dtype=np.uint8), "i"),
        ([3.0, 1.0, 1.0], "i"),
        (["10", "9", "9"], "i"),  # text of whole numbers is read as numbers ...
        (["007", "7", "7"], "U"),  # ... unless that would change it
        (pd.Categorical(["b", "a", "a"], categories=["b", "a", "z"]), "U"),
    ],
)
def test_ids_are_sorted_and_never_objects(ids, kind):
    df = pd.DataFrame({"user": ids, "item": [1, 2, 3]})
    x = Interactions.from_frame(df)
    assert x.users.dtype.kind == kind
    assert x.n_users == 2 and (x.users[:-1] < x.users[1:]).all()
    assert x.user_index.tolist()[1] == x.user_index.tolist()[2]


@pytest.mark.parametrize("ids", [[1, "a"], [1.5, 2.0], [True, False], [(1,), (2,)]])
def test_odd_ids_are_refused(ids):
    with pytest.raises(InteractionsError, match="all whole numbers or all text"):
        Interactions.from_frame(pd.DataFrame({"user": ids, "item": [1, 2]}))


def test_unknown_ids_of_any_type_are_minus_one():
    x = Interactions.from_frame(table([(1, 5, 0, 1), (2, 6, 0, 2)]))
    assert x.user_rows([2, "2", None, 1.0, 99, np.nan]).tolist() == [
        1,
        -1,
        -1,
        0,
        -1,
        -1,
    ]
    assert x.user_rows(2).tolist() == [1]
    assert x.user_rows([]).tolist() == []
    assert x.user_rows(pd.Series([2, 1])).tolist() == [1, 0]
    text = Interactions.from_frame(pd.DataFrame({"user": ["a", "b"], "item": [1, 2]}))
    assert text.user_rows("b").tolist() == [1]
    assert text.user_rows([0, "a"]).tolist() == [-1, 0]


def test_arrays_cannot_be_changed_by_accident():
    x = Interactions.from_frame(table([(1, 5, 0, 1)]))
    for array in (x.users, x.items, x.user_index, x.item_index, x.time, x.value):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0
    df = table([(1, 5, 0, 1)])
    y = Interactions.from_frame(df)
    df.loc[0, "value"] = 9
    assert y.value[0] == 1


def test_dates_become_seconds():
    df = pd.DataFrame({"user": [1, 2], "item": [1, 1]})
    df["time"] = pd.to_datetime(["1970-01-02 00:00:00", "2001-09-09 01:46:40"])
    assert Interactions.from_frame(df).time.tolist() == [86_400, 1_000_000_000]
    df["time"] = df["time"].dt.tz_localize("Europe/Paris")
    assert Interactions.from_frame(df).time.tolist() == [82_800, 999_992_800]


def test_a_stored_zero_is_an_interaction():
    x = Interactions.from_frame(table([(1, 5, 0, 0)]))
    assert x.matrix.nnz == 1 and x.matrix[0, 0] == 0 and x.binary[0, 0] == 1


def test_no_time_and_no_value():
    x = Interactions.from_frame(pd.DataFrame({"user": [1], "item": [2]}))
    assert x.time is None and x.value.tolist() == [1.0]
    assert list(x.frame().columns) == ["user", "item", "value"]
    assert "no time" in repr(x)


def test_an_empty_table_is_an_empty_container():
    x = Interactions.from_frame(pd.DataFrame({"user": [], "item": []}))
    assert len(x) == 0 and x.shape == (0, 0) and "empty" in repr(x)
    assert x.user_rows([1]).tolist() == [-1]


def test_the_constructor_checks_shapes_and_order():
    with pytest.raises(InteractionsError, match="sorted and distinct"):
        Interactions([2, 1], [1], [0], [0])
    with pytest.raises(InteractionsError, match="rows from 0 to 0"):
        Interactions([1], [1], [1], [0])
    with pytest.raises(InteractionsError, match="one entry for each"):
        Interactions([1], [1], [0], [0], value=[1, 2])


FRAMES = {
    "duplicate": (
        {"user": [1, 2, 1], "item": [5, 5, 5]},
        "1 duplicate row: user 1 and item 5 first in row 0, again in row 2",
    ),
    "column": ({"user": [1], "thing": [5]}, "missing column 'item'.*user, thing"),
    "nan user": (
        {"user": [1, None], "item": [5, 5]},
        "'user' has 1 empty cell .*row 1",
    ),
    "nan item": (
        {"user": [1, 1], "item": [None, 5]},
        "'item' has 1 empty cell .*row 0",
    ),
    "nan value": ({"user": [1], "item": [5], "value": [np.nan]}, "'value' has 1 empty"),
    "infinite": ({"user": [1], "item": [5], "value": [np.inf]}, "'inf' is not finite"),
    "text": ({"user": [1], "item": [5], "value": ["five"]}, "'five' is text"),
    "negative": (
        {"user": [1, 2, 3], "item": [5, 5, 5], "time": [1, -7, -8]},
        r"row 1: '-7' is a negative time \(1 more like it\)",
    ),
    "date": ({"user": [1], "item": [5], "time": ["2020-01-01"]}, "is text"),
}


@pytest.mark.parametrize("case", FRAMES)
def test_a_bad_table_is_explained_in_one_line(case):
    columns, message = FRAMES[case]
    with pytest.raises(InteractionsError, match=message) as caught:
        Interactions.from_frame(pd.DataFrame(columns))
    assert "\n" not in str(caught.value)


def test_a_column_asked_for_by_name_must_exist():
    df = table([(1, 5, 0, 1)])
    with pytest.raises(InteractionsError, match="missing column 'rating'"):
        Interactions.from_frame(df, value="rating")
    assert Interactions.from_frame(df, time=None).time is None
    with pytest.raises(InteractionsError, match="choose from error, sum"):
        Interactions.from_frame(df, on_duplicates="drop")


# -- files -------------------------------------------------------------------------

GOOD = "user,item,time,value\n1,5,10,3\n1,6,20,4\n2,5,30,5\n"


def write(folder, text, name="ratings.csv"):
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


def test_the_same_data_in_every_format(tmp_path):
    expected = read_interactions(write(tmp_path, GOOD)).frame()
    write(tmp_path, GOOD.replace(",", "\t"), "r.tsv")
    header = "user_id:token\titem_id:token\ttimestamp:float\trating:float\n"
    write(tmp_path, header + GOOD.partition("\n")[2].replace(",", "\t"), "r.inter")
    expected.to_csv(tmp_path / "r.csv.gz", index=False)
    import duckdb

    duckdb.sql("select * from expected").write_parquet(str(tmp_path / "r.parquet"))
    for name in ("r.tsv", "r.inter", "r.csv.gz", "r.parquet"):
        got = read_interactions(tmp_path / name).frame()
        pd.testing.assert_frame_equal(got, expected, obj=name)


def test_names_are_recognised_or_given(tmp_path):
    file = write(tmp_path, GOOD.replace("user,item", "userId,movieId"))
    assert len(read_interactions(file)) == 3
    file = write(tmp_path, GOOD.replace("user,item", "client,sku"))
    assert len(read_interactions(file, {"user": "client", "item": "sku"})) == 3


def test_leading_zeros_of_ids_survive(tmp_path):
    x = read_interactions(write(tmp_path, "user,item\n007,1\n7,2\n"))
    assert x.users.tolist() == ["007", "7"]


def test_units_of_time(tmp_path):
    file = write(tmp_path, "user,item,time\n1,5,1700000000000\n2,6,1700000000500\n")
    with pytest.warns(UserWarning, match="if they are ms, pass time_unit='ms'"):
        read_interactions(file)
    x = read_interactions(file, time_unit="ms")
    assert x.time.tolist() == [1_700_000_000, 1_700_000_000.5]
    file = write(tmp_path, "user,item,time\n1,5,2023-11-14 22:13:20\n2,6,2023-11-15\n")
    assert read_interactions(file, time_unit="iso").time[0] == 1_700_000_000
    with pytest.raises(InteractionsError, match="line 2.*pass time_unit='iso'"):
        read_interactions(file)
    file = write(tmp_path, "user,item,time\n1,5,soon\n2,6,2023-11-15\n")
    with pytest.raises(InteractionsError, match="line 2: 'soon' is not an ISO date"):
        read_interactions(file, time_unit="iso")


FILES = {
    "empty": ("", "the file is empty"),
    "only a header": ("user,item\n", "no row: give it at least one"),
    "no user": ("client,sku\n1,2\n", "missing the user column and the item column"),
    "semicolons": ("user;item\n1;2\n", "separated by semicolons"),
    "duplicates": (
        "user,item\n1,2\n2,2\n1,2\n",
        "1 duplicate row.*line 2, again in line 4",
    ),
    "empty cell": (
        "user,item,value\n1,2,3\n2,2,\n",
        "'value' has 1 empty cell .*line 3",
    ),
    "text": ("user,item,rating\n1,2,3\n2,2,good\n", "line 3: 'good' is text"),
    "negative": ("user,item,time\n1,2,-3\n2,2,1\n", "line 2: '-3' is a negative time"),
    "one user": (
        "user,item\n1,2\n1,3\n",
        "only 1 user: a recommender needs at least 2",
    ),
    "one item": (
        "user,item\n1,2\n2,2\n",
        "only 1 item: a recommender needs at least 2",
    ),
    "no item": ("user,item\n1,\n2,\n", "'item' has 2 empty cells"),
    "ragged": ("user,item\n1,2,3\n2,3,4\n", "more cells than the header"),
    "torn": ("user,item\n1,2\n1,2,3,4\n", "cannot be read as csv"),
}


@pytest.mark.parametrize("case", FILES)
def test_a_bad_file_is_explained_in_one_line(tmp_path, case):
    text, message = FILES[case]
    with pytest.raises(InteractionsError, match=message) as caught:
        read_interactions(write(tmp_path, text))
    assert str(caught.value).startswith("ratings.csv: ")
    assert "\n" not in str(caught.value)


def test_missing_columns_suggest_a_mapping(tmp_path):
    file = write(tmp_path, "usr,product,stars\n1,2,3\n")
    with pytest.raises(InteractionsError) as caught:
        read_interactions(file)
    for part in ("usr, product, stars", "columns={'user': 'usr'", "--user usr"):
        assert part in str(caught.value)
    with pytest.raises(InteractionsError, match="'sku' for the item"):
        read_interactions(file, {"user": "usr", "item": "sku"})
    with pytest.raises(InteractionsError, match="its keys are user, item, time, value"):
        read_interactions(file, {"client": "usr"})


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(InteractionsError, match="does not exist"):
        read_interactions(tmp_path / "none.csv")
    with pytest.raises(InteractionsError, match="is a folder"):
        read_interactions(tmp_path)
    with pytest.raises(InteractionsError, match="ending in .xlsx are not understood"):
        read_interactions(write(tmp_path, "x", "r.xlsx"))
    with pytest.raises(InteractionsError, match="cannot be read as parquet"):
        read_interactions(write(tmp_path, "not parquet at all", "r.parquet"))
    (tmp_path / "latin.csv").write_bytes("user,item\né,1\n".encode("latin-1"))
    with pytest.raises(InteractionsError, match="not UTF-8"):
        read_interactions(tmp_path / "latin.csv")
    with pytest.raises(InteractionsError, match="choose from s, ms"):
        read_interactions(write(tmp_path, GOOD), time_unit="days")
