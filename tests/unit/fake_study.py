"""A results folder of random numbers in the formats of the pipeline, for tests of what comes after the runs."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from itertools import product
from pathlib import Path

import fake_abstention
import numpy as np
import pandas as pd
from fake_assessment import add_assessment
from fake_explanations import fake_explanations
from fake_profile import write_profile
from fake_published import make_published
from fake_robustness import make_robustness
from fake_shortcuts import write_shortcuts
from fake_statistics import make_statistics

from leukoflow.cells.morphology import FEATURES
from leukoflow.config.load import parse_study
from leukoflow.config.study import Study
from leukoflow.core.files import write_json, write_table
from leukoflow.core.runs import Run, is_baseline
from leukoflow.core.shards import shard_slice
from leukoflow.outputs.plan import Plan
from leukoflow.outputs.tables import SPECS, TableSpec, tables_of
from leukoflow.steps import cell_tables, compare, components, gather_tables, score
from leukoflow.steps import table as table_step

CLASSES = ("Benign", "Early", "Pre", "Pro")
CELL_TABLES = tables_of("cell_tables")
PUBLISHED = {"neurallnet": {"accuracy": 0.9816}, "resnet50_hmscam": {"accuracy": 0.935, "macro_f1": 0.928}}
Draw = Callable[[str, int, int], np.ndarray]


def blob(label: str, number: int, side: int) -> np.ndarray:
    """A stand-in for a smear: RGB uint8 [side, side, 3], a dark disc on a pale ground whose hue goes with the class."""
    random = np.random.default_rng(number)
    ground = np.array([232, 215, 225]) - 9 * (CLASSES.index(label) if label in CLASSES else 0)
    picture = np.clip(ground + random.normal(0, 3, (side, side, 3)), 0, 255)
    y, x = np.mgrid[:side, :side] / side
    for _ in range(3):
        (cy, cx), radius = random.uniform(0.15, 0.85, 2), random.uniform(0.08, 0.18)
        picture[(y - cy) ** 2 + (x - cx) ** 2 < radius**2] = (110, 60, 140)
    return picture.astype(np.uint8)


@dataclass
class FakeStudy:
    """What to make up, and where it lies."""

    root: Path
    images: int = 120
    outside: int = 16
    side: int = 32
    shards: int = 2
    models: tuple[str, ...] = ("colour_histogram", "neurallnet", "resnet50_hmscam")
    skill: dict[str, float] = field(default_factory=dict)
    protocols: tuple[str, ...] = ("image", "acquisition")
    views: tuple[str, ...] = ("plain", "normalised", "grey", "background")
    folds: int = 1
    draw: Draw = blob

    def path(self, pattern: str) -> list[Path]:
        """Files below the root that match, sorted."""
        paths = sorted(self.root.glob(pattern))
        assert paths, pattern
        return paths

    @property
    def study(self) -> Study:
        """The resolved config."""
        return Study.model_validate(json.loads((self.root / "study.json").read_text()))

    def runs(self) -> list[Run]:
        """All runs: every protocol, model and fold on the plain view."""
        every = product(self.protocols, self.models, range(self.folds))
        return [Run("demo", "subtype", "plain", protocol, model, fold, 42) for protocol, model, fold in every]

    def make(self) -> "FakeStudy":
        """Write everything but what the steps under test write."""
        write_json(self.root / "study.json", self._config())
        self.cohorts = {"demo": self._cohort("demo", self.images), "away": self._cohort("away", self.outside)}
        self._quality()
        for protocol in self.protocols:
            self._split(protocol)
        for number, run in enumerate(self.runs()):
            self._run(run, number)
        self._segmenters()
        for name in self.cohorts:
            self._cells(name)
        for protocol in self.protocols:
            self._selections(protocol)
        return self

    def _config(self) -> dict:
        folder = {"kind": "folder", "root": "/data", "labels": {name: name for name in CLASSES}}
        study = {
            "study": "demo",
            "title": "Made-up study",
            "cohorts": {
                "demo": {
                    **folder,
                    "expected": dict.fromkeys(CLASSES, self.images // 4 + 3),
                    "citation": "A. Author, 2021.",
                },
                "away": folder,
                "masked": {**folder, "masks": {"path": "masks/{name}", "coding": "foreground"}},
                "drawn": {"kind": "synthetic", "images": 10},
            },
            "tasks": {"subtype": {"classes": list(CLASSES)}},
            "splits": {"folds": self.folds},
            "segmentation": {"method": "unet", "sources": ["masked", "drawn"], "leave_one_out": True},
            "features": {
                "hybrid": {"kind": "deep", "backbones": [{"name": "net_a"}, {"name": "net_b", "weights": "hub:a/b@1"}]},
                "morphology": {"kind": "morphology"},
            },
            "views": {name: {"kind": name} for name in self.views},
            "models": {
                name: {"architecture": name, "published": {"subtype": PUBLISHED.get(name, {})}} for name in self.models
            },
            "experiments": {
                "main": {
                    "cohort": "demo",
                    "task": "subtype",
                    "protocols": list(self.protocols),
                    "models": list(self.models),
                    "reference": "neurallnet",
                    "external": ["away"],
                }
            },
            "evaluation": {"resamples": 200},
        }
        return parse_study(study).model_dump(mode="json")

    def _cohort(self, name: str, count: int) -> pd.DataFrame:
        folder = self.root / "cohorts" / name
        labels = [CLASSES[index * 4 // count] for index in range(count)]
        ids = [f"{label}/image-{index:04d}.png" for index, label in enumerate(labels)]
        manifest = pd.DataFrame({"image_id": ids, "path": ids, "label": labels})
        if name == "away":
            manifest.loc[manifest.index % 3 == 2, "label"] = None
        for column in ("patient", "slide", "site", "mask"):
            manifest[column] = pd.Series(None, index=manifest.index, dtype="string")
        write_table(
            folder / "manifest.parquet", manifest.assign(sha256="0", bytes=1, width=self.side, height=self.side)
        )
        random = np.random.default_rng(count)
        bars = np.array([label == "Early" and index % 2 == 0 for index, label in enumerate(labels)])
        quality = pd.DataFrame(
            {"image_id": ids, "focus": random.gamma(5, 20, count), "exposure": random.uniform(0.6, 0.8, count)}
        )
        quality["bar_x0"] = pd.array(np.where(bars, 10, None), dtype="Int32")
        quality["um_per_pixel"] = np.where([label == "Pro" for label in labels], 0.3, 0.2)
        quality["scale_confidence"] = random.uniform(0, 1, count)
        quality["scale_source"] = np.where(np.arange(count) % 4, "own", "assumed")
        quality["bar_colour"] = pd.array(np.where(bars, "red", None), dtype="string")
        for part, lightness in (("foreground", 60), ("background", 85)):
            quality[f"{part}_L_mean"] = random.normal(lightness, 2, count)
            quality[f"{part}_L_sd"] = 4.0
        quality[["top", "greatest"]] = 255
        write_table(folder / "quality.parquet", quality)
        rejects = pd.DataFrame({"path": ["broken, one.png", "two.png"], "reason": ["truncated JPEG", "no image"]})
        write_table(folder / "rejects.csv", rejects if name == "demo" else rejects[:0])
        if name == "demo":  # the other one was drawn, not listed
            kinds = ["mask", "mask", "excluded", "litter", "rejected"]
            left_out = pd.DataFrame({"path": list("vwxyz"), "kind": kinds, "reason": ["", "", "", "", "no image"]})
            write_table(folder / "left_out.parquet", left_out)
            told = ["exclude: no file matches '*_msk.png'; did you mean '*_mask.png'?", "labels: no folder is 'Pr'"]
            write_table(folder / "warnings.csv", pd.DataFrame({"text": told}))
        for view in self.views:
            self._view(name, view, manifest, labels)
        return manifest

    def _view(self, name: str, view: str, manifest: pd.DataFrame, labels: list[str]) -> None:
        pictures = np.stack([self.draw(label, index, self.side) for index, label in enumerate(labels)])
        if view == "grey":
            pictures = np.repeat(pictures.mean(3, keepdims=True).astype(np.uint8), 3, axis=3)
        elif view != "plain":
            pictures = 255 - (255 - pictures) // (2 if view == "normalised" else 4)
        for shard in range(self.shards):
            part = shard_slice(len(manifest), shard, self.shards)
            target = self.root / "views" / f"{name}.{view}" / f"{shard:03d}"
            write_table(target.with_suffix(".parquet"), manifest[part][["image_id"]])
            np.save(target.with_suffix(".npy"), pictures[part])

    def _quality(self) -> None:
        ids, outside = list(self.cohorts["demo"]["image_id"]), list(self.cohorts["away"]["image_id"])
        pairs = [
            (
                "demo",
                ids[3 * k],
                "demo",
                ids[3 * k + 1],
                "identical" if k % 4 == 0 else "near",
                k % 4,
                1 - 0.01 * (k % 4),
            )
            for k in range(9)
        ]
        pairs += [
            ("away", outside[k], "demo", ids[k * self.images // self.outside + 2], "near", 3, 0.97)
            for k in range(self.outside // 2)
        ]
        columns = ["cohort_a", "image_a", "cohort_b", "image_b", "kind", "hash_distance", "correlation"]
        self.duplicates = pd.DataFrame(pairs, columns=columns).assign(label_a="Pro", label_b="Pro", change="")
        self.duplicates["labels_differ"] = False
        write_table(self.root / "quality" / "duplicates.parquet", self.duplicates)
        tables = []
        for name, manifest in self.cohorts.items():
            block = pd.Series(range(len(manifest))) // 6
            tables.append(
                pd.DataFrame(
                    {
                        "cohort": name,
                        "image_id": manifest["image_id"],
                        "duplicate_group": [f"d{index}" for index in range(len(manifest))],
                        "acquisition": "a" + block.astype(str),
                    }
                )
            )
        self.groups = pd.concat(tables, ignore_index=True)
        write_table(self.root / "quality" / "groups.parquet", self.groups)

    def _split(self, protocol: str) -> None:
        manifest = self.cohorts["demo"]
        groups = self.groups[self.groups["cohort"] == "demo"].set_index("image_id")
        blocked = protocol != "image"
        group = groups["acquisition" if blocked else "duplicate_group"].reindex(manifest["image_id"]).to_numpy()
        units = pd.factorize(group)[0]
        parts = []
        for fold in range(self.folds):
            fifth = (units + fold) % 5
            role = np.where(fifth == 0, "test", np.where(fifth == 1, "validation", "train"))
            y = [CLASSES.index(label) for label in manifest["label"]]
            part = pd.DataFrame({"image_id": manifest["image_id"], "y": y, "label": manifest["label"], "group": group})
            parts.append(part.assign(fold=fold, role=role))
        write_table(self.root / "splits" / f"demo.subtype.{protocol}.parquet", pd.concat(parts, ignore_index=True))

    def _run(self, run: Run, number: int) -> None:
        folder = self.root / "runs" / run.name
        random = np.random.default_rng(1000 + number)
        skill = self.skill.get(run.model, 3.0 + 0.4 * (number % 3)) - (1.0 if run.protocol != "image" else 0.0)
        split = pd.read_parquet(self.root / "splits" / f"demo.subtype.{run.protocol}.parquet")
        rows = split[(split["fold"] == run.fold) & (split["role"] != "train")]
        inside = rows[["image_id", "group", "role", "y"]].assign(cohort="demo")
        away = self.cohorts["away"]
        y = [CLASSES.index(label) if isinstance(label, str) else -1 for label in away["label"]]
        outside = pd.DataFrame(
            {"image_id": away["image_id"], "group": away["image_id"], "role": "external", "y": y, "cohort": "away"}
        )
        for target, table in (("demo", inside), ("away", outside)):
            logits = random.normal(size=(len(table), 4)).astype(np.float32)
            known = np.flatnonzero(table["y"].to_numpy() >= 0)
            logits[known, table["y"].to_numpy()[known]] += skill
            share = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
            table = table.assign(
                fold=run.fold, seed=run.seed, perturbation="none", logits=list(logits), probabilities=list(share)
            )
            write_table(folder / "predictions" / f"{target}.parquet", table)
        baseline = is_baseline(run.model)
        epochs = 1 if baseline else 12
        facts = {
            "model": run.model,
            "architecture": run.model,
            "size": "paper",
            "options": {},
            "classes": list(CLASSES),
        }
        facts |= {
            "parameters": None if baseline else 336_544 * (1 + number % 3),
            "trainable": None if baseline else 336_544 * (1 + number % 3),
            "input_size": self.side,
            "epochs": epochs,
            "best_epoch": epochs - 1,
        }
        facts |= {
            "seconds": 2.0 if baseline else 61.5,
            "device": "cpu",
            "precision": "32-true",
            "weights": "none" if baseline else "random",
            "recipe": "own",
            "train_images": int(((split["fold"] == run.fold) & (split["role"] == "train")).sum()),
        }
        if run.model == "neurallnet":
            facts["firing_rates"] = {"stem": 0.12, "stage1": 0.21}
        write_json(folder / "model.json", facts)
        write_table(folder / "history.csv", _history(0 if baseline else epochs, random))

    def _segmenters(self) -> None:
        """Scores of segmenters: worse on a source left out, and an archive's masks that miss the last class."""
        for name in ("all", "without_masked", "without_drawn"):
            scores, instances = [], []
            for source, segmenter in product(("masked", "drawn"), ("unet", "threshold")):
                if name not in ("all", f"without_{source}"):
                    continue
                network = "gates C/4" if segmenter == "unet" else ""
                base = {"segmenter": segmenter, "network": network, "trained_on": name, "source": source}
                loss = 0.1 * (name != "all") + 0.15 * (segmenter == "threshold")
                for part, metric in product(("cell", "nucleus"), ("dice", "iou")):
                    value = 0.95 - loss - 0.05 * (metric == "iou")
                    facts = {"within": name == "all", "kind": "expert", "label": "", "part": part, "metric": metric}
                    limits = {"images": 40, "undefined": 0, "value": value, "low": value - 0.02, "high": value + 0.01}
                    scores.append(base | facts | limits)
                if source == "drawn":
                    counts = {"images": 40, "true_cells": 300, "found_cells": 310, "count_error": 0.25}
                    shares = dict.fromkeys(("ap50", "precision", "recall", "f1"), 0.9 - loss)
                    instances.append(base | counts | shares | {"count_error_abs": 0.5})
            for label, share in zip(("", *CLASSES), (0.6, 0.8, 0.95, 0.9, 0.1), strict=True):
                if name == "all":
                    base = {"segmenter": "unet", "network": "gates C/4", "trained_on": "all", "source": "demo"}
                    base |= {"within": False}
                    base |= {"kind": "agreement", "label": label, "part": "cell", "images": 30, "undefined": 0}
                    scores += [
                        base | {"metric": metric, "value": share, "low": share - 0.05, "high": share + 0.05}
                        for metric in ("dice", "marked")
                    ]
            for source in ("masked", "drawn"):
                pixels = pd.DataFrame({"image_id": list("abcd"), "cell_pixels": [9, 0, 4, 2]})
                write_table(self.root / "masks" / source / "index.parquet", pixels)
                rejects = pd.DataFrame({"path": ["e.png"], "reason": ["the mask is 3 x 4, its image 5 x 6"]})
                write_table(self.root / "masks" / source / "rejects.csv", rejects[: int(source == "masked")])
            folder = self.root / "segmenters" / name
            write_table(folder / "scores.csv", pd.DataFrame(scores))
            write_table(folder / "instances.csv", pd.DataFrame(instances, columns=cell_tables.COLUMNS["instances"]))

    def _cells(self, name: str) -> None:
        """Label maps of square cells, and their table; every tenth image has none."""
        manifest, random = self.cohorts[name], np.random.default_rng(len(name))
        side, rows, maps = self.side, [], np.zeros((len(manifest), self.side, self.side), np.uint16)
        step = side // 4
        for number, image_id in enumerate(manifest["image_id"]):
            for cell in range(1, 1 + (number % 10 > 0) * (1 + number % 3)):
                start = (cell - 1) * step
                maps[number, start : start + step - 1, start : start + step - 1] = 2 * cell
                maps[number, start + 1 : start + step - 2, start + 1 : start + step - 2] = 2 * cell + 1
                facts = {"image_id": image_id, "cell": cell, "x": start + step / 2, "y": start + step / 2}
                rows.append(facts | {"border": cell == 1, "um_per_pixel": 0.2})
        cells = pd.DataFrame(rows)
        for feature in FEATURES:
            cells[feature.name] = random.gamma(5, 1, len(cells)).astype(np.float32)
        folder = self.root / "cells" / name
        write_table(folder / "cells.parquet", cells)
        counted = cells.groupby("image_id")["border"].agg(cells="size", border_cells="sum")
        images = counted.reindex(manifest["image_id"]).fillna(0).astype(int).rename_axis("image_id").reset_index()
        write_table(folder / "images.parquet", images)
        for shard in range(self.shards):
            part = shard_slice(len(manifest), shard, self.shards)
            write_table(folder / f"{shard:03d}.parquet", manifest[part][["image_id"]])
            np.save(folder / f"{shard:03d}.npy", maps[part])

    def _selections(self, protocol: str) -> None:
        """Rankings, stability and scaled features: those of the networks follow the acquisition, not the class."""
        manifest = self.cohorts["demo"]
        groups = self.groups[self.groups["cohort"] == "demo"].set_index("image_id")
        cluster = pd.factorize(groups["acquisition"].reindex(manifest["image_id"]))[0]
        label = pd.factorize(manifest["label"])[0]
        for name, fold in product(("hybrid", "morphology"), range(self.folds)):
            random = np.random.default_rng(fold)
            rows = random.normal(size=(len(manifest), 12))
            rows[:, :6] += (7 * cluster % 20 if name == "hybrid" else 4 * label)[:, None]
            names = [f"{name}_{column:02d}" for column in range(12)]
            run = Run("demo", "subtype", "plain", protocol, name, fold, 42)
            folder = self.root / "selections" / run.name
            write_table(folder / "scaled" / "demo.parquet", manifest[["image_id"]])
            np.save(folder / "scaled" / "demo.npy", rows.astype(np.float32))
            write_json(folder / "features.json", {"kind": name, "names": names, "scaling": "zscore"})
            order, score = random.permutation(12), np.sort(random.gamma(2, 1, 12))[::-1]
            ranking = {"position": range(12), "feature": [names[index] for index in order], "score": score}
            write_table(folder / "ranking.csv", pd.DataFrame(ranking))
            boxes = [(f"{name}_00", stage, -2, -1, 0, 1, 2) for stage in ("before", "after")]
            columns = ["feature", "stage", "least", "q1", "median", "q3", "greatest"]
            write_table(folder / "boxes.csv", pd.DataFrame(boxes, columns=columns))
            pairs = [(k, pair, 0.5, 0.4) for k in (5, 10) for pair in ("0-1", "0-2", "1-2")]
            write_table(folder / "stability.csv", pd.DataFrame(pairs, columns=["k", "pair", "jaccard", "kuncheva"]))
            neighbours = [("class", 120, 10, 0.3, 0.24), ("cluster", 110, 10, 0.7 if name == "hybrid" else 0.1, 0.1)]
            table = pd.DataFrame(neighbours, columns=["group", "images", "neighbours", "share", "expected"])
            facts = {**run.columns(), "features": name}
            write_table(self.root / "neighbours" / f"{run.name}.csv", table.assign(**facts))


