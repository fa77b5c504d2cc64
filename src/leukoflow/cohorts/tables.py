"""The table of a cohort: CSV as spreadsheets write it, read whole, or refused in one line that says why and where."""

import csv
import io
import logging
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pandas as pd

from leukoflow.config.errors import nearest
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.names import absent, plain, shown

log = logging.getLogger("leukoflow")
SEPARATORS = ",;\t|"
"""What may stand between cells; the first with which the header has the wanted columns counts."""
_OPTIONAL = ("patient", "slide", "site", "mask")
_MARKS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}


def read_rows(source: Path, columns: Mapping[str, str]) -> pd.DataFrame:
    """The named columns of a table, all text or None, and `line`: int64, the row's last line in the file, from 1.

    columns: our name of each column and the table's; both are compared in their `plain` form. UTF-8 or UTF-16 (with its
    mark); cells parted by commas, semicolons, tabs or bars; quoted cells may hold separators and line breaks. Empty
    cells at the end of a row are no cells, and rows without any are left out. Cells are brought to their `plain` form,
    except in `path` and `mask`, whose files may be called as they are. In patient, slide, site and mask, words for a
    missing value (`NA`, `unknown`) are missing.

    Raises LeukoFlowError: no such file, no text in these encodings, a column that is missing or there twice, an open
    quote, a row with more cells than the header.
    """
    text = _text(source)
    first, _, rest = text.partition("\n")
    told = re.fullmatch(r"sep=(.)\r?", first)  # a line by which spreadsheets are told
    header, rows, lines = _parsed(source, rest if told else text, told[1] if told else "", columns)
    positions = {name: _position(source, header, name, column) for name, column in columns.items()}
    table = pd.DataFrame(
        {name: [row[position] if position < len(row) else "" for row in rows] for name, position in positions.items()},
        dtype=object,
    )
    for name in table.columns:
        table[name] = _cleaned(table[name], name)
    return table.assign(line=pd.Series(lines, dtype="int64") + bool(told))


def _text(source: Path) -> str:
    try:
        data = source.read_bytes()
    except OSError as error:
        raise LeukoFlowError(
            f"{source}: cannot be read as a CSV table ({error.strerror}); check the name in the config"
        ) from error
    encoding = _MARKS.get(data[:2], "utf-8-sig")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise LeukoFlowError(
            f"{source}: cannot be read as a CSV table, as line {line} is not {encoding.removesuffix('-sig').upper()}; "
            "save it as CSV in UTF-8"
        ) from error
    if "\0" in text:
        raise LeukoFlowError(
            f"{source}: cannot be read as a CSV table, as it holds zero bytes; save it as CSV in UTF-8"
        )
    return text


def _parsed(
    source: Path, text: str, separator: str, columns: Mapping[str, str]
) -> tuple[list[str], list[list[str]], list[int]]:
    """Header, rows without empty cells at their ends, and the line that each row ends in."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator or _separator(text, columns), strict=True)
    rows: list[list[str]] = []
    lines: list[int] = []
    try:
        header = [plain(cell) for cell in _first_row(reader)]
        for row in reader:
            while row and not row[-1].strip():
                row.pop()
            if len(row) > len(header):
                raise LeukoFlowError(
                    f"{source}: cannot be read as a CSV table, as line {reader.line_num} has {len(row)} cells and the "
                    f"header {len(header)}; put cells that hold a separator in quotes"
                )
            if row:
                rows.append(row)
                lines.append(reader.line_num)
    except csv.Error as error:
        raise LeukoFlowError(f"{source}: cannot be read as a CSV table, line {reader.line_num}: {error}") from error
    if not header:
        raise LeukoFlowError(f"{source}: cannot be read as a CSV table, as it is empty")
    return header, rows, lines


def _first_row(reader: Iterator[list[str]]) -> list[str]:
    """The first row that is not blank."""
    return next((row for row in reader if "".join(row).strip()), [])


def _separator(text: str, columns: Mapping[str, str]) -> str:
    """The first with which the header has all wanted columns, else the one with which it has the most cells."""
    cells = {}
    for separator in SEPARATORS:
        try:
            header = _first_row(csv.reader(io.StringIO(text, newline=""), delimiter=separator))
        except csv.Error:
            continue
        cells[separator] = len(header)
        if {plain(column) for column in columns.values()} <= {plain(cell) for cell in header}:
            return separator
    return max(cells, key=lambda candidate: cells[candidate], default=",")


def _position(source: Path, header: list[str], name: str, column: str) -> int:
    """Where a column stands in the header."""
    positions = [position for position, cell in enumerate(header) if cell == plain(column)]
    if not positions:
        hint = nearest(column, filter(None, header))
        raise LeukoFlowError(f"{source}: has no column {column!r} (columns.{name}){hint}")
    if len(positions) > 1:
        raise LeukoFlowError(f"{source}: has several columns {column!r} (columns.{name}); rename all but one")
    return positions[0]


def _cleaned(cells: pd.Series, name: str) -> pd.Series:
    """Plain cells, None for empty ones; each different value is looked at once."""
    values = {cell: plain(cell) for cell in cells.unique()}
    if name in _OPTIONAL:
        gone = [cell for cell, value in values.items() if absent(value)]
        if gone:
            count = int(cells.isin(gone).sum())
            log.warning("%s: %d cells say that there is none (%s)", name, count, ", ".join(map(shown, sorted(gone))))
            values |= dict.fromkeys(gone, "")
    if name in ("path", "mask"):
        values = {cell: cell if value else "" for cell, value in values.items()}
    return cells.map(values).astype(object).where(cells.map(values) != "", None)
