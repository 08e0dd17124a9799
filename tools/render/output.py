"""Where results go: one object or a stream of rows, in the format that was asked for.

Owns the five formats and the schema mark. Data goes to the stream it is given (stdout); it must not
know verbs, exit codes or journals. Invariant: with ``json`` the stream holds exactly one object,
with ``ndjson`` one object a line and nothing else, so that a program never has to skip a sentence
meant for a person.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TextIO

import msgspec

from ...journal.errors import Error
from . import table

Row = Mapping[str, object]
FORMATS = ("text", "table", "json", "ndjson", "csv")
TABLE_CHUNK = 500
"""Rows that one table measures together: a long stream shows its first rows before its last is
read.
"""


class Output:
    """One command's results. ``flush`` after each row is for streams that somebody watches (``tail
    -f``).
    """

    def __init__(self, stream: TextIO, form: str, *, flush: bool = False) -> None:
        assert form in FORMATS, form
        self.form = form
        self._stream = stream
        self._flush = flush

    def line(self, text: str) -> None:
        """One line of text."""
        self._stream.write(text + "\n")
        if self._flush:
            self._stream.flush()

    def report(self, schema: str, report: Row, text: Callable[[], Iterable[str]]) -> None:
        """One result. ``text`` gives its lines for people; json and ndjson carry ``schema``; csv is
        one row.
        """
        if self.form in ("json", "ndjson"):
            self.line(encode({"schema": schema, **report}, pretty=self.form == "json"))
        elif self.form == "csv":
            self.rows(schema, [report], str, ())
        else:
            for text_line in text():
                self.line(text_line)

    def rows(
        self, schema: str, rows: Iterable[Row], text: Callable[[Row], str], columns: Sequence[str]
    ) -> int:
        """A stream of results, each as soon as it is there; returns how many. ``columns`` shape
        table and csv.

        As json the rows are collected into one object (``rows``), with ``complete`` false if an
        error ended them; for streams without end use
        ndjson, whose first line carries ``schema``.
        """
        emit = {
            "text": self._text,
            "table": self._table,
            "json": self._json,
            "ndjson": self._ndjson,
            "csv": self._csv,
        }[self.form]
        return emit(schema, rows, text, columns)

    def _text(
        self, schema: str, rows: Iterable[Row], text: Callable[[Row], str], columns: Sequence[str]
    ) -> int:
        count = 0
        for count, row in enumerate(rows, 1):  # noqa: B007  (the count is the result)
            self.line(text(row))
        return count

    def _table(
        self, schema: str, rows: Iterable[Row], text: Callable[[Row], str], columns: Sequence[str]
    ) -> int:
        count, chunk = 0, list[Row]()
        try:
            for row in rows:
                chunk.append(row)
                if len(chunk) == TABLE_CHUNK or self._flush:
                    self._table_chunk(chunk, columns, first=not count)
                    count, chunk = count + len(chunk), []
        except Error:  # damage ends the reading: show what was read
            self._table_chunk(chunk, columns, first=not count)
            raise
        self._table_chunk(chunk, columns, first=not count)
        return count + len(chunk)

    def _table_chunk(self, chunk: Sequence[Row], columns: Sequence[str], *, first: bool) -> None:
        for text_line in table.lines(chunk, columns)[0 if first else 2 :]:
            self.line(text_line)

    def _json(
        self, schema: str, rows: Iterable[Row], text: Callable[[Row], str], columns: Sequence[str]
    ) -> int:
        """Written row by row: a journal does not have to fit into memory to be one object."""
        count = 0
        self._stream.write(f'{{"schema":"{schema}","rows":[')
        try:
            for count, row in enumerate(rows, 1):
                self._stream.write(("\n" if count == 1 else ",\n") + encode(row))
        except Error:  # damage ends the reading: what was read is one whole object all the same
            self.line(f'],"count":{count},"complete":false}}')
            raise
        self.line(f'],"count":{count}}}')
        return count

    def _ndjson(
        self, schema: str, rows: Iterable[Row], text: Callable[[Row], str], columns: Sequence[str]
    ) -> int:
        count = 0
        for count, row in enumerate(rows, 1):
            self.line(encode({"schema": schema, **row} if count == 1 else row))
        return count

    def _csv(
        self, schema: str, rows: Iterable[Row], text: Callable[[Row], str], columns: Sequence[str]
    ) -> int:
        count, writer, names = 0, csv.writer(self._stream, lineterminator="\n"), list(columns)
        for count, row in enumerate(rows, 1):
            if count == 1:
                names = names or list(row)
                writer.writerow(names)
            writer.writerow([_csv_cell(row.get(name)) for name in names])
        return count


def encode(value: object, *, pretty: bool = False) -> str:
    """One JSON value as text. Bytes do not occur: whoever makes a row has turned them into text
    already.
    """
    data = msgspec.json.encode(value)
    return (msgspec.json.format(data, indent=2) if pretty else data).decode()


def _csv_cell(value: object) -> object:
    return encode(value) if isinstance(value, dict | list | tuple) else value
