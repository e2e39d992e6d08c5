from __future__ import annotations

import gzip
import hashlib

import numpy as np
import pytest
from astropy.table import MaskedColumn, Table
from hypothesis import given
from hypothesis import strategies as st

from clusterbayes.errors import InputError, SettingsError
from clusterbayes.photometry import Photometry
from clusterbayes.photometry.delimited import line_of_row
from clusterbayes.photometry.readers import read_table, with_line

CSV = "id,V,V_error\n0012,14.25,0.01\n6772762864267173249,,0.02\nx-3,15.5,null\n"


def read(path, **options):
    return read_table(path, text_columns=lambda names: [name for name in names if name == "id"], **options)


def write(tmp_path, content, name="table.dat"):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def check(table):
    assert table["id"].tolist() == ["0012", "6772762864267173249", "x-3"]
    np.testing.assert_array_equal(np.ma.filled(table["V"], np.nan), [14.25, np.nan, 15.5])
    np.testing.assert_array_equal(np.ma.filled(table["V_error"], np.nan), [0.01, 0.02, np.nan])


VARIANTS = {
    "plain": CSV,
    "windows": CSV.replace("\n", "\r\n"),
    "old mac": CSV.replace("\n", "\r"),
    "byte-order mark": b"\xef\xbb\xbf" + CSV.encode(),
    "tabs": CSV.replace(",", "\t"),
    "semicolons": CSV.replace(",", ";"),
    "bars": CSV.replace(",", "|"),
    "spaces around": CSV.replace(",", " , "),
    "blank lines": CSV.replace("\n", "\n\n"),
    "comments above": "# a table\n#\n" + CSV,
    "no last newline": CSV.rstrip("\n"),
    "quotes": CSV.replace("x-3", '"x-3"'),
    "blanks": "id  V  V_error\n0012 14.25   0.01\n6772762864267173249 -- 0.02\n  x-3 15.5 NaN \n",
    "missing words": CSV.replace(",,", ",NULL,").replace("null", "--"),
    "gzip": gzip.compress(CSV.encode()),
}


@pytest.mark.parametrize("name", VARIANTS)
def test_text_tables_are_read_whatever_their_dress(tmp_path, name):
    table, _ = read(write(tmp_path, VARIANTS[name]))
    check(table)


def test_the_checksum_is_of_the_bytes(tmp_path):
    _, checksum = read(write(tmp_path, CSV))
    assert checksum == hashlib.sha256(CSV.encode()).hexdigest()


def test_comments_above_give_metadata(tmp_path):
    table, _ = read(write(tmp_path, "# parallax_zero_point: applied\n" + CSV))
    assert table.meta["parallax_zero_point"] == "applied"


def test_a_header_in_a_comment_is_understood(tmp_path):
    table, _ = read(write(tmp_path, "# a survey\n# id V V_error\n007 14.2 0.01\n008 14.3 0.02\n"))
    assert table.colnames == ["id", "V", "V_error"]
    assert table["id"].tolist() == ["007", "008"]


def test_the_lines_of_vizier_are_taken_off(tmp_path):
    text = "#RESOURCE=1\n\nid\tVmag\te_Vmag\n \tmag\tmag\n----\t------\t-----\n01\t14.2\t0.01\n02\t15.2\t0.02\n"
    table, _ = read(write(tmp_path, text))
    assert table["id"].tolist() == ["01", "02"]
    assert str(table["Vmag"].unit) == "mag"
    np.testing.assert_allclose(table["Vmag"], [14.2, 15.2])


@pytest.mark.parametrize("format", ["fits", "votable", "ascii.ecsv"])
def test_other_formats_are_found_by_content(tmp_path, format):
    ids = ["0012", "6772762864267173249", "x-3"]
    table = Table({"id": ids, "V": MaskedColumn([14.25, 0.0, 15.5], mask=[0, 1, 0]), "V_error": [0.01, 0.02, np.nan]})
    path = tmp_path / "nothing.known"
    table.write(path, format=format)
    check(read(path)[0])


def test_whole_numbers_of_64_bits_keep_their_digits(tmp_path):
    path = tmp_path / "t.fits"
    Table({"id": np.array([6772762864267173249]), "V": [1.0]}).write(path)
    assert read(path)[0]["id"][0] == 6772762864267173249


