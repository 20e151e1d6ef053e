"""Tables from files, and what is wrong with a file, in one line."""

import gzip
import os
import re
import subprocess
import sys
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import narwhals as nw
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from separatrix import LogisticRegression
from separatrix.data.opened import open as opened
from separatrix.data.reading.builtin import BUILTIN, REGRESSIONS, builtin
from separatrix.data.reading.files import replacing, replacing_all
from separatrix.data.tables.columns import Columns
from separatrix.errors import ArgumentError, ColumnError, DataError, FileError
from separatrix.stopping import unfinished


def table_of(data):
    """The whole table that a path names."""
    return opened(data).whole()


def rows(path: Path | str) -> list[tuple[Any, ...]]:
    return list(table_of(str(path)).rows())


@pytest.fixture
def write(tmp_path: Path):
    """A function that writes a file and returns its path."""

    def write(content: str | bytes, name: str = "data.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def refusal(path: Path | str, error: type[DataError] = FileError) -> str:
    """The one-line message with which the file is refused."""
    with pytest.raises(error) as caught:
        table_of(str(path))
    message = str(caught.value)
    assert "\n" not in message
    assert str(path).split("*")[0] in message
    return message


@pytest.mark.parametrize(
    "content",
    [
        "a,b\n1,x\n2,y\n",
        "a,b\n1,x\n2,y",
        "a,b\n1,x\n2,y\n\n\n",
        "\n\na,b\n1,x\n2,y\n",
        "a,b\r\n1,x\r\n2,y\r\n",
        "\ufeffa,b\n1,x\n2,y\n",
        "a;b\n1;x\n2;y\n",
        "a\tb\n1\tx\n2\ty\n",
        "a|b\n1|x\n2|y\n",
        '"a","b"\n"1","x"\n"2","y"\n',
        " a , b\n1,x\n2,y\n",
        gzip.compress(b"a,b\n1,x\n2,y\n", mtime=0),
    ],
)
def test_the_same_table_is_read_from_every_dialect(write, content):
    table = table_of(str(write(content)))
    assert table.columns == ["a", "b"]
    assert list(table.rows()) == [(1, "x"), (2, "y")]


def test_quoted_cells_hold_delimiters_quotes_and_line_ends(write):
    assert rows(write('a,b\n"x, ""y""",1\n"two\nlines",2\n')) == [('x, "y"', 1), ("two\nlines", 2)]


def test_cells_of_many_lines_are_read_however_large_the_file(write):
    rng, words = np.random.default_rng(0), np.array(["clean", "good,", "slow", "again", "and, well"])
    texts = ["\n".join(map(" ".join, rng.choice(words, (lines, 6)))) for lines in rng.integers(1, 40, 20_000)]
    content = "said,good\n" + "".join(f'"{text}",{i % 2}\n' for i, text in enumerate(texts))
    path = write(content)
    assert path.stat().st_size > 10_000_000  # of which several threads read a part each
    assert rows(path) == [(text, i % 2) for i, text in enumerate(texts)]
    assert re.search(r"\('one cell'\): cells found 1, .* line 2", refusal(write(content + "one cell\n")))
    line = content.count("\n") + 1
    assert re.search(rf"line {line} \('\"one'\): a quote is not closed", refusal(write(content + '1,"one\n2,two\n')))
    assert re.search(rf"line {line} \('\"\" \"'\): a quote is not closed", refusal(write(content + '"" "\n')))


def test_line_ends_within_quotes_are_not_those_that_differ(write):
    content = 'a,b\r\n"two\nlines",1\r\n'
    assert rows(write(content)) == [("two\nlines", 1)]
    assert re.search("line 4: does not end as the first line does", refusal(write(content + "x,2\ny,3\r\n")))
    assert re.search("line 4 .*: a quote is not closed, or closed too early", refusal(write(content + '"x"y,2\n')))


def test_a_type_is_settled_by_the_whole_file(write):
    table = table_of(str(write("a,b\n" + "1,2\n" * 50_000 + "x,2.5\n")))
    assert table.schema == {"a": nw.String, "b": nw.Float64}


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["1", "-2", " 3"], nw.Int64),
        (["1", "2.0"], nw.Int64),
        (["1", "2.5", "1e3"], nw.Float64),
        (["true", "False"], nw.Boolean),
        (["2020-01-31", "2020-02-01"], nw.Datetime),
        (["007", "012"], nw.String),
        (["0", "0.5"], nw.Float64),
        (["1", "x"], nw.String),
        (["NA", "?"], nw.String),
    ],
)
def test_a_column_has_the_narrowest_type_that_loses_no_cell(write, cells, kind):
    table = table_of(str(write("a,b\n" + "".join(f"{cell},x\n" for cell in cells))))
    assert table.schema["a"] == kind


def test_a_decimal_comma_is_read_where_semicolons_part_the_cells(write):
    assert rows(write("a;b\n1,5;x\n-2,25;y\n")) == [(1.5, "x"), (-2.25, "y")]
    assert rows(write('a,b\n"1,5",x\n"2,25",y\n')) == [("1,5", "x"), ("2,25", "y")]