def _history(epochs: int, random: np.random.Generator) -> pd.DataFrame:
    epoch = np.arange(epochs)
    rise = 1 - np.exp(-(epoch + 1) / 4)
    noise = random.normal(0, 0.02, (2, epochs))
    return pd.DataFrame(
        {
            "epoch": epoch,
            "train_loss": 1.4 * (1 - rise) + 0.05,
            "train_accuracy": 0.25 + 0.73 * rise,
            "validation_loss": 1.4 * (1 - 0.85 * rise) + 0.1 + noise[0],
            "validation_accuracy": np.clip(0.25 + 0.66 * rise + noise[1], 0, 1),
            "learning_rate": 1e-3,
            "images_per_second": 120.0,
            "seconds": 5.1,
            "kept": epoch == epochs - 1,
        }
    )


def named_runs(root: Path, pattern: str = "*") -> list[str]:
    """Arguments that name the runs of a results folder whose names match."""
    return ["--runs", str(root / "runs"), "--of", *sorted(path.name for path in (root / "runs").glob(pattern))]


def texts(paths: list[Path]) -> list[str]:
    """Paths as arguments of a step."""
    return [str(path) for path in paths]


def compare_arguments(fake: FakeStudy) -> list[str]:
    """Arguments of step `compare` for experiment main, but for its output."""
    published = {name: scores["accuracy"] for name, scores in PUBLISHED.items()}
    arguments = ["--settings", '{"resamples": 100}', "--experiment", "main", "--reference", "neurallnet"]
    return [*arguments, "--published", json.dumps(published), *named_runs(fake.root)]


