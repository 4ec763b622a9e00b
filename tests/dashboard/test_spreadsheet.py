"""CSV files as a spreadsheet reads them."""

from __future__ import annotations

import csv
import io

import pytest

from dashboard.spreadsheet import to_csv


def test_a_file_is_marked_as_utf_8_and_reads_back_what_was_written() -> None:
    data = to_csv(("class", "count"), [("Löcher, groß", "3"), ('"quoted"', "two\nlines")])

    assert data.startswith(b"\xef\xbb\xbf")
    rows = list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")))
    assert rows == [["class", "count"], ["Löcher, groß", "3"], ['"quoted"', "two\nlines"]]


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx"])
def test_no_cell_is_run_as_a_formula(cell: str) -> None:
    rows = list(csv.reader(io.StringIO(to_csv(["a"], [[cell]]).decode("utf-8-sig"), newline="")))

    assert rows[1] == [f"'{cell}"]