@pytest.mark.parametrize(
    ("content", "names", "first"),
    [
        ("Length, cm;Width, cm;Kind\n5,1;3,5;a\n4,9;3;b\n", ["Length, cm", "Width, cm", "Kind"], (5.1, 3.5, "a")),
        ("x, cm;y, cm\n5,1;3,5\n", ["x, cm", "y, cm"], (5.1, 3.5)),
        ("x, y\tz\n1\t2\n", ["x, y", "z"], (1, 2)),
        ("x, y, z;w\n1;2\n", ["x, y, z", "w"], (1, 2)),
        ("x;y;z,w\n1,2\n", ["x;y;z", "w"], (1, 2)),
        ('x;y,z,w\n"two\nlines",2,3\n', ["x;y", "z", "w"], ("two\nlines", 2, 3)),
    ],
)
def test_a_mark_in_the_names_of_columns_need_not_part_the_cells(write, content, names, first):
    table = table_of(str(write(content)))
    assert (table.columns, table.row(0)) == (names, first)


@pytest.mark.parametrize("mark", [",", ";"])
@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["007", "012", "12"], "category"),
        ([" 010", "020", "-030"], "category"),
        (["-010", "20", "30"], "category"),
        (["+010", "20", "30"], "category"),
        (["1_005", "1_007", "5"], "category"),
        (["01067", "10115", "20095"], "category"),
        (["950,5", "1.200", "1.350", "87,25", "12"], "number written like 1.234,5 from 12 to 1350"),
        (["1.234.567,5", "3"], "number written like 1.234,5 from 3"),
        (["0e5", "-0.5", "+0.25", "0"], "number from -0.5 to 0.25"),
        ([f"2024-01-{day:02d} 10:{day}:00.{day:07d}" for day in range(10, 28)], "date from 2024-01-10 on"),
        ([f"2024-01-{day:02d} 10:{day}:00.{day:09d}Z" for day in range(10, 28)], "date from 2024-01-10 on"),
        (
            [f"2024-01-{day:02d}T10:{day}+01:00" for day in range(10, 28)],
            "date from 2024-01-10 on, by its day, weekday",
        ),
        ([f" 2024/1/{day} 10:{day}:00 +01" for day in range(10, 28)], "date from 2024-01-10 on, by its day, weekday"),
        ([f"{day}.01.2024 10:{day}" for day in range(10, 28)], "date from 2024-01-10 on, by its day, weekday"),
        (["2024-01-31 10:00:00 UTC", "2024-02-01 10:00:00 UTC"], "category"),
        (["2024-01-31 9:05", "2024-02-01 9:07"], "date from 2024-01-31 on"),
        (["2024-01-31 24:00:00", "2024-02-01 24:00:00"], "category"),
        (["1", "2", "NAN"], "category"),
        (["1", "2", "-nan"], "category"),
    ],
)
def test_a_column_is_the_same_in_csv_and_in_memory(write, cells, kind, mark):
    cells = [*cells, cells[0]]
    table = nw.from_native(pa.table({"a": cells, "y": ["p", "q"] * (len(cells) // 2) + ["p"] * (len(cells) % 2)}))
    text = "".join(f'"{cell}"{mark}{y}\n' for cell, y in table.rows())
    read = table_of(str(write(f"a{mark}y\n{text}")))
    ours, theirs = (Columns.learn(each, target="y") for each in (read, table))
    assert ours.describe() == theirs.describe()
    assert ours.describe()[0][1].startswith(kind)
    np.testing.assert_array_equal(ours.encode(table).X, theirs.encode(table).X)


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ('"a,b",c', ["a,b", "c"]),
        ('"a ""b""",c', ['a "b"', "c"]),
        ('5" pipe,c', ['5" pipe', "c"]),
        ('a, "b, c" ', ["a", "b, c"]),
        ('a,  "b"', ["a", '"b"']),
        ('a,"price\n\n(""EUR"")"', ["a", 'price\n\n("EUR")']),
        ('"Length,\ncm";"Width"', ["Length,\ncm", "Width"]),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_names_are_quoted_as_cells_are(write, line, names, end):
    mark = ";" if ";" in line else ","
    table = table_of(str(write(f"\n{line}\n1{mark}x\n2{mark}y\n".replace("\n", end))))
    assert table.columns == names
    assert list(table.rows()) == [(1, "x"), (2, "y")]


@pytest.mark.parametrize("line", ['x,"g"h,y', 'x,"5" wide,y', 'x,g,"y', 'x, "g,y', 'x,"g""h,y', 'x,"""a"""b,y', '"x'])
def test_a_quote_that_is_astray_among_the_names_is_refused_as_rows_would_be_lost(write, line):
    told = f"line 2 ({line!r}): a quote is not closed, or closed too early; mend that line."
    assert told in refusal(write(f"\n{line}\n" + "1,b,2\n" * 9))


def test_the_usual_marks_of_a_missing_cell_are_missing(write):
    marks = ["", " ", "NA", "N/A", "NaN", "nan", "null", "NULL", "None", "?", ".", "n.a.", "--", '""', '"NA"']
    table = table_of(str(write("a,b\n7,x\n" + "".join(f"{mark},x\n" for mark in marks))))
    assert table["a"].to_list() == [7] + [None] * len(marks)


def test_a_number_sign_does_not_begin_a_comment(write):
    assert rows(write("a,b\n#1,x # y\n")) == [("#1", "x # y")]


def test_names_that_differ_in_capitals_are_two_columns(write):
    assert table_of(str(write("a,A\n1,2\n"))).to_dict(as_series=False) == {"a": [1], "A": [2]}


def test_a_column_without_a_name_is_named_by_its_place(write):
    assert table_of(str(write(",b\n1,2\n"))).columns == ["column 1", "b"]


@pytest.mark.parametrize(("row", "found"), [("5", "1"), ("5,6,7", "3 or more"), ("5,6,7,8,9", "3 or more")])
def test_a_ragged_csv_names_its_line(write, row, found):
    path = write("a,b\n" + "1,2\n" * 1000 + f"{row}\n" + "3,4\n" * 1000)
    assert f"line 1002 ('{row}'): cells found {found}, columns named in the first line 2" in refusal(path)


@pytest.mark.parametrize("others", ["\n", "\r\n"])
def test_a_line_that_ends_unlike_the_first_is_named(write, others):
    other = "\r\n" if others == "\n" else "\n"
    path = write(f"a,b{others}" + f"1,2{others}" * 500 + f"5,6{other}" + f"3,4{others}" * 500 + "7,8")
    assert "line 502: does not end as the first line does; save it with line ends of one kind" in refusal(path)
    packed = write(gzip.compress(path.read_bytes(), mtime=0), "data.csv.gz")
    assert "is not regular CSV" in refusal(packed)


def test_a_ragged_line_is_shown_whatever_ends_it(write):
    assert "line 3 ('3'): cells found 1" in refusal(write("a,b\r\n1,2\r\n3\r\n"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty"),
        ("\n \n", "is empty"),
        (gzip.compress(b"", mtime=0), "is empty"),
        ("a,b\n", "holds column names but no rows"),
        ("5.1,3.5\n4.9,3.0\n", r"begins with numbers \(5.1, 3.5\), not column names"),
        ('a,b\n1,"x\n2,y\n', "line 2 .*: a quote is not closed"),
        (b"a,b\n1,x\n2,caf\xe9\n", "line 3 .*: not text in UTF-8"),
        ("a,b\n1,x\n".encode("utf-16"), "neither Parquet nor text in UTF-8"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "neither Parquet nor text in UTF-8"),
        (b"PK\x03\x04\x14\0\x06\0\x08\0", "neither Parquet nor text in UTF-8"),
        (b"PAR1", "cannot be read .* is it damaged or cut short"),
        (
            gzip.compress(bytes(i * i % 251 for i in range(9999)), mtime=0)[:99],
            "is damaged or cut short",
        ),
    ],
)
def test_what_is_no_table_is_refused_with_its_fault(write, content, message):
    assert re.search(message, refusal(write(content)))


def test_two_columns_of_one_name_are_refused(write):
    assert "has 2 columns named 'a'" in refusal(write("a,b,a\n1,2,3\n"), ColumnError)


def test_a_file_that_is_not_there_is_answered_with_the_nearest(write):
    path = write("a,b\n1,2\n", "march.csv")
    assert f"Did you mean '{path}'?" in refusal(path.with_name("mrach.csv"))
    assert "Did you mean 'iris'?" in refusal("irsi")


def test_a_folder_is_answered_with_a_glob(tmp_path):
    assert f"{tmp_path}/*.csv" in refusal(tmp_path)


def test_a_glob_that_matches_nothing_is_refused(tmp_path):
    assert "no file matches" in refusal(tmp_path / "*.csv")


def test_a_file_that_may_not_be_read_is_named(write, monkeypatch):
    path, opens = write("a\n1\n"), Path.open

    def refused(self: Path, *arguments: Any, **options: Any) -> Any:
        if self == path:
            raise PermissionError(13, "Permission denied", str(path))
        return opens(self, *arguments, **options)

    monkeypatch.setattr(Path, "open", refused)
    assert refusal(path) == f"{path} cannot be read: permission denied; ask its owner, or copy it."


def test_a_glob_is_read_in_the_order_of_names_with_one_type_for_all(write, tmp_path):
    write("a,b\n3,x\n", "2.csv")
    write("a,b\n1.5,y\n", "1.csv")
    assert rows(tmp_path / "*.csv") == [(1.5, "y"), (3.0, "x")]


def test_a_file_that_is_named_twice_is_read_twice(write):
    once, twice = write("a,b\n1,x\n2,y\n", "1.csv"), write("a,b\n3,z\n", "2.csv")
    data = opened([str(path) for path in (once, twice, once)])
    assert list(data.whole().rows()) == [(1, "x"), (2, "y"), (3, "z"), (1, "x"), (2, "y")]
    assert [part.rows for part in data.parts] == [2, 1, 2]
    assert data.where.row(3) == f"row 1 of {twice}"


@pytest.mark.parametrize("pack", [bytes, gzip.compress, pa.Codec("zstd").compress])
def test_a_name_that_begins_with_a_tilde_is_that_of_a_file_here(monkeypatch, tmp_path, pack):
    monkeypatch.chdir(tmp_path)
    Path("~x.csv").write_bytes(pack(b"a,b\n1,2\n"))
    assert rows("~x.csv") == [(1, 2)]
    assert opened(["~x.csv", "~x.csv"]).rows == 2


def test_a_database_may_have_a_name_that_begins_with_a_tilde(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with duckdb.connect("./~x.db") as made:
        made.execute("CREATE TABLE t AS SELECT 1 AS a")
    assert opened(query="FROM t", database="~x.db").rows == 1


def test_what_is_no_file_among_others_is_named_and_not_passed_over(write, tmp_path):
    write("a,b\n1,2\n", "1.csv")
    (tmp_path / "folder.csv").mkdir()
    assert rows(tmp_path / "*.csv") == [(1, 2)]
    link = tmp_path / "2.csv"
    link.symlink_to("nothing")
    for path in (tmp_path / "*.csv", link):
        assert refusal(path) == f"{link} is a link to nothing; mend or remove it."
    link.unlink()
    if hasattr(os, "mkfifo"):
        os.mkfifo(link)
        assert f"{link} is a pipe or a device" in refusal(tmp_path / "*.csv")


@pytest.mark.parametrize("pack", [gzip.compress, pa.Codec("zstd").compress])
def test_of_compressed_files_the_one_that_is_cut_short_is_named(write, tmp_path, pack):
    text = "a,b\n" + "".join(f"{i},{i * i % 997}\n" for i in range(5_000))
    write(bytes(pack(text.encode())), "1.csv")
    cut = write(bytes(pack(text.encode()))[:-20], "2.csv")
    assert refusal(tmp_path / "*.csv").startswith(f"{cut} is damaged or cut short")


def test_a_digit_that_is_not_the_one_that_was_compressed_is_seen(write):
    packed = bytearray(gzip.compress(b"a,b\n1,2\n3,4\n", compresslevel=0, mtime=0))
    packed[packed.index(b"3,4")] ^= 1  # 2,4
    assert "is damaged" in refusal(write(bytes(packed)))


def test_a_name_with_brackets_is_a_name(write):
    assert rows(write("a,b\n1,2\n", "data [1].csv")) == [(1, 2)]


@pytest.mark.parametrize(
    ("second", "error", "message"),
    [
        ("a,c\n1,2\n", ColumnError, "2.csv has no column 'b', but .*1.csv has"),
        ("a,b,c\n1,2,3\n", ColumnError, "2.csv has a column 'c', but .*1.csv has none"),
        ("a;b\n1;2\n", FileError, "2.csv is not delimited like .*1.csv"),
        ("a,b\n1\n", FileError, r"2.csv, line 2 \('1'\): cells found 1"),
        ("", FileError, "2.csv is empty"),
    ],
)
def test_files_that_do_not_go_together_are_named(write, tmp_path, second, error, message):
    write("a,b\n1,2\n", "1.csv")
    write(second, "2.csv")
    with pytest.raises(error, match=message):
        table_of(str(tmp_path / "*.csv"))


def test_csv_files_may_differ_in_the_order_of_their_columns_and_in_how_they_are_packed(write, tmp_path):
    write("a,b,c\n1,x,0.5\n", "1.csv")
    write("\nc,a,b\n2,3,y\n", "2.csv")
    (tmp_path / "3.csv.gz").write_bytes(gzip.compress(b"b,c,a\nz,4,5\nz,4,6\n"))
    expected = [(1, "x", 0.5), (3, "y", 2.0), (5, "z", 4.0), (6, "z", 4.0)]
    assert rows(tmp_path / "*.csv*") == expected
    data = opened(str(tmp_path / "*.csv*"))
    assert [part.rows for part in data.parts] == [1, 1, 2]
    assert [row for batch in data.batches(columns=["c", "a"]) for row in batch.rows()] == [
        (c, a) for a, _, c in expected
    ]


def test_a_thousand_columns_are_read_each_by_its_own_type(write):
    names = ",".join(f"c{i}" for i in range(1_000))
    path = write(f"{names}\n{','.join(map(str, range(1_000)))}\n{','.join(['0.5', 'x'] * 500)}\n")
    assert rows(path) == [tuple(str(i) if i % 2 else float(i) for i in range(1_000)), (0.5, "x") * 500]


def test_the_types_of_columns_are_those_of_all_files(write, tmp_path):
    write("a,b,c,d\n1,x,0.5,2024-01-02\n2,,,\n", "1.csv")
    write("d,c,b,a\n2024-03-04,7,y,3\n", "2.csv")
    assert rows(tmp_path / "*.csv") == [
        (1, "x", 0.5, datetime(2024, 1, 2)),
        (2, None, None, None),
        (3, "y", 7.0, datetime(2024, 3, 4)),
    ]
    assert [part.rows for part in opened(str(tmp_path / "*.csv")).parts] == [2, 1]


@pytest.mark.parametrize("name", ["data [1].csv", "a*b.csv", "it's.csv", "größe.csv"])
def test_the_rows_of_a_csv_file_are_counted_whatever_its_name(write, name):
    assert opened([str(write("a,b\n1,2\n3,4\n", name)), str(write("a,b\n5,6\n", "other.csv"))]).rows == 3


def parquet(path: Path, **columns: Any) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


def test_parquet_is_known_by_its_content_and_keeps_its_categories(tmp_path):
    path = parquet(tmp_path / "data.csv", a=[1, 2], c=pa.array(["x", "y"]).dictionary_encode())
    assert table_of(str(path)).schema == {"a": nw.Int64, "c": nw.Categorical}


def test_parquet_files_may_differ_in_order_and_width_but_not_in_kind(tmp_path):
    parquet(tmp_path / "1.parquet", a=[1], b=["x"])
    parquet(tmp_path / "2.parquet", b=["y"], a=[2.5])
    assert rows(tmp_path / "*.parquet") == [(1.0, "x"), (2.5, "y")]
    parquet(tmp_path / "3.parquet", b=["y"], a=["2"])
    assert refusal(tmp_path / "*.parquet", ColumnError) == (
        f"{tmp_path}/3.parquet holds text in column 'a', and {tmp_path}/1.parquet numbers; store it alike in all files."
    )


TEXTS = ["x", "y", "x"]
CENTS = pa.array([Decimal("1.25")], pa.decimal128(10, 2))
NARROW = pa.dictionary(pa.int8(), pa.string())


@pytest.mark.parametrize(
    ("one", "other", "values"),
    [
        (pa.array([1, 2], pa.int32()), pa.array([3], pa.int64()), [1, 2, 3]),
        (pa.array([0.5, 2], pa.float32()), pa.array([3.25], pa.float64()), [0.5, 2.0, 3.25]),
        (pa.array([1, 2], pa.int16()), pa.array([2.5], pa.float32()), [1.0, 2.0, 2.5]),
        (pa.array(TEXTS), pa.array(TEXTS).dictionary_encode(), TEXTS * 2),
        (pa.array(TEXTS).dictionary_encode(), pa.array(TEXTS, pa.large_string()), TEXTS * 2),
        (pa.array(TEXTS).dictionary_encode(), pa.array(TEXTS).dictionary_encode().cast(NARROW), TEXTS * 2),
        (pa.nulls(2), pa.array(TEXTS), [None, None, *TEXTS]),
        (pa.array(TEXTS), pa.array(TEXTS, pa.string_view()), TEXTS * 2),
        (CENTS, pa.array([3], pa.int64()), [1.25, 3]),
        (CENTS, pa.array([Decimal("0.125")], pa.decimal128(9, 3)), [1.25, 0.125]),
        (CENTS, pa.array([0.5], pa.float32()), [1.25, 0.5]),
        (pa.array([2**53 + 1], pa.int64()), pa.array([0.5]), [2.0**53, 0.5]),
        (pa.array([2**63 + 1], pa.uint64()), pa.array([-1], pa.int64()), [2.0**63, -1]),
        (pa.array([2**32 - 1], pa.uint32()), pa.array([-1], pa.int64()), [2**32 - 1, -1]),
    ],
)
@pytest.mark.parametrize("turned", [False, True])
def test_parquet_files_may_store_the_same_values_in_other_ways(tmp_path, one, other, values, turned):
    one, other = (other, one) if turned else (one, other)
    parquet(tmp_path / "1.parquet", a=one)
    parquet(tmp_path / "2.parquet", a=other)
    found = [row[0] for row in rows(tmp_path / "*.parquet")]
    assert sorted(found, key=str) == sorted(values, key=str)
    assert opened(str(tmp_path / "*.parquet")).whole()["a"].to_list() == found


@pytest.mark.parametrize(
    ("one", "other", "words"),
    [
        ([1.5], [True], "true or false in column 'a', and .*1.parquet numbers;"),
        ([datetime(2024, 1, 1)], ["2024-01-01"], "text in column 'a', and .*1.parquet dates;"),
        ([[1]], [1], "whole numbers in column 'a', and .*1.parquet list<.*>;"),
        (pa.array(TEXTS).dictionary_encode(), [1], "whole numbers in column 'a', and .*1.parquet text;"),
        ([datetime(2024, 1, 1)], [date(2024, 1, 1)], r"date32\[day\] in column 'a', and .*1.parquet timestamp\[us\];"),
    ],
)
def test_parquet_files_of_other_kinds_are_told_by_file_column_and_kind(tmp_path, one, other, words):
    parquet(tmp_path / "1.parquet", b=[0] * len(one), a=one)
    parquet(tmp_path / "2.parquet", b=[0] * len(other), a=other)
    assert re.search(f"2.parquet holds {words} store it alike", refusal(tmp_path / "*.parquet", ColumnError))


def test_a_parquet_file_cut_short_is_refused(tmp_path):
    path = parquet(tmp_path / "data.parquet", a=list(range(1000)))
    path.write_bytes(path.read_bytes()[:-20])
    assert "is it damaged or cut short?" in refusal(path)


def test_a_parquet_file_without_rows_is_refused(tmp_path):
    assert "no rows" in refusal(parquet(tmp_path / "data.parquet", a=pa.array([], pa.int64())))


def test_a_parquet_file_without_rows_beside_others_has_a_say_in_names_alone(tmp_path):
    parquet(tmp_path / "1.parquet", b=pa.array([], pa.float64()), a=pa.array([], pa.float64()))
    parquet(tmp_path / "2.parquet", a=pa.array(TEXTS).dictionary_encode(), b=[1, 2, 3])
    parquet(tmp_path / "3.parquet", a=pa.array([], pa.date32()), b=pa.array([], pa.float64()))
    table = table_of(str(tmp_path / "*.parquet"))
    assert table.schema == {"b": nw.Int64, "a": nw.Categorical}
    assert table["a"].to_list() == TEXTS
    parquet(tmp_path / "4.parquet", a=[5], b=[1])
    assert "4.parquet holds whole numbers in column 'a', and " in refusal(tmp_path / "*.parquet", ColumnError)
    parquet(tmp_path / "4.parquet", a=pa.array([], pa.string()))
    assert "4.parquet has no column 'b'" in refusal(tmp_path / "*.parquet", ColumnError)


def test_csv_and_parquet_do_not_go_together(write, tmp_path):
    write("a\n1\n", "1")
    parquet(tmp_path / "2", a=[1])
    assert "2 is Parquet and" in refusal(tmp_path / "*")


def test_batches_add_up_to_the_table(write, tmp_path):
    csv = write("a,b\n" + "".join(f"{i},x{i}\n" for i in range(5000)))
    for data in (str(csv), str(parquet(tmp_path / "data.parquet", a=list(range(5000)))), "iris"):
        batches = list(opened(data).batches(rows=999))
        assert len(batches) > 1 or data == "iris"
        assert all(len(batch) <= 999 for batch in batches)
        assert [row for batch in batches for row in batch.rows()] == rows(data)


def test_a_file_named_like_a_built_in_set_comes_first(write, monkeypatch, tmp_path):
    write("a\n1\n", "iris")
    monkeypatch.chdir(tmp_path)
    assert rows("iris") == [(1,)]


@pytest.mark.parametrize("name", BUILTIN)
def test_a_built_in_set_ends_with_its_target(name):
    table, target = builtin(name)
    assert table.columns[-1] == target == BUILTIN[name]
    assert (table[target].n_unique() > 10) == (name in REGRESSIONS)


def test_a_built_in_set_that_is_not_there_is_answered_with_the_nearest():
    with pytest.raises(ArgumentError, match="Did you mean 'wine'"):
        builtin("wines")


def test_replacing_writes_the_whole_file_and_makes_its_folder(tmp_path):
    path = tmp_path / "new" / "out.txt"
    with replacing(path) as partial:
        partial.write_text("all of it")
        assert not path.exists()
    assert path.read_text() == "all of it"
    assert os.listdir(path.parent) == ["out.txt"]


def write_and_fail(path: Path, fault: type[BaseException]) -> None:
    with replacing(path) as partial:
        partial.write_text("ne")
        raise fault


@pytest.mark.parametrize("fault", [KeyboardInterrupt, ValueError])
def test_what_fails_takes_the_folders_with_it_that_it_made(tmp_path, fault):
    (tmp_path / "old").mkdir()
    paths = [tmp_path / "old" / "new" / "a.txt", tmp_path / "old" / "new" / "newer" / "b.txt", tmp_path / "c" / "c.txt"]

    def fail():
        with replacing_all(*paths):
            (tmp_path / "c" / "of others").touch()
            raise fault

    with pytest.raises(fault):
        fail()
    assert {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")} == {"old", "c", "c/of others"}
    assert not [path for path in unfinished if path.startswith(str(tmp_path))]


@pytest.mark.parametrize("fault", [ValueError, KeyboardInterrupt])
def test_replacing_leaves_the_old_file_when_interrupted(tmp_path, fault):
    path = tmp_path / "out.txt"
    path.write_text("old")

    with pytest.raises(fault):
        write_and_fail(path, fault)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["out.txt"]


def test_a_place_that_takes_no_file_is_refused_before_the_work(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(FileError, match=r"cannot be written: .*too long"),
        replacing(tmp_path / ("n" * 300) / "f"),
    ):
        pytest.fail("the work was done")
    with (
        pytest.raises(FileError, match=r"out\.txt cannot be written"),
        replacing(tmp_path / "file" / "out.txt"),
    ):
        pytest.fail("the work was done")


def test_a_folder_is_not_replaced(tmp_path):
    with pytest.raises(FileError, match="cannot be written"), replacing(tmp_path) as partial:
        partial.write_text("x")
    assert tmp_path.is_dir()


def test_ctrl_c_while_duckdb_reads_is_ctrl_c(monkeypatch, tmp_path):
    def interrupted(*_):
        raise RuntimeError("Query interrupted")

    monkeypatch.setattr("separatrix.data.reading.files.layouts_of", interrupted)
    (tmp_path / "data.csv").write_text("a,b\n1,2\n")
    with pytest.raises(KeyboardInterrupt):
        table_of(str(tmp_path / "data.csv"))


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("select * from nosuch", "Catalog Error: Table with name nosuch does not exist"),
        ("selct 1", "Parser Error: syntax error"),
        ("select nosuch from (select 1 as a)", "Binder Error: Referenced column"),
        ("select a::int as a from (select 'x' as a)", "Conversion Error: Could not convert string 'x'"),
        ("from 'nosuch.parquet'", "IO Error: No files found that match the pattern"),
        ("select 1 + 'a'::blob", "Binder Error: No function matches the given name and argument types"),
        ("select error('no luck')", "Invalid Input Error: no luck"),
    ],
)
def test_a_mistake_in_a_query_is_blamed_on_the_query(query, why, tmp_path):
    database = tmp_path / "sales.duckdb"
    duckdb.connect(str(database)).close()
    for place in (None, database):
        with pytest.raises(FileError) as caught:
            opened(query=query, database=place)
        assert str(caught.value).startswith(f"the query failed ({why}")
        assert str(caught.value).endswith("; correct it.")
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("query", "kind"),
    [
        ("copy (select 1 as a) to 'copied.csv'", "COPY"),
        ("create table sales as select 1 as a", "CREATE"),
        ("insert into sales values (1) returning *", "INSERT"),
        ("select 1 as a; delete from sales", "SELECT and DELETE"),
        ("set threads = 1", "SET"),
        (" ", "empty"),
    ],
)
def test_a_query_only_reads(query, kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ArgumentError, match=f"is {kind}: give one statement that only reads, a SELECT"):
        opened(query=query)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("query", ["from (values (1, 2)) t(a, b)", "pivot (values (1, 2)) t(a, b) on a using sum(b)"])
def test_what_answers_with_rows_is_a_query(query):
    assert opened(query=query).rows == 1


def test_a_relation_of_duckdb_is_read_as_often_as_asked():
    data = opened(duckdb.sql("select range as a from range(3)"))
    assert [batch["a"].to_list() for _ in range(2) for batch in data.batches()] == [[0, 1, 2]] * 2
    with pytest.raises(FileError, match="the relation holds column names but no rows"):
        opened(duckdb.sql("select 1 as a where false"))
    with pytest.raises(FileError, match=r"the query failed \(Invalid Input Error: no luck\); correct it"):
        opened(duckdb.sql("select error('no luck') as a from range(3)"))


def test_a_column_is_no_table_and_a_table_has_columns():
    with pytest.raises(ArgumentError, match="a ChunkedArray, is a column without a name: give a table"):
        opened(pa.chunked_array([[1, 2], [3]]))
    with pytest.raises(FileError, match="the data holds no columns"):
        opened(pa.table({}))


def test_a_database_that_cannot_be_opened_says_what_duckdb_says(tmp_path):
    name = str(tmp_path / "sales.duckdb")
    with duckdb.connect(name), pytest.raises(FileError, match=r"cannot be opened \(Connection Error: Can't open"):
        opened(query="select 1 as a", database=name)


def test_a_database_without_a_query_is_told_to_have_one():
    with pytest.raises(ArgumentError, match=r"database='sales.duckdb' needs a query"):
        opened(database="sales.duckdb")


def test_an_answer_with_two_columns_of_one_name_is_refused():
    with pytest.raises(ColumnError, match="the query has 2 columns named 'a'; rename all but one"):
        opened(query="select 1 as a, 2 as a, 1 as y")


def test_a_fault_in_one_of_several_files_is_told_by_its_row_there(run, write):
    for kind in ("csv", "parquet"):
        for number in range(3):
            frame = pa.table({"x": [f"{i}.5" for i in range(60)], "y": [0, 1] * 30})
            if number == 2:
                frame = frame.set_column(0, "x", [[*frame["x"].to_pylist()[:-1], "oops"]])
            if kind == "csv":
                pa.csv.write_csv(frame, f"{number}.csv")
            else:
                pq.write_table(frame, f"{number}.parquet", row_group_size=7)
        assert run("fit", f"[01].{kind}", "--target", "y", "--numeric", "x")[0] == 0
        for command in (
            ("fit", f"*.{kind}", "--target", "y"),
            ("fit", f"*.{kind}", "--target", "y", "--stream"),
            ("predict", "model.json", f"*.{kind}"),
            ("evaluate", "model.json", f"*.{kind}"),
        ):
            code, _, err = run(*command)
            assert (code, f"column 'x', row 60 of 2.{kind}: 'oops' is not a number" in err) == (1, True), err


def test_files_whose_times_are_of_different_zones_name_both(tmp_path):
    for name, zone in (("a", "UTC"), ("b", "Europe/Rome"), ("c", None)):
        times = pa.array([0, 10**15], pa.timestamp("us", zone))
        pq.write_table(pa.table({"at": times, "y": [0, 1]}), tmp_path / f"{name}.parquet")
    with pytest.raises(ColumnError, match=r"b.parquet holds times of Europe/Rome in column .*a.parquet times of UTC"):
        opened([tmp_path / "a.parquet", tmp_path / "b.parquet"])
    with pytest.raises(ColumnError, match=r"holds times of no time zone in column 'at', and .* times of UTC; store"):
        opened([tmp_path / "a.parquet", tmp_path / "c.parquet"])


def kinds(rows: int = 300) -> dict[str, list[Any]]:
    """Columns of all kinds of text, with the marks of missing cells."""
    random = np.random.default_rng(7)

    def some(cells, *marks):
        return [random.choice(marks) if marks and random.random() < 0.1 else cell for cell in cells]

    numbers, days = random.normal(size=rows).round(3), random.integers(1, 28, rows)
    return {
        "number": some(map(str, numbers), "?", "NA", "", "nan"),
        "whole": some(map(str, random.integers(0, 50, rows)), "NULL"),
        "money": [f"${1000 * abs(number):,.2f}" for number in numbers[::-1]],
        "share": some([f"{day}%" for day in days[::-1]], "."),
        "small": some(random.choice(["true", "false"], rows)),
        "large": some(random.choice(["True", "False"], rows), "NA", "?"),
        "answer": some(random.choice(["yes", "no"], rows), "None", "#N/A"),
        "mostly": some(random.choice(["true", "false"], rows), "maybe"),
        "city": some(random.choice(["Rome", "Oslo", "Bonn"], rows), "?", " ", " NA "),
        "code": [f"{day:03d}" for day in days],
        "parted": [f"1_0{day}" for day in days],
        "day": some([f"2024-{day % 12 + 1:02d}-{day:02d}" for day in days], "?"),
        "slashed": [f"2023/{day % 12 + 1}/{day}" for day in days],
        "short": [f"2022-{day % 12 + 1}-{day}" for day in days],
        "time": [f"2021-01-{day:02d}T{day % 24:02d}:30:00Z" for day in days],
        "spaced": [f"2020 01 {day:02d}" for day in days],
        "ill": some(np.where(numbers + random.logistic(size=rows) > 0, "p", "q")),
    }


def test_a_table_is_the_same_in_csv_in_parquet_and_in_memory(tmp_path):
    cells = pa.table({name: pa.array(map(str, column)) for name, column in kinds().items()})
    pq.write_table(cells, tmp_path / "all.parquet")
    pa.csv.write_csv(cells, tmp_path / "all.csv")
    doors = [cells, pl.from_arrow(cells), cells.to_pandas(), opened(tmp_path / "all.parquet")]
    ours = LogisticRegression().fit(opened(tmp_path / "all.csv"), target="ill")
    for data in doors:
        model = LogisticRegression().fit(data, target="ill")
        # A reader of CSV makes missing cells of the marks in numbers and dates before we see which they were.
        told = [re.sub(r" \(('.*')\)", "", words) for _, words in model.columns_.describe()]
        assert told == [re.sub(r" \(('.*')\)", "", words) for _, words in ours.columns_.describe()]
        assert model.columns_.feature_names == ours.columns_.feature_names
        np.testing.assert_allclose(model.coef_, ours.coef_, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.999])
def test_a_file_of_zstd_that_ends_too_early_is_refused(write, kept):
    lines = "".join(f"{number},{number * number}\n" for number in range(30_000))
    whole = pa.compress(("a,b\n" + lines).encode(), codec="zstd", asbytes=True)
    path = write(whole[: int(len(whole) * kept)], "cut.csv.zst")
    assert "cut short" in refusal(path)


def test_what_a_killed_process_left_half_written_is_removed_and_what_a_living_one_writes_is_not(tmp_path):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    left, written = (tmp_path / f".out.csv.{number}.partial" for number in (gone.pid, os.getppid()))
    for path in (left, written):
        path.touch()
    with replacing(tmp_path / "out.csv") as partial:
        partial.write_text("a")
    assert {path.name for path in tmp_path.iterdir()} == {"out.csv", written.name}


def test_the_fault_of_another_file_is_not_that_of_the_output(tmp_path):
    with pytest.raises(FileError, match="other' cannot be used"), replacing(tmp_path / "out.csv"):
        (tmp_path / "other").read_text()
    assert not list(tmp_path.iterdir())
