"""Every format holds what it promises: one object, one object a line, or aligned text."""

import csv
import io
import json
from collections.abc import Iterator

import pytest

from durafix.journal.errors import Corrupt
from durafix.tools.render.output import FORMATS, Output, Row
from durafix.tools.render.progress import Progress, progress_line
from durafix.tools.render.table import lines, pairs

ROWS: list[Row] = [{"name": "a", "n": 1, "ok": True}, {"name": "long", "n": 20, "ok": None}]


def written(form: str, rows: list[Row]) -> str:
    """What a stream of rows looks like."""
    stream = io.StringIO()
    Output(stream, form).rows(
        "thing/1", rows, lambda row: f"{row['name']}:{row['n']}", ("name", "n")
    )
    return stream.getvalue()


@pytest.mark.parametrize("rows", [[], ROWS])
def test_json_is_one_object_even_without_rows(rows: list[Row]) -> None:
    """A program parses stdout whole, always."""
    parsed = json.loads(written("json", rows))
    assert parsed == {"schema": "thing/1", "rows": rows, "count": len(rows)}


def test_ndjson_marks_the_schema_on_the_first_line() -> None:
    """One object a line and nothing else."""
    first, second = (json.loads(text) for text in written("ndjson", ROWS).splitlines())
    assert first.pop("schema") == "thing/1"
    assert [first, second] == ROWS
    assert written("ndjson", []) == ""


def test_csv_has_a_header_and_the_chosen_columns() -> None:
    """Parsed by any csv reader."""
    assert list(csv.reader(io.StringIO(written("csv", ROWS)))) == [
        ["name", "n"],
        ["a", "1"],
        ["long", "20"],
    ]


def test_a_table_aligns_numbers_to_the_right() -> None:
    """Names to the left, numbers to the right, no trailing blanks."""
    assert written("table", ROWS).splitlines() == [
        "name   n",
        "----  --",
        "a      1",
        "long  20",
    ]
    assert lines([]) == []
    assert pairs({"a": None, "bcd": [1, 2]}) == ["a    -", "bcd  1, 2"]


def test_text_is_what_the_verb_says() -> None:
    """One line a row."""
    assert written("text", ROWS) == "a:1\nlong:20\n"


@pytest.mark.parametrize("form", FORMATS)
def test_rows_are_written_before_the_last_one_is_read(form: str) -> None:
    """A journal does not have to fit into memory to be shown."""
    stream = io.StringIO()
    seen: list[int] = []

    def rows() -> Iterator[Row]:
        for number in range(1200):
            seen.append(len(stream.getvalue()))
            yield {"n": number}

    count = Output(stream, form).rows("thing/1", rows(), lambda row: str(row["n"]), ("n",))
    assert count == 1200
    assert seen[-1] > 0


def test_a_report_is_one_object_or_its_text() -> None:
    """The text is only computed when it is shown."""
    stream = io.StringIO()
    Output(stream, "json").report("thing-report/1", {"a": 1}, lambda: 1 / 0)  # type: ignore[arg-type,return-value]
    assert json.loads(stream.getvalue()) == {"schema": "thing-report/1", "a": 1}
    stream = io.StringIO()
    Output(stream, "text").report("thing-report/1", {"a": 1}, lambda: ["x", "y"])
    assert stream.getvalue() == "x\ny\n"


def test_progress_shows_rate_and_time_left_on_a_terminal_only() -> None:
    """Not a byte otherwise."""
    times = iter([0.0, 0.1, 0.5, 0.6])
    stream = io.StringIO()
    quiet = Progress(stream, "verify")
    quiet(1, 10)
    quiet.close()
    assert stream.getvalue() == ""
    meter = Progress(stream, "verify", enabled=True, clock=lambda: next(times))
    meter(1, 10)
    assert stream.getvalue() == ""
    meter(5, 10)
    assert "verify  5 of 10 (50 %)  10/s  0.5 s left" in stream.getvalue()
    meter.close()
    assert stream.getvalue().endswith("\r")
    assert progress_line("cat", 7, 0, 1.0) == "cat  7  7/s"


@pytest.mark.parametrize("form", ["json", "table"])
def test_an_error_in_the_middle_leaves_what_was_read(form: str) -> None:
    """json is still one object, and says that it is not complete."""

    def damaged() -> Iterator[Row]:
        yield from ROWS
        raise Corrupt("damaged", where="1:8192")

    stream = io.StringIO()
    with pytest.raises(Corrupt):
        Output(stream, form).rows("thing/1", damaged(), str, ("name", "n"))
    if form == "json":
        parsed = json.loads(stream.getvalue())
        assert (parsed["count"], parsed["complete"]) == (len(ROWS), False)
    else:
        assert len(stream.getvalue().splitlines()) == len(ROWS) + 2