def score_arguments(root: Path, panel: str, tasks: dict, output: Path) -> list[str]:
    """Arguments of step `score` for a panel of a made-up study."""
    runs = sorted((root / "runs").glob(f"{panel}.*"))
    arguments = ["--settings", '{"resamples": 100}', "--tasks", json.dumps(tasks), "--runs", str(root / "runs")]
    for run in runs:
        targets = sorted(path.stem for path in run.glob("predictions/*.parquet"))
        arguments += ["--on", ",".join(targets), run.name]
    cohort, task, _, protocol = panel.split(".")
    arguments += ["--split", str(root / f"splits/{cohort}.{task}.{protocol}.parquet")]
    arguments += ["--duplicates", str(root / "quality/duplicates.parquet")]
    return [*arguments, "--output", str(output / "scores.csv"), "--confusion", str(output / "confusion.csv")]


TABLE_INPUTS = {
    **{name: f"tables/{name}.csv" for name in SPECS},
    "histories": "runs/*/history.csv",
    "exports": "parts/export/*.json",
    "models": "runs/*/model.json",
    "predictions": "runs/*/predictions/*.parquet",
    "leaderboard": "tables/leaderboard.csv",
    "comparisons": "comparisons/*.csv",
    "splits": "splits/*.parquet",
    "manifests": "cohorts/*/manifest.parquet",
    "qualities": "cohorts/*/quality.parquet",
    "rejects": "cohorts/*/rejects.csv",
    "left_out": "cohorts/*/left_out.parquet",
    "warnings": "cohorts/*/warnings.csv",
    "names": "cohorts/*/names.csv",
    "duplicates": "quality/duplicates.parquet",
    "groups": "quality/groups.parquet",
    "attention": "runs/*/feature_attention.parquet",
}
"""Where a made-up study has what tables are made from."""


