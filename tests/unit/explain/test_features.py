"""Attention to ranked features over test images: against single images, finite differences and planted features."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from leukoflow.core.files import write_json, write_table
from leukoflow.explain.features import COLUMNS, OF_RUN, by_class, leading, weighed
from leukoflow.models import inference, registry
from leukoflow.steps import feature_attention
from leukoflow.steps import table as table_step

CLASSES = ["Benign", "Early", "Pro"]
RUN = "demo.subtype.plain.image.net.fold0.seed42"


def head(classifier: str = "tokens", inputs: int = 12) -> torch.nn.Module:
    torch.manual_seed(0)
    options = {"tokens": 4} if classifier == "tokens" else {}
    return registry.build("hybridcn_nas", 3, "small", inputs=inputs, classifier=classifier, **options).eval()


@pytest.mark.parametrize("classifier", ["tokens", "simple", "complex"])
def test_effects_are_what_a_small_change_of_a_feature_does_to_the_answer(classifier: str) -> None:
    model, x = head(classifier).double(), torch.randn(5, 12, dtype=torch.float64)
    weights, changes = weighed(model, x)
    assert np.allclose(weights.sum(axis=1), 1) and weights.min() >= 0
    step, answers = 1e-6, model(x).argmax(dim=1)
    for feature in range(12):
        more, less = x.clone(), x.clone()
        more[:, feature] *= 1 + step
        less[:, feature] *= 1 - step
        with torch.no_grad():
            slope = (model(more) - model(less)).gather(1, answers[:, None])[:, 0] / (2 * step)
        assert np.allclose(changes[:, feature], slope.numpy(), atol=1e-6)


@pytest.mark.parametrize(("inputs", "tokens"), [(12, 5), (10, 8), (7, 6)])
def test_attention_to_tokens_without_features_is_no_features(inputs: int, tokens: int) -> None:
    torch.manual_seed(0)
    model = registry.build("hybridcn_nas", 3, "small", inputs=inputs, tokens=tokens).eval()
    with torch.no_grad():
        model.blocks[0].attention.in_proj_weight.mul_(6)  # so that tokens are not attended to alike
        x = torch.randn(4, inputs)
        weights, _ = weighed(model, x)
        seen = model.blocks[0].attention_norm(
            model.embed(torch.nn.functional.pad(x, (0, model.tokens * model.piece - inputs)).unflatten(1, (tokens, -1)))
            + model.positions
        )
        received = model.blocks[0].attention(seen, seen, seen)[1].mean(dim=1)
    assert np.allclose(weights.sum(axis=1), 1, atol=1e-6)
    # Between tokens with features the attention is as the network has it.
    filled = -(-inputs // model.piece)
    by_token = np.stack([weights[:, t * model.piece : (t + 1) * model.piece].sum(axis=1) for t in range(filled)], 1)
    kept = received[:, :filled].numpy()
    assert np.allclose(by_token, kept / kept.sum(axis=1, keepdims=True), atol=1e-5)


def test_images_of_several_batches_are_weighed_as_single_ones() -> None:
    model, x = head(), torch.randn(300, 12)
    weights, changes = weighed(model, x)
    for row in (0, 255, 256, 299):
        alone, change = weighed(model, x[row : row + 1])
        assert np.allclose(weights[row], alone[0], atol=1e-6) and np.allclose(changes[row], change[0], atol=1e-5)


def test_means_and_spreads_by_class_by_hand() -> None:
    weights = np.array([[0.2, 0.8], [0.4, 0.6], [1.0, 0.0]], np.float32)
    changes = np.array([[1, -1], [3, -1], [5, 2]], np.float32)
    ranking = pd.DataFrame({"feature": ["a", "b"], "score": [9.0, np.nan]})
    table = by_class(weights, changes, np.array([0, 0, 2]), CLASSES, ranking).set_index(["class", "feature"])
    assert sorted({name for name, _ in table.index}) == ["", "Benign", "Pro"]  # no image is Early
    assert table.loc[("Benign", "a"), "attention"] == pytest.approx(0.3)
    assert table.loc[("Benign", "a"), "attention_sd"] == pytest.approx(np.sqrt(0.02))
    assert table.loc[("", "a"), "effect"] == pytest.approx(3) and table.loc[("", "a"), "effect_sd"] == pytest.approx(2)
    assert table.loc[("", "b"), "attention"] == pytest.approx(1.4 / 3) and table.loc[("", "b"), "position"] == 1
    assert table.loc[("Pro", "b"), "images"] == 1 and np.isnan(table.loc[("Pro", "b"), "attention_sd"])
    assert table.loc[("", "a"), "relevance"] == 9 and np.isnan(table.loc[("", "b"), "relevance"])


def test_the_leading_features_are_those_of_most_attention_over_all_images() -> None:
    weights = np.array([[0.1, 0.2, 0.7], [0.1, 0.6, 0.3]], np.float32)
    ranking = pd.DataFrame({"feature": ["a", "b", "c"], "score": [3.0, 2.0, 1.0]})
    table = leading(by_class(weights, weights, np.array([0, 1]), CLASSES, ranking), 2)
    assert list(table["feature"]) == ["c"] * 3 + ["b"] * 3
    assert list(table["class"]) == ["", "Benign", "Early"] * 2


def make(root: Path, classifier: str) -> tuple[list[str], np.ndarray]:
    """A run on features of which class 0 has but one and class 1 but another, each ranked last; step arguments."""
    ids, names = [f"{number:02d}" for number in range(30)], [f"f{column}" for column in range(12)]
    y, role = np.arange(30) % 3, np.where(np.arange(30) < 15, "train", "test")
    rows = np.abs(np.random.default_rng(0).normal(size=(30, 12))).astype(np.float32)
    for label, column in ((0, 7), (1, 2)):
        kept = rows[:, column].copy()
        rows[y == label] = 0
        rows[y == label, column] = kept[y == label]
    rows[role == "train"] = 1e3  # would be seen in any mean
    selection, folder = root / "selection", root / "runs" / RUN
    (selection / "scaled").mkdir(parents=True)
    np.save(selection / "scaled/demo.npy", rows)
    write_table(selection / "scaled/demo.parquet", pd.DataFrame({"image_id": ids}))
    write_json(selection / "features.json", {"names": names})
    order = [0, 1, 3, 4, 5, 6, 8, 9, 10, 11, 7, 2]
    ranking = {"position": range(12), "feature": [names[index] for index in order], "score": np.arange(12.0)[::-1]}
    write_table(selection / "ranking.csv", pd.DataFrame(ranking))
    split = pd.DataFrame({"image_id": ids, "y": y, "label": "", "group": ids, "fold": 0, "role": role})
    split.loc[29, "y"] = -1
    write_table(root / "split.parquet", pd.concat([split, split.assign(fold=1, role="test")]))
    model = head(classifier)
    inference.save_tensors(folder / "weights.safetensors", model.state_dict())
    options = {"inputs": 12, "classifier": classifier} | ({"tokens": 4} if classifier == "tokens" else {})
    facts = {"architecture": "hybridcn_nas", "classes": CLASSES, "size": "small", "options": options, "input_size": 12}
    write_json(folder / "model.json", facts)
    output = folder / "feature_attention.parquet"
    arguments = ["--run", RUN, "--weights", str(folder / "weights.safetensors"), "--description"]
    arguments += [str(folder / "model.json"), "--features", str(selection / "scaled/demo.npy")]
    return [*arguments, "--split", str(root / "split.parquet"), "--output", str(output)], rows[:, order]


def test_the_step_finds_the_features_that_were_planted(tmp_path: Path) -> None:
    arguments, rows = make(tmp_path, "simple")
    feature_attention.main(arguments)
    file = tmp_path / "runs" / RUN / "feature_attention.parquet"
    table = pd.read_parquet(file)
    assert list(table.columns) == OF_RUN
    features = table.set_index(["class", "feature"])
    # Of an image with one feature, that feature has all the attention.
    for name, feature, position in (("Benign", "f7", 10), ("Early", "f2", 11)):
        of_class = features.loc[name]
        assert of_class.loc[feature, "attention"] == pytest.approx(1, abs=1e-6)
        assert of_class.loc[feature, "attention_sd"] == pytest.approx(0, abs=1e-6)
        assert of_class.drop(feature)["attention"].abs().max() < 1e-6
        assert of_class.loc[feature, ["position", "relevance"]].tolist() == [position, 11 - position]
    assert table.groupby("class")["attention"].sum().to_numpy() == pytest.approx(1)
    assert table.groupby("class")["images"].first().to_dict() == {"": 14, "Benign": 5, "Early": 5, "Pro": 4}
    chosen = [row for row in range(15, 29) if row % 3 == 2]  # the last test image has no label
    weights, changes = weighed(head("simple"), torch.from_numpy(rows[chosen]))
    assert np.allclose(features.loc["Pro", "attention"], weights.mean(axis=0), atol=1e-6)
    assert np.allclose(features.loc["Pro", "effect_sd"], changes.std(axis=0, ddof=1), atol=1e-6)
    output = tmp_path / "table.csv"
    make_of = "explain.features.feature_attention_table"
    table_step.main([make_of, "--inputs", f"attention={file}", "--settings", "{}", "--output", str(output)])
    study = pd.read_csv(output)
    assert list(study.columns) == COLUMNS and set(study["model"]) == {"net"}
    assert set(study["feature"][:8]) == {"f2", "f7"}


def test_a_classifier_that_attends_to_nothing_has_no_rows_and_is_named(tmp_path: Path, caplog) -> None:
    arguments, _ = make(tmp_path, "attention_bilstm")
    feature_attention.main(arguments)
    table = pd.read_parquet(tmp_path / "runs" / RUN / "feature_attention.parquet")
    assert table.empty and list(table.columns) == OF_RUN
    assert "net has no attention to single features" in caplog.text
