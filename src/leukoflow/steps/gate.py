"""The gate on image quality of one cohort, task and protocol: its limits, what it refuses, and what that gains.

The limits are those of the training role. Refused is counted among the roles, the external cohorts, damaged copies of
test images and non-smears; accuracy is given for accepted and refused images apart, for every run. Writes the limits
(JSON), and the parts of tables `gate` and `gate_accuracy`.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from leukoflow.audits import gate
from leukoflow.config.evaluation import Evaluation
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.files import read_table, write_json, write_table
from leukoflow.core.parallel import thread_map
from leukoflow.core.runs import RUN_COLUMNS, Run, parse_run
from leukoflow.core.seeding import generator
from leukoflow.core.step import parser, progress, run, settings
from leukoflow.images.non_smears import non_smears
from leukoflow.images.perturbations import WIDTH, Family, brightness, gaussian_blur
from leukoflow.images.sources import listed, read, sources
from leukoflow.quality.measure import LONGEST_SIDE, measure

ACCURACY = [
    *RUN_COLUMNS, "target", "role", *(f"{part}_{name}" for part in ("accepted", "refused") for name in gate.ACCURACY),
]  # fmt: skip
PREDICTED = ["cohort", "image_id", "group", "role", "y", "perturbation", "probabilities"]


DAMAGES: dict[str, tuple[Family, float]] = {
    "blur, 0.5 % of the side": (gaussian_blur, 0.005 * WIDTH),
    "blur, 1 % of the side": (gaussian_blur, 0.01 * WIDTH),
    "brightness -50 %": (brightness, -0.5),
    "brightness -25 %": (brightness, -0.25),
    "brightness +25 %": (brightness, 0.25),
    "brightness +50 %": (brightness, 0.5),
}
"""Changes of brightness are those under which Hassan et al. (2026) report their network to fail."""


def main(argv: list[str] | None = None) -> None:
    """Run the step."""
    args = _arguments(argv)
    cv2.setNumThreads(1)
    asked: Evaluation = args.settings
    cohort, task, protocol = args.name.split(".")
    split, groups = read_table(args.split), read_table(args.groups, ["cohort", "image_id", "duplicate_group"])
    quality = {path.parent.name: _quality(path) for path in args.quality}
    names = groups.set_index(["cohort", "image_id"])["duplicate_group"]
    folds, rows, refused = [], [], {}
    for fold, part in split.groupby("fold"):
        measured = quality[cohort].reindex(part["image_id"])
        trained = (part["role"] == "train").to_numpy()
        limits = gate.limits_of(measured[trained], asked.abstention.quality)
        listing = {name: {"low": low, "high": high} for name, (low, high) in limits.items()}
        folds.append({"fold": int(str(fold)), "images": int(trained.sum()), "limits": listing})
        facts = {"cohort": cohort, "task": task, "protocol": protocol, "fold": fold}
        for role in ("train", "validation", "test"):
            chosen = (part["role"] == role).to_numpy()
            where = facts | {"role": role, "kind": cohort}
            rows += gate.gate_rows(measured[chosen], part["group"].to_numpy()[chosen], limits, where, asked)
        for name, table in quality.items():
            refused[fold, name] = pd.Series(gate.outside(table, limits).any(1), table.index)
            if name != cohort and len(table):
                known = names.loc[name].reindex(table.index).to_numpy()
                rows += gate.gate_rows(table, known, limits, facts | {"role": "external", "kind": name}, asked)
        if fold == 0:
            tested = part.loc[part["role"] == "test", "image_id"]
            for role, kind, table in _made_up(tested, args):
                rows += gate.gate_rows(
                    table, np.arange(len(table)), limits, facts | {"role": role, "kind": kind}, asked
                )
    accuracies = [row for run in progress(args.of, len(args.of), "run") for row in _accuracy(run, refused, args)]
    write_table(args.parts / "gate.csv", pd.DataFrame(rows, columns=gate.COLUMNS))
    write_table(args.parts / "gate_accuracy.csv", pd.DataFrame(accuracies, columns=ACCURACY))
    write_json(args.output, gate.gate_file(cohort, task, protocol, asked.abstention.quality, folds))


def _quality(path: Path) -> pd.DataFrame:
    """The gate's measures of a cohort, by image."""
    return read_table(path, ["image_id", *gate.MEASURES]).set_index("image_id")