def make_table(fake: FakeStudy, spec: TableSpec) -> None:
    """Make a table of the catalogue from the files of a made-up study."""
    plan = Plan(fake.study, {})
    words = [f"{name}={path}" for name in spec.reads(plan) for path in sorted(fake.root.glob(TABLE_INPUTS[name]))]
    settings = json.dumps(spec.settings(plan))
    output = str(fake.root / f"tables/{spec.name}.csv")
    table_step.main([spec.make, "--inputs", *words, "--settings", settings, "--output", output])


@cache
def finished_study(root: Path) -> FakeStudy:
    """A made-up study that steps `score`, `tables` and the figure steps have gone over; made once for a folder."""
    fake = FakeStudy(root, side=16).make()
    for panel in sorted({run.panel for run in fake.runs()}):
        score.main(score_arguments(root, panel, {"subtype": {"classes": CLASSES}}, root / f"parts/scores/{panel}"))
    compare.main([*compare_arguments(fake), "--output", str(root / "comparisons/main.csv")])
    panels = sorted(path.name for path in (root / "parts/scores").iterdir())
    gather_tables.main(
        ["--parts", str(root / "parts/scores"), "--of", *panels, "--outputs", str(root / "tables/scores.csv")]
    )
    made = [spec for spec in SPECS.values() if spec.kind == "table"]
    # Some of them are made from tables of other steps.
    late = [spec for spec in made if {"efficiency", "published_vs_reproduced"} & set(spec.reads(Plan(fake.study, {})))]
    for spec in made:
        if spec not in late:
            make_table(fake, spec)
    add_assessment(root, fake.protocols, CLASSES)
    cell_tables.main([*cell_arguments(fake), "--outputs", *(str(root / f"tables/{name}.csv") for name in CELL_TABLES)])
    write_profile(root)
    write_shortcuts(root, CLASSES)
    make_robustness(root, fake.runs())
    make_published(root)
    fake_abstention.finish(root, fake.protocols)
    make_statistics(root, named_runs(root), CLASSES)
    fake_explanations(root, fake.runs())
    for spec in late:
        make_table(fake, spec)
    named = [f"{run.model}.{run.task}.{run.view}" for run in Plan(fake.study, {}).architectures.values()]
    arguments = ["--study", str(root / "study.json"), "--models", *named]
    components.main([*arguments, "--output", str(root / "tables/components.csv")])
    return fake


def cell_arguments(fake: FakeStudy) -> list[str]:
    """Inputs of step `cell_tables`."""
    named = {
        "scores": "segmenters/*/scores.csv",
        "instances": "segmenters/*/instances.csv",
        "masks": "masks/*/index.parquet",
        "cells": "cells/*/cells.parquet",
        "manifests": "cohorts/*/manifest.parquet",
        "neighbours": "neighbours/*.csv",
    }
    arguments = [part for name, pattern in named.items() for part in (f"--{name}", *texts(fake.path(pattern)))]
    names = [path.name for path in fake.path("selections/*")]
    return [*arguments, "--selections", str(fake.root / "selections"), "--of", *names]
