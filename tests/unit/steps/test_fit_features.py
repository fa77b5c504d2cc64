"""Features from matrix to predictions: what is fitted on, what is written, what a model reads."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.files import read_json, read_table, write_json, write_table
from leukoflow.features.matrix import open_files, write_matrix
from leukoflow.features.scaling import apply, fit
from leukoflow.features.selection import load_scaler, load_transform
from leukoflow.images.shards import write_shard
from leukoflow.steps import fit_features, predict, train, transform_features

CLASSES = ("Benign", "Early", "Pre")
NETWORKS = [
    {"name": name, "weights": "random", "sha256": None, "channels": channels, "parameters": 100}
    for name, channels in (("one", 8), ("two", 12))
]
FACTS = {"kind": "deep", "grid": 2, "seed": 42, "networks": NETWORKS}
DEEP = {"kind": "deep", "backbones": [{"name": "one"}, {"name": "two"}], "grid": 2, "stack_size": "small"}
DEEP |= {"stack_epochs": 2, "selection": {"features": 40, "stability": 2}}
FILES = ("stack.safetensors", "scaler.safetensors", "ranking.csv", "stability.csv")


def drawn(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows [n, 80] in which a few columns tell the class, and the classes."""
    random = np.random.default_rng(seed)
    y = np.arange(count) % len(CLASSES)
    x = random.normal(size=(count, 80)).astype(np.float32)
    x[:, :12] += 2 * y[:, None]
    return x, y


def put(folder: Path, x: np.ndarray, facts: dict | None = None, cells: bool = False) -> Path:
    """A matrix in two files, with 3 rows an image where rows are cells."""
    half, shards = len(x) // 2, []
    ids = np.array([f"image {row // 3 if cells else row}" for row in range(len(x))])
    for name, part in (("000", slice(0, half)), ("001", slice(half, len(x)))):
        index = pd.DataFrame({"image_id": ids[part]})
        if cells:
            index["cell"] = range(len(index))
        digest = write_matrix(folder / f"{name}.npy", [x[part]], len(index), index)
        shards.append({"name": name, "rows": len(index), "digest": digest})
    write_json(folder / "matrix.json", {**(facts or FACTS), "rows": len(x), "shards": shards})
    return folder / "matrix.json"


