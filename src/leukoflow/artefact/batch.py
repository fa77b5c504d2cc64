"""Many images answered over several processes, row by row, so that an interrupted run goes on where it stopped."""

import csv
import io
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TextIO

import cv2

from leukoflow.artefact.answers import Answer
from leukoflow.artefact.model import Model, open_model
from leukoflow.artefact.overlay import overlay, overlay_path
from leukoflow.artefact.schema import Export
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.files import PICTURES, atomic
from leukoflow.core.parallel import in_order
from leukoflow.core.step import progress
from leukoflow.images.io import ImageError, read_image

REJECTED = ["path", "reason"]


@dataclass(frozen=True)
class Job:
    """What is asked of every image."""

    folder: Path
    """Of the exported model."""
    int8: bool = False
    """By its network of 8-bit integers."""
    cells: bool = True
    """Also find white cells."""
    explain: Path | None = None
    """Folder for pictures with cells outlined and heat."""


@dataclass(frozen=True)
class Outcome:
    """A row, or why there is none."""

    path: str
    row: dict[str, Any] | None
    reason: str = ""


def listed(paths: Iterable[Path]) -> list[str]:
    """Files as given, and all images below folders, sorted, by their suffix; each once. LeukoFlowError for none."""
    found: dict[str, None] = {}
    for path in paths:
        if path.is_dir():
            inside = (str(Path(name, file)) for name, _, files in os.walk(path) for file in files)
            found |= dict.fromkeys(sorted(each for each in inside if each.lower().endswith(PICTURES)))
        elif path.exists():
            found[str(path)] = None
        else:
            raise LeukoFlowError(f"{path}: there is no such file or folder")
    if not found:
        raise LeukoFlowError(f"{' '.join(map(str, paths))}: holds no image ({' '.join(PICTURES)})")
    return list(found)


def answer_all(paths: Sequence[str], job: Job, output: Path, processes: int) -> tuple[int, int]:
    """Append a row for every image that the output does not have yet; the numbers of rows written and images rejected.

    output: CSV, or JSON lines where it is called .jsonl. Images that cannot be read are named in
    `OUTPUT.rejects.csv`, written anew, and tried again by the next run. LeukoFlowError where the output is another
    model's or of other columns, or a process dies.
    """
    facts = open_model(job.folder, int8=job.int8).facts
    table = _Jsonl(facts, job) if output.suffix == ".jsonl" else _Csv(facts, job)
    output.parent.mkdir(parents=True, exist_ok=True)
    done = table.resume(output)
    left = [path for path in paths if path not in done]
    rejects: list[Outcome] = []
    with open(output, "a", encoding="utf-8", newline="") as stream:
        for outcome in progress(_outcomes(left, job, processes), len(left), "image"):
            if outcome.row is None:
                rejects.append(outcome)
            else:
                table.write(stream, outcome.row)
                stream.flush()
        os.fsync(stream.fileno())
    _write_rejects(output.with_name(f"{output.name}.rejects.csv"), rejects)
    return len(left) - len(rejects), len(rejects)


def _outcomes(paths: Sequence[str], job: Job, processes: int) -> Iterator[Outcome]:
    """In the order of the paths."""
    if processes <= 1 or len(paths) <= 1:
        _start(job)
        yield from map(_outcome, paths)
        return
    pool = ProcessPoolExecutor(processes, get_context("spawn"), _start, (job,))
    try:
        yield from in_order(pool, _outcome, paths, 4 * processes)
    except BrokenProcessPool as error:
        raise LeukoFlowError(
            "a process was ended from outside, perhaps for want of memory; run again with fewer --processes to go on"
        ) from error


_asked: Callable[[str], Outcome] | None = None


def _start(job: Job) -> None:
    """Open the model, once for each process."""
    global _asked
    cv2.setNumThreads(1)
    model = open_model(job.folder, int8=job.int8)
    _asked = lambda path: _answered(model, job, path)  # noqa: E731


def _outcome(path: str) -> Outcome:
    assert _asked is not None
    return _asked(path)


def _answered(model: Model, job: Job, path: str) -> Outcome:
    try:
        path.encode()
        if "\n" in path or "\r" in path:
            return Outcome(path, None, "the file name has a line break; rename the file")
        image = read_image(path, model.facts.max_pixels)
    except UnicodeEncodeError:
        return Outcome(path.encode("utf-8", "backslashreplace").decode(), None, "the file name is not UTF-8; rename it")
    except ImageError as error:
        return Outcome(path, None, str(error))
    answer = model.answer(image, cells=job.cells or job.explain is not None, heat=job.explain is not None)
    if job.explain is not None:
        target = overlay_path(job.explain, path)
        with atomic(target) as temporary:
            temporary.write_bytes(overlay(image, answer))
    return Outcome(path, row_of(path, model.facts, job, answer))


