"""Steps explain and explanations, and their figures, on networks of random weights."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from drawing import drawn

from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.files import write_json, write_table
from leukoflow.explain.heat import heat
from leukoflow.models import inference, registry
from leukoflow.steps import explain, explanations

CLASSES = ["Benign", "Early"]
RUN = "demo.subtype.plain.image.{}.fold0.seed42"
IMAGES, SIDE, HALF = 10, 48, 24


def make(root: Path, model: str) -> list[str]:
    """A run with a view of noise, and label maps of one cell in the upper left quarter; arguments of step explain."""
    random = np.random.default_rng(0)
    ids = [f"{number:02d}" for number in range(IMAGES)]
    index = pd.DataFrame({"image_id": ids})
    for folder in ("views/demo.plain", "cells/demo"):
        (root / folder).mkdir(parents=True, exist_ok=True)
        write_table(root / folder / "000.parquet", index)
    np.save(root / "views/demo.plain/000.npy", random.integers(0, 256, (IMAGES, SIDE, SIDE, 3), np.uint8))
    write_json(root / "views/demo.plain/view.json", {"shards": ["000"]})
    labels = np.zeros((IMAGES, HALF, HALF), np.uint16)
    labels[:, :12, :12], labels[:, 3:9, 3:9] = 2, 3
    np.save(root / "cells/demo/000.npy", labels)
    folder = root / "runs" / RUN.format(model)
    torch.manual_seed(0)
    network = registry.build(model, 2, "small")
    network.train()(torch.rand(8, 3, SIDE, SIDE))
    inference.save_tensors(folder / "weights.safetensors", network.state_dict())
    facts = {"architecture": model, "classes": CLASSES, "size": "small", "options": {}}
    write_json(folder / "model.json", facts)
    chances = random.dirichlet([1, 1], IMAGES)
    test = index.assign(cohort="demo", group=None, role="test", y=np.arange(IMAGES) % 2, perturbation="none")
    write_table(folder / "predictions/demo.parquet", test.assign(probabilities=list(chances)))
    arguments = ["--settings", '{"images": 6, "steps": 2}', "--run", folder.name, "--weights"]
    arguments += [str(folder / "weights.safetensors"), "--description", str(folder / "model.json")]
    arguments += [
        "--view",
        str(root / "views/demo.plain/view.json"),
        "--predictions",
        str(folder / "predictions/demo.parquet"),
    ]
    return [*arguments, "--output", str(folder / "explain.parquet"), "--heat", str(folder / "explain.npy")]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("explained")
    for model in ("neurallnet", "customcnn_vit"):
        explain.main([*make(root, model), "--cells", str(root / "cells/demo")])
    return root


def table_of(root: Path, model: str) -> tuple[pd.DataFrame, np.ndarray]:
    folder = root / "runs" / RUN.format(model)
    return pd.read_parquet(folder / "explain.parquet"), np.load(folder / "explain.npy")


def test_each_row_has_its_heat_and_scores(made: Path) -> None:
    for model, explained in (("neurallnet", ["gradcam"]), ("customcnn_vit", ["gradcam", "attention", "rollout"])):
        table, maps = table_of(made, model)
        methods = [*explained, "uniform", "centre", "edges"]
        assert list(dict.fromkeys(table["method"])) == methods and len(table) == len(maps) == 6 * len(methods)
        assert (table["reference_map"] == ~table["method"].isin(explained)).all()
        assert maps.dtype == np.uint8 and maps.shape[1:] == (SIDE, SIDE)
        uniform = table[table["method"] == "uniform"]
        assert np.allclose(uniform["cells"], 0.25) and np.allclose(uniform["nuclei"], 36 / HALF**2)
        assert np.allclose(table["cells_area"], 0.25) and (maps[uniform.index] == 255).all()
        # What the table says of a map is what the map shows.
        for row in np.flatnonzero(~table["empty"] & ~table["reference_map"])[::5]:
            share = maps[row, :HALF, :HALF].sum() / maps[row].sum(dtype=float)
            assert table["cells"][row] == pytest.approx(share, abs=0.02)
        assert table[["deletion", "insertion", "probability", "blurred"]].min().min() > 0
        assert (table.loc[table["reference_map"], ["rank_head", "rank_all"]] == 1).all(axis=None)
        attention = table[table["method"].isin(["attention", "rollout"])]
        assert np.allclose(attention["rank_head"], 1)  # attention comes before the head
        assert (table.loc[table["method"] == "edges", "rank_edges"] > 0.999).all()


def test_kept_heat_is_that_of_the_network(made: Path) -> None:
    table, maps = table_of(made, "neurallnet")
    folder = made / "runs" / RUN.format("neurallnet")
    facts = json.loads((folder / "model.json").read_text())
    model = inference.load_model(facts, folder / "weights.safetensors")
    rows = table[table["method"] == "gradcam"]
    pictures = np.load(made / "views/demo.plain/000.npy")[rows["image_id"].astype(int)]
    images = inference.to_input(torch.from_numpy(pictures), torch.device("cpu"))
    expected = heat(model, images, torch.from_numpy(rows["predicted"].to_numpy(np.int64, copy=True)))
    assert np.abs(maps[rows.index] / 255 - expected.numpy()).max() < 0.01


def test_the_same_again_gives_the_same_bytes(made: Path, tmp_path: Path) -> None:
    explain.main([*make(tmp_path, "neurallnet"), "--cells", str(tmp_path / "cells/demo")])
    for name in ("explain.parquet", "explain.npy"):
        files = [root / "runs" / RUN.format("neurallnet") / name for root in (made, tmp_path)]
        assert files[0].read_bytes() == files[1].read_bytes()


def test_without_cells_their_scores_are_not_defined(tmp_path: Path) -> None:
    explain.main(make(tmp_path, "neurallnet"))
    table, _ = table_of(tmp_path, "neurallnet")
    assert table[["cells", "cells_area", "nuclei", "nuclei_area"]].isna().all(axis=None)
    assert table["insertion"].notna().all()


def test_a_network_that_names_no_layer_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = make(tmp_path, "neurallnet")
    monkeypatch.setattr(explain, "methods", lambda model: ())
    with pytest.raises(LeukoFlowError, match="neurallnet names no target.*leave explain out"):
        explain.main(arguments)


def test_a_panel_is_put_together_and_drawn(made: Path, tmp_path: Path) -> None:
    of = ["--runs", str(made / "runs"), "--of", *(RUN.format(model) for model in ("neurallnet", "customcnn_vit"))]
    explanations.main(["--settings", '{"resamples": 100}', *of, "--output", str(tmp_path / "explanations.csv")])
    table = pd.read_csv(tmp_path / "explanations.csv")
    assert set(table["model"]) == {"neurallnet", "customcnn_vit"} and set(table["subset"]) == {"all", "right", "wrong"}
    names = ("neurallnet", "customcnn_vit")
    files = {"view": made / "views/demo.plain/view.json", "labels": []}
    for name, file in (("explained", "explain.parquet"), ("heat", "explain.npy")):
        files[name] = [made / "runs" / RUN.format(model) / file for model in names]
    for files["labels"] in ([], sorted((made / "cells/demo").glob("*.npy"))):
        shown = drawn("explain", tmp_path / "explain.png", {"task": {"classes": CLASSES}}, **files)
    drawn("explain_scores", tmp_path / "explain_scores.png", explanations=tmp_path / "explanations.csv")
    # Attention is shown rolled out.
    assert set(zip(shown["model"], shown["method"], strict=True)) == {
        ("neurallnet", "gradcam"), ("customcnn_vit", "gradcam"), ("customcnn_vit", "rollout"),
    }  # fmt: skip
    mistakes = shown[shown["shown_as"] == "mistake"]
    assert len(mistakes) and (mistakes["class"] != mistakes["predicted"]).all()


def test_a_study_that_explains_nothing_has_an_empty_table(tmp_path: Path) -> None:
    output = tmp_path / "explanations.csv"
    explanations.main(["--settings", "{}", "--runs", str(tmp_path), "--of", "--output", str(output)])
    assert pd.read_csv(output).empty