BAD = {
    "html": ("<!DOCTYPE html><html>login</html>", "web page"),
    "json": ('[{"V": 14.2}]', "JSON"),
    "binary": (b"PK\x03\x04\x00\x00\x00", "binary"),
    "empty": ("  \n", "empty"),
    "only comments": ("# nothing\n# here\n", "no table"),
    "header only": ("id,V,V_error\n", "no rows"),
    "one column": ("V\n14.2\n", "only one column"),
    "no header": ("1,14.2,0.01\n2,14.3,0.02\n", "no header.*e.g. id,V,V_error"),
    "same name twice": ("V,V\n1,2\n", "two columns"),
    "too many cells": ("V,B\n1,2,3,4\n", r"4 cells, the header \(V,B\) 2"),
    "broken fits": ("SIMPLE  =                    T", "cannot be read as fits"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_not_a_table_is_refused(tmp_path, name):
    content, message = BAD[name]
    path = write(tmp_path, content)
    with pytest.raises(InputError, match=message) as caught:
        read(path)
    assert str(path) in str(caught.value)


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    with pytest.raises(InputError, match="not found"):
        read(tmp_path / "none.csv")
    with pytest.raises(InputError, match="folder"):
        read(tmp_path)


def test_an_unknown_format_is_refused(tmp_path):
    with pytest.raises(SettingsError, match="csv"):
        read(write(tmp_path, CSV), format="cvs")


cells = st.one_of(st.none(), st.floats(-30, 30).map(lambda value: round(value, 4)))


@given(st.lists(st.tuples(st.integers(0, 10**19), cells, cells), min_size=1, max_size=20))
def test_what_was_written_is_read(tmp_path_factory, rows):
    lines = [",".join("" if cell is None else str(cell) for cell in row) for row in rows]
    path = write(tmp_path_factory.mktemp("csv"), "id,V,B\n" + "\n".join(lines))
    table, _ = read(path)
    assert table["id"].tolist() == [str(row[0]) for row in rows]
    for column, name in ((1, "V"), (2, "B")):
        expected = [np.nan if row[column] is None else row[column] for row in rows]
        found = np.ma.filled(np.ma.asarray(table[name], dtype=float), np.nan)
        np.testing.assert_allclose(found, expected)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (gzip.compress(CSV.encode())[:-9], "damaged"),
        (b"\x1f\x8b" + b"not gzip at all", "damaged"),
        (gzip.compress(b"id,V\n" + b"0" * 200_000_000), "unpacks to more than"),
        (gzip.compress(b"  \n"), "empty"),
    ],
    ids=["cut", "garbage", "bomb", "blank"],
)
def test_gzip_that_holds_no_table_is_refused(tmp_path, content, words):
    with pytest.raises(InputError, match=words):
        read(write(tmp_path, content))


def test_gzip_in_several_members_is_read_whole(tmp_path):
    half = len(CSV) // 2
    check(read(write(tmp_path, gzip.compress(CSV[:half].encode()) + gzip.compress(CSV[half:].encode())))[0])


def test_utf16_of_spreadsheets_is_read(tmp_path):
    check(read(write(tmp_path, CSV.encode("utf-16")))[0])


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("id,V\na,1\nb,2\nc,3\n", 4),
        ("# one\n#\nid,V\r\na,1\r\nb,2\r\nc,3\r\n", 6),
        ("id,V\na,1\n\nb,2\n\nc,3\n", 6),
        ('id,V\na,"1\n1"\nb,2\nc,3\n', 5),
        ("id\tVmag\n \tmag\n--\t----\na\t1\nb\t2\nc\t3\n", 6),
        ("# id V\n1 1\n2 2\n3 3\n", 4),
    ],
)
def test_the_line_of_a_row_is_found(text, line):
    assert line_of_row(text, 2) == line
    assert line_of_row(text, 99) is None


def test_an_error_about_a_row_names_its_line(tmp_path):
    path = write(tmp_path, "# comment\n" + CSV.replace("15.5", "bright"))
    error = with_line(InputError("not a number", str(path), "V", 2), path)
    assert "line 5, column 'V', row 2 (from 0)" in str(error)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "# a note\nid,V,V_error,B,B_error\n1,14,.01,15,.01\n\n2,14,.01,15,.01,7\n",
            "line 5.*6 cells, the header .* 5[.]",
        ),
        ('id,V,B\n"a\nb",14,15\nc,14,15,16\n', r"line 4.*row 1.*4 cells, the header \(id,V,B\) 3"),
        ("id V B\na 14 15\nb 14\n", "line 3.*2 cells, the header .* 3[.]"),
        ("Cluster NGC 1,my data\nid,V,B\na,14,15\n", "line 2.*remove a title"),
        ("id,V,B\n1,14,5,15,2\n", "line 2.*decimal commas have split the numbers"),
        ("id;V;V_error;B;B_error\na;14,5;0,1;15,2;0,1\n", "line 2, column 'V'.*'14,5'.*decimal point, not a comma"),
        ("# a note\nid,V,V\n1,14,14\n", "line 2, column 'V'.*two columns have this name"),
        ("\nV\n1\n", "line 2.*only one column"),
    ],
)
def test_what_is_wrong_with_lines_is_found_in_its_line(tmp_path, text, told):
    path = tmp_path / "t.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=f"t.csv, {told}"):
        Photometry.read(path)
