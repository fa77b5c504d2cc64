"""Many images answered over several processes, row by row, so that an interrupted run goes on where it stopped.

An answer belongs to the content of a file, a model and the options: what differs in any of them is answered again.
"""

import csv
import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from leukoflow.core.content import digest
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.files import atomic
from leukoflow.core.parallel import in_order
from leukoflow.core.step import progress
from leukoflow.core.walk import PICTURES, is_picture, walk, why_not
from leukoflow.images.io import ImageError, read_bytes_image, read_file
from leukoflow.quality.scale import Usual
from leukoflow.runtime.answers import Answer, Cell
from leukoflow.runtime.counting import counts_of, differential_of, write_differential
from leukoflow.runtime.geojson import geojson
from leukoflow.runtime.model import Model, open_model
from leukoflow.runtime.overlay import overlay, overlay_path
from leukoflow.runtime.pictures import measured
from leukoflow.runtime.reading import common_scale
from leukoflow.runtime.rows import Csv, Facts, Jsonl, Row, Table, model_name
from leukoflow.runtime.schema import Export

REJECTED = ["path", "reason"]
MEASURED = 40
"""Images, evenly spaced, that a common scale is looked for in."""


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
    differential: Path | None = None
    """Table of the differential count of what was asked for."""
    geojson: Path | None = None
    """Folder for outlines of cells, a file for each image."""
    scale: Usual | None = None
    """Of the pictures, for those that do not show their own; models of single cells alone look at it."""

    def picture(self, path: str) -> str:
        """Where the picture of an image goes; empty if none is asked for."""
        return "" if self.explain is None else str(overlay_path(self.explain, path))

    @property
    def scale_name(self) -> str:
        """The scale in words; empty if there is none."""
        if self.scale is None:
            return ""
        unit = "um a side" if self.scale.of_side else "um a pixel"
        return f"{self.scale.um:.4g} {unit}{' (given)' if self.scale.given else ''}"

    def outlines(self, path: str) -> str:
        """Where the outlines of its cells go; empty if none are asked for."""
        return "" if self.geojson is None else str(overlay_path(self.geojson, path).with_suffix(".geojson"))


@dataclass(frozen=True)
class Outcome:
    """A row, or why there is none."""

    path: str
    row: dict[str, Any] | None
    reason: str = ""


def listed(paths: Sequence[Path], written: Path | None = None) -> tuple[list[str], Counter[str]]:
    """Files as given, and all images below folders, sorted, by the walk that cohorts are listed by; each once.

    Also how many files of the folders were left out, by the reason. written: a folder of pictures that were made here
    and are not asked about. LeukoFlowError if there is no image.
    """
    made = written.resolve() if written is not None else None
    files: dict[str, None] = {}
    left_out: Counter[str] = Counter()
    for path in paths:
        if path.is_dir():
            inside: list[str] = []
            for level in walk(path):
                at = path / level.folder
                if made is not None and at.resolve().is_relative_to(made):
                    left_out["written by an earlier --explain"] += len(level.files)
                    continue
                inside += [str(at / name) for name in level.files if is_picture(name)]
                left_out.update(why_not(name) for name in level.files if not is_picture(name))
                left_out["hidden, or left by a system or editor"] += len(level.litter)
                left_out["a pipe, a device or an endless link"] += len(level.special)
            files |= dict.fromkeys(sorted(inside))
        elif path.exists():
            files[str(path)] = None
        else:
            raise LeukoFlowError(f"{path}: there is no such file or folder")
    if not files:
        raise LeukoFlowError(f"{' '.join(map(str, paths))}: holds no image ({' '.join(PICTURES)})")
    return list(files), +left_out


@dataclass(frozen=True)
class Summary:
    """What was done: numbers of images."""

    answered: int
    """Answered now."""
    again: int
    """Of these, images that had an answer to another content, model or options."""
    kept: int
    """Whose answer was there already."""
    rejected: int
    """That cannot be read."""
    gone: int
    """Whose file is no longer there, so that their answers were removed."""
    others: int
    """That were not asked for now; their answers stay."""


