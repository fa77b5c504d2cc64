"""A results folder of random numbers in the formats of the pipeline, for tests of what comes after the runs."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

from leukoflow.config.load import parse_study
from leukoflow.config.study import Study
from leukoflow.core.files import write_json, write_table
from leukoflow.core.runs import Run, is_baseline
from leukoflow.core.shards import shard_slice
from leukoflow.steps import score, tables

CLASSES = ("Benign", "Early", "Pre", "Pro")
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
        found = sorted(self.root.glob(pattern))
        assert found, pattern
        return found

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
            },
            "tasks": {"subtype": {"classes": list(CLASSES)}},
            "splits": {"folds": self.folds},
            "views": {name: {"kind": name} for name in self.views},
            "models": {name: {"architecture": name} for name in self.models},
            "experiments": {
                "main": {
                    "cohort": "demo",
                    "task": "subtype",
                    "protocols": list(self.protocols),
                    "models": list(self.models),
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
        quality["bar_colour"] = pd.array(np.where(bars, "red", None), dtype="string")
        write_table(folder / "quality.parquet", quality)
        rejects = pd.DataFrame({"path": ["broken, one.png", "two.png"], "reason": ["truncated JPEG", "no image"]})
        write_table(folder / "rejects.csv", rejects if name == "demo" else rejects[:0])
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
        self.duplicates = pd.DataFrame(pairs, columns=columns)
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
        own = self.groups[self.groups["cohort"] == "demo"].set_index("image_id")
        blocked = protocol != "image"
        group = own["acquisition" if blocked else "duplicate_group"].reindex(manifest["image_id"]).to_numpy()
        units = pd.factorize(group)[0]
        parts = []
        for fold in range(self.folds):
            place = (units + fold) % 5
            role = np.where(place == 0, "test", np.where(place == 1, "validation", "train"))
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
        own = rows[["image_id", "group", "role", "y"]].assign(cohort="demo")
        away = self.cohorts["away"]
        y = [CLASSES.index(label) if isinstance(label, str) else -1 for label in away["label"]]
        outside = pd.DataFrame(
            {"image_id": away["image_id"], "group": away["image_id"], "role": "external", "y": y, "cohort": "away"}
        )
        for target, table in (("demo", own), ("away", outside)):
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
            "input_size": self.side,
            "epochs": epochs,
            "best_epoch": epochs - 1,
        }
        facts |= {
            "seconds": 2.0 if baseline else 61.5,
            "device": "cpu",
            "precision": "32-true",
            "weights": "none" if baseline else "random",
        }
        if run.model == "neurallnet":
            facts["firing_rates"] = {"stem": 0.12, "stage1": 0.21}
        write_json(folder / "model.json", facts)
        write_table(folder / "history.csv", _history(0 if baseline else epochs, random))


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
        }
    )


def texts(paths: list[Path]) -> list[str]:
    """Paths as arguments of a step."""
    return [str(path) for path in paths]


@cache
def finished_study(root: Path) -> FakeStudy:
    """A made-up study that steps `score`, `tables` and the figure steps have gone over; made once for a folder."""
    fake = FakeStudy(root, side=16).make()
    for run in fake.runs():
        folder = root / "runs" / run.name
        inputs = [
            "--split",
            str(root / f"splits/demo.subtype.{run.protocol}.parquet"),
            "--duplicates",
            str(root / "quality/duplicates.parquet"),
        ]
        outputs = ["--output", str(folder / "scores.csv"), "--confusion", str(folder / "confusion.csv")]
        predictions = texts(sorted(folder.glob("predictions/*.parquet")))
        score.main(
            [
                "--settings",
                '{"resamples": 100}',
                "--run",
                run.name,
                "--classes",
                *CLASSES,
                "--predictions",
                *predictions,
                *inputs,
                *outputs,
            ]
        )
    named = {
        "scores": "runs/*/scores.csv",
        "models": "runs/*/model.json",
        "histories": "runs/*/history.csv",
        "splits": "splits/*.parquet",
    }
    named |= {
        "manifests": "cohorts/*/manifest.parquet",
        "qualities": "cohorts/*/quality.parquet",
        "rejects": "cohorts/*/rejects.csv",
    }
    arguments = [part for name, pattern in named.items() for part in (f"--{name}", *texts(fake.path(pattern)))]
    arguments += [
        "--duplicates",
        str(root / "quality/duplicates.parquet"),
        "--groups",
        str(root / "quality/groups.parquet"),
    ]
    outputs = [
        str(root / "tables" / f"{name}.csv")
        for name in ("scores", "leaderboard", "external", "cohorts", "audit", "efficiency")
    ]
    tables.main(["--study", str(root / "study.json"), *arguments, "--outputs", *outputs])
    return fake