def row_of(path: str, facts: Export, job: Job, answer: Answer) -> dict[str, Any]:
    """What is said of an image, as JSON has it."""
    return {
        "path": path,
        "model": _name(facts, job),
        "class": answer.label,
        "probability": round(answer.confidence, 6),
        "abstain": answer.abstains,
        "reasons": [each.kind for each in answer.reasons],
        "why": [each.text for each in answer.reasons],
        "set": list(answer.conformal),
        "probabilities": {
            name: round(each, 6) for name, each in zip(answer.classes, answer.probabilities, strict=True)
        },
        "novelty": round(min(answer.novelty, 1e9), 6),
        "quality": {name: round(value, 6) for name, (value, _, _) in answer.quality.items()},
        "cells": len(answer.cells) if job.cells else None,
    }


def _name(facts: Export, job: Job) -> str:
    """Which network answers: its name and the digest of its file."""
    role = "int8" if job.int8 else "model"
    return f"{facts.study}/{facts.name}/{role}/{facts.files[role].sha256[:12]}"  # type: ignore[index]


class _Jsonl:
    """One JSON object a line."""

    def __init__(self, facts: Export, job: Job) -> None:
        self.name = _name(facts, job)

    def resume(self, output: Path) -> set[str]:
        """Paths that the output has; a line that was not finished is cut off."""
        lines = _whole_lines(output).split("\n")[:-1]
        try:
            rows = [json.loads(line) for line in lines]
            _require({each["model"] for each in rows}, self.name, output)
            return {each["path"] for each in rows}
        except (ValueError, KeyError, TypeError) as error:
            raise LeukoFlowError(f"{output}: holds something else than answers; give another --output") from error

    def write(self, stream: TextIO, row: dict[str, Any]) -> None:
        """Append a row."""
        stream.write(json.dumps(row, ensure_ascii=False) + "\n")


class _Csv:
    """A table: lists joined by semicolons, one column for each class and measure."""

    def __init__(self, facts: Export, job: Job) -> None:
        self.name = _name(facts, job)
        shares, measures = (
            [f"{prefix}_{name}" for name in names]
            for prefix, names in (("p", facts.classes), ("quality", facts.quality))
        )
        self.columns = ["path", "model", "class", "probability", "abstain", "reasons", "why", "set"]
        self.columns += [*shares, "novelty", *measures, "cells"]

    def resume(self, output: Path) -> set[str]:
        """Paths that the output has; a line that was not finished is cut off."""
        text = _whole_lines(output)
        if not text:
            output.write_text(self._line(self.columns), encoding="utf-8", newline="")
            return set()
        try:
            header, *rows = csv.reader(io.StringIO(text, newline=""))
        except csv.Error as error:
            raise LeukoFlowError(f"{output}: cannot be read as CSV ({error}); give another --output") from error
        if header != self.columns or any(len(row) != len(header) for row in rows):
            raise LeukoFlowError(f"{output}: has other columns than this model's answers; give another --output")
        _require({row[1] for row in rows}, self.name, output)
        return {row[0] for row in rows}

    def write(self, stream: TextIO, row: dict[str, Any]) -> None:
        """Append a row."""
        flat = {f"p_{name}": each for name, each in row["probabilities"].items()}
        flat |= {f"quality_{name}": each for name, each in row["quality"].items()}
        lists = {name: ";".join(row[name]) for name in ("reasons", "set")} | {"why": " ".join(row["why"])}
        whole = {**row, **flat, **lists, "abstain": "yes" if row["abstain"] else "no"}
        stream.write(self._line(["" if whole[name] is None else whole[name] for name in self.columns]))

    @staticmethod
    def _line(values: Sequence[Any]) -> str:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerow(values)  # no name here has a line break
        return text.getvalue()


def _whole_lines(output: Path) -> str:
    """Text of a file without a last line that was not finished, which is cut off; empty where there is no file.

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


def _require(found: set[str], name: str, output: Path) -> None:
    if found - {name}:
        raise LeukoFlowError(f"{output}: holds answers of {min(found - {name})}, not of {name}; give another --output")


def _write_rejects(path: Path, rejects: Sequence[Outcome]) -> None:
    """Name what was rejected; no file where there is nothing."""
    if not rejects:
        path.unlink(missing_ok=True)
        return
    with atomic(path) as temporary, open(temporary, "w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n", quoting=csv.QUOTE_ALL)  # else it leaves \r as it is
        writer.writerow(REJECTED)
        writer.writerows((each.path, each.reason) for each in rejects)