def answer_all(paths: Sequence[str], job: Job, output: Path, processes: int, folders: Sequence[Path] = ()) -> Summary:
    """Bring the output to what is asked for now: a row for every image, in the order of the paths.

    A row is kept if it is the answer to the same content of the file, by the same model, with the same options; all
    others are answered. Rows of files that are gone from `folders`, which were asked for, are removed; rows of other
    files stay, after those of the paths.

    output: CSV, or JSON lines where it is called .jsonl. An interrupted call leaves what was answered, and the next
    one goes on. Images that cannot be read are named in `OUTPUT.rejects.csv`, written again by each call.
    LeukoFlowError if the output is another model's or of other columns, holds answers of an earlier model or of other
    options to files that are not asked for now, or a process dies.
    """
    facts = open_model(job.folder, int8=job.int8).facts
    if job.differential is not None:
        differential_of(facts, {})  # stops before anything is answered if the model counts no cells
    if job.scale is not None and not facts.reader:
        raise LeukoFlowError(f"--um-per-pixel is for models of single cells, and {facts.name} looks at whole pictures")
    if facts.reader and job.scale is None:
        job = replace(job, scale=_common_scale(paths, facts))
    table = Jsonl(facts) if output.suffix == ".jsonl" else Csv(facts)
    output.parent.mkdir(parents=True, exist_ok=True)
    before = table.read(output)
    asked = _asked_for(paths, facts, job, before)
    rows = {path: row for path, row in before.items() if path not in asked or row.facts == asked[path]}
    gone = [path for path in rows if path not in asked and _gone(path, folders)]
    rows = {path: row for path, row in rows.items() if path not in gone}
    others = [path for path in rows if path not in asked]
    _require_alike([rows[path] for path in others], model_name(facts, job.int8), job, output)
    if len(rows) < len(before) or not output.exists() or not output.stat().st_size:
        _write_rows(output, table, rows, rows)
    left = [path for path in asked if path not in rows]
    rejects: list[Outcome] = []
    with open(output, "a", encoding="utf-8", newline="") as stream:
        for outcome in progress(_outcomes(left, job, processes), len(left), "image"):
            if outcome.row is None:
                rejects.append(outcome)
            else:
                rows[outcome.path] = table.row(outcome.row)
                stream.write(rows[outcome.path].line)
                stream.flush()
        os.fsync(stream.fileno())
    order = [path for path in (*asked, *others) if path in rows]
    if order != list(rows):
        _write_rows(output, table, rows, order)
    _write_rejects(output.with_name(f"{output.name}.rejects.csv"), rejects)
    if job.differential is not None:
        write_differential(job.differential, facts, [rows[path] for path in asked if path in rows])
    again = sum(path in before and path in rows for path in left)
    kept = len(asked) - len(left)
    return Summary(len(left) - len(rejects), again, kept, len(rejects), len(gone), len(others))


def _common_scale(paths: Sequence[str], facts: Export) -> Usual | None:
    """The scale that images without one of their own take, from some of them; see `reading.common_scale`."""
    pictures = []
    for index in np.unique(np.linspace(0, len(paths) - 1, min(len(paths), MEASURED)).round().astype(int)):
        try:
            image = read_bytes_image(read_file(paths[index], facts.max_pixels), facts.max_pixels, facts.bits)
        except (ImageError, UnicodeEncodeError):
            continue  # named among the rejects when its turn comes
        pictures.append(measured(image, facts.aspect, True).picture)
    return common_scale(pictures)


def _asked_for(paths: Sequence[str], facts: Export, job: Job, before: Mapping[str, Row]) -> dict[str, Facts]:
    """What a row must say to be the answer that is asked for, by path. Only files that have a row are read."""
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        digests = list(pool.map(lambda path: digest(path) if path in before else "", paths))
    name = model_name(facts, job.int8)
    return {
        path: Facts(sha256, name, job.cells, job.picture(path), job.scale_name)
        if all(Path(file).is_file() for file in (job.picture(path), job.outlines(path)) if file)
        else Facts("", name, job.cells, "")  # its picture or outlines are missing: no row says so
        for path, sha256 in zip(paths, digests, strict=True)
    }


def _gone(path: str, folders: Sequence[Path]) -> bool:
    return any(Path(path).is_relative_to(folder) for folder in folders) and not os.path.lexists(path)