def _made_up(tested: pd.Series, args: argparse.Namespace) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Measures of damaged test images, and of non-smears of the size of the cohort's images."""
    asked: Evaluation = args.settings
    if number := min(asked.abstention.damaged, len(tested)):
        files = listed(args.files).set_index("image_id", drop=False)
        random = generator(asked.seed, "gate")
        chosen = np.sort(random.choice(len(tested), number, replace=False))
        drawn = sources(args.root, files.loc[tested.to_numpy()[chosen]])
        images = [_small(read(source, args.max_pixels)) for source in drawn]
        for kind, (change, level) in DAMAGES.items():
            yield "damaged", kind, _measured([change(image[None], level, random)[0] for image in images], args)
    manifest = read_table(args.manifest, ["width", "height"])
    side = int(min(manifest[["width", "height"]].median().min(), LONGEST_SIDE))
    for kind, pictures in non_smears(asked.novelty.non_smears, side, asked.seed).items():
        yield "non-smear", kind, _measured(pictures, args)


def _small(image: np.ndarray) -> np.ndarray:
    """An image at the size at which it is measured, so that damage is the same for all."""
    scale = LONGEST_SIDE / max(image.shape[:2])
    if scale >= 1:
        return image
    size = (round(image.shape[1] * scale), round(image.shape[0] * scale))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def _measured(images: list[np.ndarray], args: argparse.Namespace) -> pd.DataFrame:
    rows = [quality.columns() for quality in thread_map(measure, images, args.threads)]
    return pd.DataFrame(rows)[list(gate.MEASURES)].astype(float)


def _accuracy(run: Run, refused: dict, args: argparse.Namespace) -> Iterator[dict]:
    """Accuracy of a run on accepted and refused images of its test role and each external cohort."""
    for target in args.targets:
        path = args.runs / run.name / "predictions" / f"{target}.parquet"
        if not path.exists():
            continue
        table = read_table(path, PREDICTED)
        table = table[(table["role"] != "validation") & (table["y"] >= 0) & (table["perturbation"] == "none")]
        if table.empty:
            continue
        right = np.stack(list(table["probabilities"])).argmax(1) == table["y"].to_numpy()
        out = refused[run.fold, target].reindex(table["image_id"])
        if out.isna().any():
            raise LeukoFlowError(f"{path}: holds images whose quality was not measured; predict again")
        groups = table["group"].fillna(table["image_id"]).to_numpy()
        row = gate.accuracy_rows(right, out.to_numpy(bool), groups, args.settings)
        yield {**run.columns(), "target": target, "role": table["role"].iloc[0], **row}


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    arguments = parser(__doc__)
    arguments.add_argument("--settings", type=settings(Evaluation), required=True, help="section evaluation, as JSON")
    arguments.add_argument("--name", required=True, help="COHORT.TASK.PROTOCOL")
    arguments.add_argument("--split", type=Path, required=True)
    arguments.add_argument("--quality", nargs="+", type=Path, required=True, help="quality.parquet of every cohort")
    arguments.add_argument("--groups", type=Path, required=True, help="duplicate groups")
    arguments.add_argument("--files", type=Path, required=True, help="files.parquet of the cohort")
    arguments.add_argument("--manifest", type=Path, required=True, help="manifest of the cohort")
    arguments.add_argument("--root", type=Path, required=True, help="folder that the cohort's paths are relative to")
    arguments.add_argument("--max-pixels", type=int, required=True)
    arguments.add_argument("--runs", type=Path, required=True, help="folder of the runs' folders")
    arguments.add_argument("--of", nargs="+", type=parse_run, required=True, help="names of the runs")
    arguments.add_argument("--targets", nargs="+", required=True, help="cohorts predicted; a run may lack some")
    arguments.add_argument("--threads", type=int, default=1)
    arguments.add_argument("--output", type=Path, required=True, help="limits (JSON)")
    arguments.add_argument("--parts", type=Path, required=True, help="folder of the parts (CSV)")
    return arguments.parse_args(argv)


if __name__ == "__main__":
    run(main)
