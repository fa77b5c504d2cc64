"""Answers as rows of a file, JSON lines or CSV: written one by one, and read back with what each is the answer to."""

import csv
import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from leukoflow.core.errors import LeukoFlowError
from leukoflow.runtime.schema import Export


@dataclass(frozen=True)
class Facts:
    """What a row is the answer to."""

    sha256: str
    """Of the image file."""
    model: str
    """As `model_name` gives it."""
    cells: bool
    """Whether white cells were counted."""
    picture: str
    """Path of the picture with cells and heat; empty if there is none."""
    scale: str = ""
    """Scale that images without their own took, as `Job.scale_name` gives it; empty for models of whole pictures."""


@dataclass(frozen=True)
class Row:
    """A row as it is in the file."""

    path: str
    facts: Facts
    line: str
    """With its end."""
    types: Mapping[str, int] = field(default_factory=dict)
    """White cells by type, of models of single cells."""
    cannot_tell: int = 0
    """Of these, cells whose type is not certain."""


class Table(Protocol):
    """A kind of file."""

    header: str
    """What the file starts with."""

    def read(self, output: Path) -> dict[str, Row]:
        """Rows of a file by path; a last line that was not finished is left out, and cut off. LeukoFlowError if the
        file holds something else, or answers of another model."""

    def row(self, said: dict[str, Any]) -> Row:
        """What is said of an image as a row."""


def model_name(facts: Export, int8: bool) -> str:
    """Which model answers: its study, name and network, and a digest (12 hex digits) over all that it answers by."""
    known = facts.model_dump_json(exclude={"costs", "results", "findings", "licences"})
    digest = hashlib.sha256(known.encode()).hexdigest()[:12]
    return f"{facts.study}/{facts.name}/{'int8' if int8 else 'model'}/{digest}"


class Jsonl:
    """One JSON object a line."""

    header = ""

    def __init__(self, facts: Export) -> None:
        self.facts = facts

    def read(self, output: Path) -> dict[str, Row]:
        """See `Table`."""
        try:
            rows = [self.row(json.loads(line)) for line in _whole_lines(output).split("\n")[:-1]]
        except (ValueError, KeyError, TypeError) as error:
            raise LeukoFlowError(f"{output}: holds something else than answers; give another --output") from error
        return _by_path(rows, self.facts, output)

    def row(self, said: dict[str, Any]) -> Row:
        """See `Table`."""
        facts = Facts(
            said["sha256"], said["model"], said["cells"] is not None, said["picture"], said.get("scale") or ""
        )
        line = json.dumps(said, ensure_ascii=False) + "\n"
        return Row(said["path"], facts, line, said.get("types") or {}, said.get("cannot_tell") or 0)


class Csv:
    """A table: lists joined by semicolons, one column for each class and measure."""

    def __init__(self, facts: Export) -> None:
        self.facts = facts
        shares, measures = (
            [f"{prefix}_{name}" for name in names]
            for prefix, names in (("p", facts.classes), ("quality", facts.quality))
        )
        self.columns = ["path", "sha256", "model", "class", "probability", "abstain", "reasons", "why", "set"]
        # Of models of single cells also how many of each type.
        self.types = {f"n_{name}": name for name in facts.classes} if facts.reader else {}
        told = [*self.types, "cannot_tell", "scale"] if facts.reader else []
        self.columns += [*shares, "novelty", *measures, "cells", *told, "picture"]
        self.header = _line(self.columns)

    def read(self, output: Path) -> dict[str, Row]:
        """See `Table`."""
        text = _whole_lines(output)
        if not text:
            return {}
        try:
            header, *rows = csv.reader(io.StringIO(text, newline=""))
        except csv.Error as error:
            raise LeukoFlowError(f"{output}: cannot be read as CSV ({error}); give another --output") from error
        if header != self.columns or any(len(row) != len(header) for row in rows):
            raise LeukoFlowError(f"{output}: has other columns than this model's answers; give another --output")
        return _by_path([self._row(row) for row in rows], self.facts, output)

    def row(self, said: dict[str, Any]) -> Row:
        """See `Table`."""
        flat = {f"p_{name}": share for name, share in said["probabilities"].items()}
        flat |= {f"quality_{name}": value for name, value in said["quality"].items()}
        counted = said.get("types")
        flat |= {column: None if counted is None else counted.get(name, 0) for column, name in self.types.items()}
        lists = {name: ";".join(said[name]) for name in ("reasons", "set")} | {"why": " ".join(said["why"])}
        whole = {**said, **flat, **lists, "abstain": "yes" if said["abstain"] else "no"}
        return self._row(["" if whole[name] is None else whole[name] for name in self.columns])

    def _row(self, values: Sequence[Any]) -> Row:
        said = dict(zip(self.columns, values, strict=True))
        scale = str(said.get("scale") or "")
        facts = Facts(said["sha256"], said["model"], said["cells"] != "", said["picture"], scale)
        types = {name: int(said[column] or 0) for column, name in self.types.items()}
        return Row(said["path"], facts, _line(values), types, int(said.get("cannot_tell") or 0))


def _line(values: Sequence[Any]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(values)  # no name here has a line break
    return text.getvalue()


def _by_path(rows: Sequence[Row], facts: Export, output: Path) -> dict[str, Row]:
    """Rows by path; those of another study's model, or one of another name, are nothing to be replaced unasked."""
    prefix = f"{facts.study}/{facts.name}/"
    for row in rows:
        if not row.facts.model.startswith(prefix):
            raise LeukoFlowError(
                f"{output}: holds answers of {row.facts.model}, not of {prefix}; give another --output"
            )
    return {row.path: row for row in rows}


def _whole_lines(output: Path) -> str:
    """Text of a file without a last line that was not finished, which is cut off; empty if there is no file.

    Only a line feed ends a line: `str.splitlines` would also end it at separators that file names may hold.
    """
    if not output.exists():
        return ""
    data = output.read_bytes()
    whole = data[: data.rfind(b"\n") + 1]
    if len(whole) < len(data):
        with open(output, "rb+") as stream:
            stream.truncate(len(whole))
    try:
        return whole.decode("utf-8")
    except UnicodeDecodeError as error:
        raise LeukoFlowError(f"{output}: holds something else than answers; give another --output") from error