def divide(path: Path, y: np.ndarray) -> Path:
    roles = np.array(["train", "train", "train", "validation", "test"])[np.arange(len(y)) // 3 % 5]
    ids = [f"image {number}" for number in range(len(y))]
    write_table(path, pd.DataFrame({"image_id": ids, "group": ids, "y": y, "fold": 0, "role": roles}))
    return path


def fitted(folder: Path, matrix: Path, split: Path, entry: dict, seed: int = 1, more: tuple[str, ...] = ()) -> Path:
    settings = json.dumps({"name": "some", "features": entry})
    fit_features.main(
        [
            *("--settings", settings, "--classes", json.dumps(CLASSES), "--matrix", str(matrix), "--split", str(split)),
            *("--fold", "0", "--seed", str(seed), "--resume", str(folder / "resume")),
            *("--stack", str(folder / FILES[0]), "--scaler", str(folder / FILES[1])),
            *("--ranking", str(folder / FILES[2]), "--stability", str(folder / FILES[3])),
            *("--description", str(folder / "features.json")),
            *more,
        ]
    )
    return folder


def transformed(folder: Path, matrix: Path, cohort: str) -> Path:
    out = folder / "scaled" / f"{cohort}.npy"
    transform_features.main(
        [
            *("--matrix", str(matrix), "--stack", str(folder / FILES[0]), "--scaler", str(folder / FILES[1])),
            *("--description", str(folder / "features.json"), "--output", str(out)),
        ]
    )
    return out


def trained(folder: Path, source: list[str], split: Path, model: dict) -> dict:
    train.main(
        [
            *(
                "--settings",
                json.dumps(model),
                "--name",
                "some",
                "--cohort",
                "demo",
                "--classes",
                json.dumps(CLASSES),
                *source,
            ),
            *("--split", str(split), "--fold", "0", "--seed", "1", "--resume", str(folder / "resume")),
            *("--weights", str(folder / "weights.safetensors"), "--description", str(folder / "model.json")),
            *("--history", str(folder / "history.csv")),
            *("--predictions", str(folder / "predictions/demo.parquet")),
        ]
    )
    return read_json(folder / "model.json")


def predicted(folder: Path, source: list[str], split: Path) -> pd.DataFrame:
    """What training wrote, after a look whether the saved weights say the same of the same images elsewhere."""
    out = folder / "away.parquet"
    roles = read_table(split)
    manifest = roles[["image_id"]].assign(label=np.array(CLASSES)[roles["y"]])
    write_table(folder / "manifest.parquet", manifest)
    write_table(folder / "groups.parquet", manifest.assign(cohort="away", duplicate_group=manifest["image_id"]))
    predict.main(
        [
            *("--settings", json.dumps({"classes": CLASSES}), "--cohort", "away", *source),
            *("--weights", str(folder / "weights.safetensors"), "--description", str(folder / "model.json")),
            *("--manifest", str(folder / "manifest.parquet"), "--groups", str(folder / "groups.parquet")),
            *("--output", str(out)),
        ]
    )
    held, away = read_table(folder / "predictions/demo.parquet"), read_table(out).set_index("image_id")
    assert set(away["role"]) == {"external"} and set(held["role"]) == {"validation", "test"}
    again = away.loc[held["image_id"]]
    assert again["y"].tolist() == held["y"].tolist() and again["fold"].tolist() == held["fold"].tolist()
    np.testing.assert_allclose(np.stack(again["logits"]), np.stack(held["logits"]), rtol=1e-4, atol=1e-5)
    return held


MODEL = {"architecture": "hybridcn_nas", "size": "small", "features": "some"}
MODEL |= {"options": {"features": 30}, "training": {"epochs": 4, "batch_size": 16}}
MORPHOLOGY = {"kind": "morphology", "selection": {"features": 10, "stability": 0}}


@pytest.mark.parametrize("stack", ["as_described", "as_coded", "none"])
def test_the_test_role_leaves_no_trace(tmp_path: Path, stack: str) -> None:
    x, y = drawn(60, 0)
    entry = {**DEEP, "stack": stack}
    first = fitted(tmp_path / "a", put(tmp_path / "m", x), divide(tmp_path / "split.parquet", y), entry)
    test = pd.read_parquet(tmp_path / "split.parquet")["role"].to_numpy() == "test"
    assert test.sum() == 12
    random = np.random.default_rng(7)
    other_x, other_y = x.copy(), y.copy()
    other_x[test] = random.permutation(x[test]) * 50 + random.normal(size=(12, 80))
    other_y[test] = (y[test] + 1) % 3
    second = fitted(tmp_path / "b", put(tmp_path / "n", other_x), divide(tmp_path / "other.parquet", other_y), entry)
    for name in FILES:
        assert (first / name).read_bytes() == (second / name).read_bytes(), name
    # The training role does leave one.
    other_x[~test] *= 1.5
    third = fitted(tmp_path / "c", put(tmp_path / "o", other_x), divide(tmp_path / "third.parquet", other_y), entry)
    assert (first / "scaler.safetensors").read_bytes() != (third / "scaler.safetensors").read_bytes()
    assert not (first / "resume").exists()


def test_validation_stops_the_stack_and_does_nothing_else(tmp_path: Path) -> None:
    x, y = drawn(60, 0)
    split = divide(tmp_path / "split.parquet", y)
    validation = pd.read_parquet(split)["role"].to_numpy() == "validation"
    other = x.copy()
    other[validation] = 9
    for stack, same in (("none", FILES), ("as_coded", FILES)):
        entry = {**DEEP, "stack": stack}
        first = fitted(tmp_path / f"{stack}1", put(tmp_path / "m", x), split, entry)
        second = fitted(tmp_path / f"{stack}2", put(tmp_path / "n", other), split, entry)
        assert all((first / name).read_bytes() == (second / name).read_bytes() for name in same)


def test_scaler_and_ranking_are_those_of_the_training_rows(tmp_path: Path) -> None:
    x, y = drawn(60, 0)
    split = divide(tmp_path / "split.parquet", y)
    folder = fitted(tmp_path / "a", put(tmp_path / "m", x), split, {**DEEP, "stack": "none"})
    role = pd.read_parquet(split)["role"].to_numpy()
    means = x.reshape(60, 20, 4).mean(2)
    rows = means[role == "train"]
    scaler, projection = load_scaler(folder / "scaler.safetensors")
    assert projection is None
    np.testing.assert_allclose(scaler.centre, rows.mean(0), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(scaler.scale, rows.std(0), rtol=1e-5)
    ranking = pd.read_csv(folder / "ranking.csv")
    assert ranking["position"].tolist() == list(range(20)) and ranking["feature"].is_unique
    assert set(ranking["feature"][:1]) <= {f"1_one_000{k}" for k in range(3)}  # the columns that tell the class
    out = open_files([transformed(folder, tmp_path / "m/matrix.json", "demo")])
    expected = np.clip((means - rows.mean(0)) / rows.std(0), -3, 3)
    np.testing.assert_allclose(out.gather(range(60)), expected, rtol=1e-3, atol=1e-4)
    assert list(out.image_ids) == [f"image {number}" for number in range(60)]


def test_principal_components_are_projected(tmp_path: Path) -> None:
    x, y = drawn(60, 0)
    selection = {"method": "pca", "features": 6, "scaling": "robust", "stability": 2}
    entry = {**DEEP, "stack": "none", "selection": selection}
    matrix = put(tmp_path / "m", x)
    folder = fitted(tmp_path / "a", matrix, divide(tmp_path / "split.parquet", y), entry)
    assert read_json(folder / "features.json")["names"] == [f"component_000{number}" for number in range(6)]
    out = open_files([transformed(folder, matrix, "demo")])
    means = x.reshape(60, 20, 4).mean(2)
    role = pd.read_parquet(tmp_path / "split.parquet")["role"].to_numpy()
    scaled = apply(fit(means[role == "train"], "robust"), means)
    _, projection = load_scaler(folder / "scaler.safetensors")
    assert projection is not None and projection.shape == (20, 6)
    np.testing.assert_allclose(projection.T @ projection, np.eye(6), atol=1e-5)
    np.testing.assert_allclose(out.gather(range(60)), scaled @ projection, rtol=1e-4, atol=1e-5)


def test_a_trained_stack_is_recorded_and_beats_chance(tmp_path: Path) -> None:
    x, y = drawn(90, 0)
    matrix = put(tmp_path / "m", x)
    folder = fitted(tmp_path / "a", matrix, divide(tmp_path / "split.parquet", y), {**DEEP, "stack_epochs": 8})
    facts = read_json(folder / "features.json")
    assert facts["weights"] == "random" and facts["stack"] == "as_described" and len(facts["names"]) == 256
    training = facts["stack_training"]
    assert training["validation_accuracy"] > 0.6 and training["epochs"] <= 8
    import torch

    transform = load_transform(folder / FILES[0], folder / FILES[1], facts, torch.device("cpu"))
    out = open_files([transformed(folder, matrix, "demo")])
    np.testing.assert_allclose(out.gather(range(90)), transform(x), rtol=1e-3, atol=1e-4)
    assert facts["parameters"] > 200 and facts["train_rows"] == 54


def test_other_networks_than_those_fitted_on_are_refused(tmp_path: Path) -> None:
    x, y = drawn(60, 0)
    folder = fitted(tmp_path / "a", put(tmp_path / "m", x), divide(tmp_path / "split.parquet", y), DEEP)
    changed = {**FACTS, "networks": [NETWORKS[0] | {"sha256": "0"}, NETWORKS[1]]}
    with pytest.raises(LeukoFlowError, match=r"matrix.json: extracted otherwise than"):
        transformed(folder, put(tmp_path / "n", x, changed), "away")


def test_a_model_reads_the_best_features_in_order(tmp_path: Path) -> None:
    x, y = drawn(90, 0)
    x[3, 4:8] = np.nan  # an image without cells
    facts = {"kind": "morphology", "names": [f"feature_{number}" for number in range(80)]}
    matrix, split = put(tmp_path / "m", x, facts), divide(tmp_path / "split.parquet", y)
    folder = fitted(tmp_path / "a", matrix, split, MORPHOLOGY)
    source = ["--features", str(transformed(folder, matrix, "demo"))]
    model = {**MODEL, "options": {"features": 8, "tokens": 4}}
    model["training"] = {"epochs": 12, "batch_size": 16, "learning_rate": 0.01}
    described = trained(tmp_path, source, split, model)
    best = pd.read_csv(folder / "ranking.csv")["feature"][:8].tolist()
    assert described["options"] == {"features": 8, "tokens": 4, "inputs": 8} and described["input_size"] == 8
    assert described["features"]["names"] == best and described["features"]["name"] == "some"
    assert described["reads"] == "features" and described["train_images"] == 54
    table = predicted(tmp_path, source, split)
    assert len(table) == 36 and (table["logits"].str.len() == 3).all()
    test = table[table["role"] == "test"]
    assert (np.stack(test["probabilities"]).argmax(1) == test["y"]).mean() > 0.8
    # Fewer than wanted are taken as they are, and said.
    described = trained(tmp_path, source, split, {**model, "options": {"features": 500}})
    assert described["input_size"] == 10


def test_the_origin_of_the_weights_ends_in_the_model(tmp_path: Path) -> None:
    x, y = drawn(60, 0)
    split = divide(tmp_path / "split.parquet", y)
    for sources, expected in ((("hub:a@1", "hub:b@2"), "hub:a@1 + hub:b@2"), (("hub:a@1", "random"), "random")):
        networks = [network | {"weights": source} for network, source in zip(NETWORKS, sources, strict=True)]
        matrix = put(tmp_path / "m", x, {**FACTS, "networks": networks})
        folder = fitted(tmp_path / "a", matrix, split, {**DEEP, "stack": "none"})
        described = trained(tmp_path, ["--features", str(transformed(folder, matrix, "demo"))], split, MODEL)
        assert described["weights"] == expected


def test_the_wrong_kind_of_input_and_augmentation_are_told(tmp_path: Path) -> None:
    x, y = drawn(60, 0)
    matrix, split = put(tmp_path / "m", x), divide(tmp_path / "split.parquet", y)
    folder = fitted(tmp_path / "a", matrix, split, {**DEEP, "stack": "none"})
    features = ["--features", str(transformed(folder, matrix, "demo"))]
    with pytest.raises(LeukoFlowError, match=r"models.some.features: neurallnet reads pictures"):
        trained(tmp_path, features, split, {"architecture": "neurallnet", "features": "some"})
    with pytest.raises(LeukoFlowError, match=r"models.some: hybridcn_nas reads features; name an entry"):
        trained(tmp_path, ["--view", "view.json"], split, {"architecture": "hybridcn_nas"})
    turned = {**MODEL, "training": {"augmentation": {"rotation": 10}}}
    with pytest.raises(LeukoFlowError, match=r"models.some.training.augmentation: features cannot be augmented"):
        trained(tmp_path, features, split, turned)


def test_cells_of_an_image_are_averaged_and_images_without_get_the_class_shares(tmp_path: Path) -> None:
    """Crops: three of each image but the last twelve, which have none."""
    images, crops = 48, 36 * 3
    y = np.arange(images) % 3
    random = np.random.default_rng(0)
    pixels = random.integers(0, 60, (crops, 16, 16, 3)) + 90 * np.repeat(y[:36], 3)[:, None, None, None]
    digest = write_shard(tmp_path / "view/000.npy", iter(pixels.astype(np.uint8)), crops, 16)
    ids = [f"image {row // 3}" for row in range(crops)]
    index = pd.DataFrame({"image_id": ids, "cell": [row % 3 + 1 for row in range(crops)], "shard_digest": digest})
    write_table(tmp_path / "view/000.parquet", index)
    write_json(tmp_path / "view/view.json", {"images": crops, "shards": [{}]})
    split = divide(tmp_path / "split.parquet", y)
    source = ["--view", str(tmp_path / "view/view.json")]
    model = {"architecture": "colour_histogram", "size": "small"}
    described = trained(tmp_path, source, split, model)
    table = predicted(tmp_path, source, split)
    roles = pd.read_parquet(split)
    known = roles[roles["image_id"].isin(ids)]
    assert described["train_rows"] == 3 * (known["role"] == "train").sum()
    assert described["train_images"] == (known["role"] == "train").sum()
    assert table["image_id"].tolist() == roles.loc[roles["role"] != "train", "image_id"].tolist()
    shares_of_rows = np.stack(table["probabilities"])
    np.testing.assert_allclose(shares_of_rows.sum(1), 1, rtol=1e-5)
    with_cells = table["image_id"].isin(ids).to_numpy()
    assert 0 < (~with_cells).sum() < len(table)
    shares = roles.loc[roles["role"] == "train", "y"].value_counts(normalize=True).sort_index().to_numpy()
    np.testing.assert_allclose(shares_of_rows[~with_cells], np.tile(shares, ((~with_cells).sum(), 1)), rtol=1e-5)
    np.testing.assert_allclose(described["class_shares"], shares)
    assert (shares_of_rows[with_cells].argmax(1) == table.loc[with_cells, "y"]).all()
    logits = np.stack(table["logits"])
    np.testing.assert_allclose(np.exp(logits), shares_of_rows, rtol=1e-4)


@pytest.mark.parametrize("on_all", [False, True])
def test_the_leak_fits_scaling_and_ranking_on_all_rows(tmp_path: Path, on_all: bool) -> None:
    """With it the scaler is that of all rows, those of an image in two roles once; without it that of training rows."""
    x, y = drawn(90, 3)
    x[np.arange(90) // 3 % 5 == 4] += 4  # the test images are of another kind
    facts = {"kind": "morphology", "names": [f"feature_{number}" for number in range(80)]}
    matrix, split = put(tmp_path / "m", x, facts), divide(tmp_path / "split.parquet", y)
    roles = read_table(split)
    twice = roles[roles["role"] == "test"].assign(role="validation")
    write_table(split, pd.concat([roles[roles["role"] != "validation"], twice]))
    entry = {**MORPHOLOGY, "selection": {"scaling": "zscore", "features": 40, "stability": 0}}
    folder = fitted(tmp_path / "s", matrix, split, entry, more=("--on-all",) if on_all else ())
    used = roles["role"].isin(["train", "test"]) if on_all else roles["role"] == "train"
    made, _ = load_scaler(folder / FILES[1])
    wanted = fit(x[used.to_numpy()], "zscore")
    assert apply(made, x[:5]) == pytest.approx(apply(wanted, x[:5]), abs=1e-5)
    said = read_json(folder / "features.json")
    assert said["train_rows"] == used.sum()
    assert said["fitted_on"] == ("all images" if on_all else "training images")