def _require_alike(rows: Sequence[Row], name: str, job: Job, output: Path) -> None:
    """Rows that stay must be by the same model with the same options, or the table would hold two kinds of answers."""
    for row in rows:
        facts = row.facts
        asked = name, job.cells, job.explain is not None, job.scale_name
        if (facts.model, facts.cells, bool(facts.picture), facts.scale) != asked:
            raise LeukoFlowError(
                f"{output}: holds answers of {facts.model} or of other options to files that are not asked for now, "
                f"such as {row.path}; name them as well, or give another --output"
            )


def _write_rows(output: Path, table: Table, rows: Mapping[str, Row], order: Iterable[str]) -> None:
    with atomic(output) as temporary, open(temporary, "w", encoding="utf-8", newline="") as stream:
        stream.write(table.header)
        stream.writelines(rows[path].line for path in order)


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
        data = read_file(path, model.facts.max_pixels)
        image = read_bytes_image(data, model.facts.max_pixels, model.facts.bits)
    except UnicodeEncodeError:
        return Outcome(path.encode("utf-8", "backslashreplace").decode(), None, "the file name is not UTF-8; rename it")
    except ImageError as error:
        return Outcome(path, None, str(error))
    shown = job.explain is not None
    answer = model.answer(image, cells=job.cells or shown or job.geojson is not None, heat=shown, scale=job.scale)
    if job.explain is not None:
        with atomic(job.picture(path)) as temporary:
            temporary.write_bytes(overlay(image, answer))
    if job.geojson is not None:
        with atomic(job.outlines(path)) as temporary:
            temporary.write_text(geojson(path, answer), encoding="utf-8")
    return Outcome(path, row_of(path, hashlib.sha256(data).hexdigest(), model.facts, job, answer))


def row_of(path: str, sha256: str, facts: Export, job: Job, answer: Answer) -> dict[str, Any]:
    """What is said of an image of this digest, as JSON has it."""
    typed = [cell for cell in answer.cells if cell.type] if job.cells else []
    read = facts.reader is not None and job.cells
    return {
        "path": path,
        "sha256": sha256,
        "model": model_name(facts, job.int8),
        "class": answer.label,
        "probability": round(answer.confidence, 6),
        "abstain": answer.abstains,
        "reasons": [reason.kind for reason in answer.reasons],
        "why": [reason.text for reason in answer.reasons],
        "set": list(answer.conformal),
        "probabilities": {
            name: round(value, 6) for name, value in zip(answer.classes, answer.probabilities, strict=True)
        },
        "novelty": round(min(answer.novelty, 1e9), 6),
        "quality": {name: round(value, 6) for name, (value, _, _) in answer.quality.items()},
        "cells": len(answer.cells) if job.cells else None,
        **({"types": counts_of(typed), "each": [_each(cell) for cell in typed]} if read else {}),
        "cannot_tell": sum(_uncertain(cell) for cell in typed) if read else None,
        **({"scale": job.scale_name} if facts.reader else {}),
        "picture": job.picture(path),
    }


def _uncertain(cell: Cell) -> bool:
    return cell.type is not None and cell.type.counted and not cell.type.told


def _each(cell: Cell) -> dict[str, Any]:
    """One cell of a picture, as JSON lines have it: place in pixels of the image, size, type."""
    assert cell.type is not None
    outline = np.array(cell.outline)
    return {
        "x": round(cell.facts["x"], 1),
        "y": round(cell.facts["y"], 1),
        "box": [round(float(value), 1) for value in (*outline.min(0), *outline.max(0))],
        "diameter_um": round(cell.facts["diameter_um"], 2),
        "class": cell.type.label,
        "probability": round(max(cell.type.probabilities), 6),
        "set": list(cell.type.conformal),
        "novelty": round(min(cell.type.novelty, 1e9), 6),
        "told": cell.type.told,
    }


def _write_rejects(path: Path, rejects: Sequence[Outcome]) -> None:
    """Name what was rejected; no file if there is nothing."""
    if not rejects:
        path.unlink(missing_ok=True)
        return
    with atomic(path) as temporary, open(temporary, "w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n", quoting=csv.QUOTE_ALL)  # else it leaves \r as it is
        writer.writerow(REJECTED)
        writer.writerows((outcome.path, outcome.reason) for outcome in rejects)
