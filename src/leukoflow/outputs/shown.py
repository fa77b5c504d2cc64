"""Measured numbers in README and docs, from the records in `docs/results`.

A page says `<!-- results: NAME -->` and `<!-- end -->`; what stands between them is made from the records:
`python -m leukoflow.outputs.shown` fills it in.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.files import write_text

ROOT = Path(__file__).resolve().parents[3]
RECORDS = ROOT / "docs/results"
_BLOCK = re.compile(r"(<!-- results: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
_AT_RANDOM = ("image", "duplicate")
"""Protocols in which acquisitions are split at random."""
_HELD_OUT = "five_folds"
_ABLATED = "small"
"""View of the ablations."""
CALIBRATION = ROOT / "docs/held_out_calibration.csv"
"""Rows of the table of that name, of NeurALLNet and the colour histogram."""


def pages() -> list[Path]:
    """The pages that may hold blocks."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def filled(text: str) -> str:
    """A page with its blocks made again. LeukoFlowError for a block that has no function."""

    def block(match: re.Match[str]) -> str:
        if match[2] not in BLOCKS:
            raise LeukoFlowError(f"results: {match[2]}: unknown block; known: {', '.join(BLOCKS)}")
        return f"{match[1]}\n{BLOCKS[match[2]](records())}\n\n{match[3]}"

    return _BLOCK.sub(block, text)


def records() -> pd.DataFrame:
    """All records, one after the other."""
    files = sorted(RECORDS.glob("*.csv"))
    return pd.concat([pd.read_csv(file).assign(study=file.stem) for file in files], ignore_index=True)


def _systems(table: pd.DataFrame) -> str:
    """Every model: what its paper has, and what was reached under both kinds of division."""
    table = table[~table["study"].isin(["transfer", "cells"]) & (table["view"] != _ABLATED)]
    at_home = [row for row in table.to_dict("records") if row["target"] == row["cohort"]]
    held_out = {_key(row): row for row in at_home if row["protocol"] == _HELD_OUT}
    rows = []
    for row in at_home:
        if row["protocol"] not in _AT_RANDOM:
            continue
        other = _accuracy(held_out[_key(row)]) if _key(row) in held_out else "not run"
        published = "" if pd.isna(row["published_accuracy"]) else f"{100 * row['published_accuracy']:.2f} %"
        reached = f"{_accuracy(row)} of {row['images']}"
        rows.append((row["title"], f"{row['cohort']}, {row['task']}", published, reached, other, _trained(row)))
    head = ("model", "cohort, task", "published", "images split at random", "acquisitions held out", "trained")
    return _markdown([head, *rows])


def _laboratories(table: pd.DataFrame) -> str:
    """Models on laboratories of which they have seen nothing: trained on the others, or on one alone."""
    rows = []
    table = table[(table["study"] == "transfer") & (table["protocol"].isin(["laboratory", *_AT_RANDOM]))]
    for row in table.to_dict("records"):
        pooled = row["protocol"] == "laboratory"
        if pooled and row["target"] == row["cohort"]:
            continue  # the mean over laboratories
        at_home = row["target"] == row["cohort"]
        source = "the others" if pooled else "all of them" if row["cohort"] == "laboratories" else row["cohort"]
        tested = f"{row['target']}, at home" if at_home else row["target"]
        balanced = f"{100 * row['balanced_accuracy']:.1f} %"
        rows.append((row["model"], row["view"], source, tested, f"{_accuracy(row)} of {row['images']}", balanced))
    head = ("model", "view", "trained on", "tested on", "accuracy", "balanced accuracy")
    return _markdown([head, *sorted(rows, key=lambda row: (row[2], row[1], row[3], row[0]))])


def _shipped(table: pd.DataFrame) -> str:
    """The model of the package and the colour histogram, at home and in two other laboratories."""
    rows = []
    for row in table[table["study"] == "cells"].to_dict("records"):
        role = "training laboratory" if row["target"] == row["cohort"] else "other laboratory"
        balanced = f"{100 * row['balanced_accuracy']:.1f} %"
        rows.append((row["title"], row["target"], role, f"{_accuracy(row)} of {row['images']}", balanced))
    head = ("model", "tested on", "", "accuracy", "balanced accuracy")
    return _markdown([head, *sorted(rows, key=lambda row: (row[1], row[0]))])


def _ablations(table: pd.DataFrame) -> str:
    """Networks without some of their parts, means over seeds."""
    table = table[(table["study"] == "taleqani") & (table["view"] == _ABLATED) & table["protocol"].isin(_AT_RANDOM)]
    rows = [
        (row["model"].replace("_short", ""), str(int(row["runs"])), f"{_accuracy(row)} of {row['images']}",
         _millions(row["parameters"]), f"{row['epochs']:.0f}", f"{row['minutes']:.1f}")
        for row in table.to_dict("records") if row["epochs"] > 0
    ]  # fmt: skip
    return _markdown([("network", "seeds", "accuracy", "parameters", "epochs", "minutes of training, mean"), *rows])


def _calibration(_: pd.DataFrame) -> str:
    """Calibration on validation images and on groups left out, measured on groups left out."""
    rows = []
    for row in pd.read_csv(CALIBRATION).to_dict("records"):
        if row["level"] == 0.9:
            error = f"{row['ece']:.3f} ({row['ece_low']:.3f} to {row['ece_high']:.3f})"
            covered = (
                f"{100 * row['coverage']:.1f} % ({100 * row['coverage_low']:.1f} to {100 * row['coverage_high']:.1f})"
            )
            rows.append(
                (row["model"].replace("_short", ""), row["calibrated_on"], error, covered, f"{row['size']:.2f}")
            )
    head = (
        "model",
        "calibrated on",
        "expected calibration error",
        "sets that promise 90 % hold the truth",
        "mean size",
    )
    return _markdown([head, *rows])


def _trained(row: Mapping[Any, Any]) -> str:
    """How a model was trained; a model that is not trained by epochs has no more to say than what it sees."""
    facts = [f"{row['pixels']} pixels"]
    if row["epochs"] > 0:
        options = "" if pd.isna(row["options"]) else f" {row['options']}"
        weights = re.sub(r"package:([\w.-]+)==[\w.]+", r"\1", str(row["weights"]).partition(" (sha256")[0])
        facts += [f"{_millions(row['parameters'])}{options}", f"weights: {weights}"]
        facts += [f"{row['epochs']:.0f} epochs in {row['minutes']:.0f} min"]
    return ", ".join(facts)


def _key(row: Mapping[Any, Any]) -> tuple[str, ...]:
    return row["cohort"], row["task"], row["view"], row["model"]


def _accuracy(row: Mapping[Any, Any]) -> str:
    return f"{100 * row['accuracy']:.1f} % ({100 * row['low']:.1f} to {100 * row['high']:.1f})"


def _millions(parameters: float) -> str:
    return f"{parameters / 1e6:.2g} M parameters" if parameters < 1e7 else f"{parameters / 1e6:.0f} M parameters"


def _markdown(rows: list[tuple[str, ...]]) -> str:
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([lines[0], f"|{' --- |' * len(rows[0])}", *lines[1:]])


BLOCKS: dict[str, Callable[[pd.DataFrame], str]] = {
    "ablations": _ablations,
    "calibration": _calibration,
    "laboratories": _laboratories,
    "shipped": _shipped,
    "systems": _systems,
}
"""What makes each block of the records."""

if __name__ == "__main__":
    for page in pages():
        write_text(page, filled(page.read_text()))
