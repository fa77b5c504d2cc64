"""How long many small images take through quality, split and render on this machine, and in how much memory.

`python tests/benchmarks/scale.py [COUNT ...]` (default 1000 10000) draws so many pictures of 64 x 64 pixels in a new
folder below the temporary one, plans and runs the workflow on two cores, and prints a table. `--table FILE` keeps it as
CSV, a row for each count (others in the file stay), and `--figure FILE` draws what the table holds.
"""

import argparse
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import yaml

from leukoflow.figures import style

ROOT = Path(__file__).resolve().parents[2]
SIDE, CORES, PER_FOLDER = 64, 2, 1000
LABELS = ("Benign", "Early", "Pre", "Pro")
STEPS = ("list_images", "measure", "manifest", "group_images", "split", "audit_split", "render")
COLOURS = dict(zip(STEPS, style.PALETTE, strict=False))


def draw(folder: Path, numbers: range) -> None:
    """Pictures of stained discs on a light ground; 25 in turn share the ground of one slide."""
    for number in numbers:
        rng, slide = np.random.default_rng(number), np.random.default_rng([7, number // 25])
        ground = slide.integers(200, 245, 3)
        image = np.clip(ground + rng.normal(0, 3, (SIDE, SIDE, 3)), 0, 255).astype(np.uint8)
        for _ in range(rng.integers(3, 12)):
            centre, colour = rng.integers(0, SIDE, 2), ground - rng.integers(20, 120, 3)
            cv2.circle(image, tuple(map(int, centre)), int(rng.integers(3, 12)), tuple(map(int, colour)), -1)
        path = folder / f"{number // PER_FOLDER:05d}" / LABELS[number % 4] / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), image)


def study(folder: Path, count: int) -> dict:
    """Settings that plan nothing but what is measured here, and what it needs."""
    settings = yaml.safe_load((ROOT / "workflow/studies/smoke.yaml").read_text())
    settings["study"] = "scale"
    settings["cohorts"]["demo"] = {"kind": "folder", "root": str(folder), "images": count, "um_per_pixel": 0.5}
    settings["cohorts"]["demo"]["labels"] = {name: name for name in LABELS}
    experiment = settings["experiments"]["subtype"]
    settings["experiments"] = {"subtype": experiment | {"external": [], "protocols": ["image", "acquisition"]}}
    # As slides of a thousand images would be: a few large clusters would all be linked by chance duplicates.
    settings["quality"] = settings.get("quality", {}) | {"clusters_per_class": max(40, count // 1000)}
    settings["segmentation"] |= {"method": "threshold", "sources": [], "leave_one_out": False}
    settings["views"] = {"plain": {"kind": "plain", "size": SIDE}}
    settings["models"] = {name: settings["models"][name] for name in experiment["models"]}
    settings.pop("features")
    return settings


TARGETS = (
    "results/scale/splits/demo.subtype.image.audit.json",
    "results/scale/splits/demo.subtype.acquisition.audit.json",
    "results/scale/views/demo.plain/view.json",
)


def snakemake(folder: Path, *arguments: str) -> tuple[float, float, str]:
    """Seconds, seconds of processor time, and output of a run in the folder."""
    command = [sys.executable, "-m", "snakemake", *TARGETS, "--cores", str(CORES), "--configfile", "scale.yaml"]
    command += ["--snakefile", str(ROOT / "Snakefile"), "--directory", str(folder), *arguments]
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    started, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if done.returncode:
        raise SystemExit(done.stdout[-3000:])
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.monotonic() - started, used, done.stdout


def benchmarks(folder: Path) -> Iterator[tuple[str, pd.DataFrame]]:
    """What Snakemake measured of the jobs of each step."""
    for step in STEPS:
        files = [*folder.glob(f"benchmarks/scale/{step}/*.tsv"), *folder.glob(f"benchmarks/scale/{step}.tsv")]
        yield step, pd.concat([pd.read_csv(file, sep="\t", na_values="-") for file in files], ignore_index=True)


def measure(count: int, folder: Path) -> dict[str, float]:
    """One row of the table: processor seconds (`draw_s` and `wall_s`: by the clock), those of a step summed over its
    jobs; memory is the most of any of them."""
    images = folder / "images"
    started = time.monotonic()
    with ProcessPoolExecutor(CORES) as pool:
        list(
            pool.map(
                draw, *zip(*((images, range(at, min(at + 500, count))) for at in range(0, count, 500)), strict=True)
            )
        )
    row: dict[str, float] = {"images": count, "draw_s": time.monotonic() - started}
    (folder / "scale.yaml").write_text(yaml.safe_dump(study(images, count)))
    snakemake(folder, "--dry-run")  # what modules say is remembered from now on
    _, row["plan_s"], words = snakemake(folder, "--dry-run")
    row["jobs"] = int(re.search(r"^total +(\d+)", words, re.MULTILINE)[1])
    row["wall_s"], row["run_s"], _ = snakemake(folder)
    _, row["again_s"], words = snakemake(folder)
    if "Nothing to be done" not in words:
        raise SystemExit(f"a second run did something:\n{words[-2000:]}")
    for step, table in benchmarks(folder):
        row[f"{step}_s"], row[f"{step}_mb"] = table["cpu_time"].sum(), table["max_rss"].max()
    row["images_per_core_s"] = count / row["run_s"]
    row["results_mb"] = sum(path.stat().st_size for path in (folder / "results").rglob("*") if path.is_file()) / 1e6
    return {name: round(value, 1) for name, value in row.items()}


def figure(table: pd.DataFrame, output: Path) -> None:
    """Time of each step, and memory of its largest job, over the number of images."""
    drawn, (left, right) = style.panels(2, 2, 4.4, 3.0)
    for axes, unit, words in ((left, "s", "processor seconds, all jobs of a step"), (right, "mb", "MB, largest job")):
        for step, colour in COLOURS.items():
            axes.plot(table["images"], table[f"{step}_{unit}"], "o-", color=colour, markersize=3.5, label=step)
        axes.set(xscale="log", yscale="log", xlabel="images", ylabel=words)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(lambda value, _: f"{value:,g}")
            axis.set_minor_formatter("")
        axes.grid(True)
    left.plot(table["images"], table["plan_s"], "s--", color=style.MUTED, markersize=3.5, label="planning")
    right.plot([], [], "s--", color=style.MUTED, markersize=3.5, label="planning")
    left.set_title("Time")
    right.set_title("Memory")
    right.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    drawn.savefig(output, dpi=style.DPI, metadata={"Software": None})


def main() -> None:
    """Parse the arguments, measure each count, print, keep, draw."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("counts", nargs="*", type=int, metavar="COUNT")
    arguments.add_argument("--table", type=Path)
    arguments.add_argument("--figure", type=Path)
    arguments.add_argument("--folder", type=Path, help="where to work (default: a new folder, removed afterwards)")
    options = arguments.parse_args()
    rows = []
    for count in options.counts or ([] if options.figure and options.table else [1_000, 10_000]):
        folder = Path(tempfile.mkdtemp(prefix="scale.", dir=options.folder))
        try:
            rows.append(measure(count, folder))
        finally:
            shutil.rmtree(folder)
    table = pd.DataFrame(rows)
    if options.table and options.table.exists():
        before = pd.read_csv(options.table)
        table = pd.concat([before[~before["images"].isin(table.get("images", []))], table]).sort_values("images")
    print(table.T.to_string(header=False))
    if options.table:
        table.to_csv(options.table, index=False)
    if options.figure:
        figure(table, options.figure)


if __name__ == "__main__":
    main()
