"""Step attention_maps and its figure on networks of random weights."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch
from drawing import drawn

from leukoflow.core.files import write_json, write_table
from leukoflow.figures.attention_maps import attention_maps_chart
from leukoflow.models import inference, registry
from leukoflow.steps import attention_maps

CLASSES = ["Benign", "Early"]
RUN = "demo.subtype.plain.image.{}.fold0.seed42"
MODELS = {
    "plain": ("vgg19_mhsa", {"attention": False}),
    "with": ("vgg19_mhsa", {}),
    "again": ("vgg19_mhsa", {"heads": 4}),
    "hybrid": ("customcnn_vit", {}),
}


def make(root: Path, *models: str) -> list[str]:
    """Runs with a view of noise; arguments of the step."""
    random = np.random.default_rng(0)
    ids = [f"{number:02d}" for number in range(10)]
    index = pd.DataFrame({"image_id": ids})
    write_table(root / "views/demo.plain/000.parquet", index)
    np.save(root / "views/demo.plain/000.npy", random.integers(0, 256, (10, 64, 64, 3), np.uint8))
    write_json(root / "views/demo.plain/view.json", {"shards": ["000"]})
    for model in models:
        architecture, options = MODELS[model]
        folder = root / "runs" / RUN.format(model)
        torch.manual_seed(0)
        network = registry.build(architecture, 2, "small", **options)
        inference.save_tensors(folder / "weights.safetensors", network.state_dict())
        facts = {"architecture": architecture, "classes": CLASSES, "size": "small", "options": options}
        write_json(folder / "model.json", facts)
        test = index.assign(cohort="demo", group=None, role="test", y=np.arange(10) % 2, perturbation="none")
        chances = list(random.dirichlet([1, 1], 10))
        write_table(folder / "predictions/demo.parquet", test.assign(probabilities=chances))
    of = [RUN.format(model) for model in models]
    view = str(root / "views/demo.plain/view.json")
    return ["--runs", str(root / "runs"), "--of", *of, "--view", view, "--output", str(root / "maps.parquet")]


def test_the_first_network_that_attends_and_its_twin_are_looked_at(tmp_path: Path) -> None:
    attention_maps.main(make(tmp_path, "plain", "with", "again", "hybrid"))
    table = pd.read_parquet(tmp_path / "maps.parquet")
    assert list(table.columns) == attention_maps.COLUMNS
    stages = list(dict.fromkeys(zip(table["model"], table["stage"], strict=True)))
    assert stages == [
        ("plain", "without"), ("with", "before"), ("with", "after"), ("hybrid", "before"), ("hybrid", "after")
    ]  # fmt: skip
    assert sorted(table.drop_duplicates("image_id")["y"]) == [0, 1]
    rows = table[table["model"] == "with"].set_index(["image_id", "stage", "place"]).sort_index()
    for image in table["image_id"].unique():
        before, after = (rows.loc[(image, stage)]["channel"].to_list() for stage in ("before", "after"))
        assert before == after and len(set(before)) == 3
        spread = [np.std(values) for values in rows.loc[(image, "before")]["values"]]
        assert spread == sorted(spread, reverse=True)
    # The values are those of the network on the image.
    after = table[(table["model"] == "with") & (table["stage"] == "after")]
    row = after.iloc[-1]
    network = registry.build("vgg19_mhsa", 2, "small")
    network.load_state_dict(inference.load_weights(tmp_path / "runs" / RUN.format("with") / "weights.safetensors", ""))
    picture = torch.from_numpy(np.load(tmp_path / "views/demo.plain/000.npy")[[int(row["image_id"])]])
    with torch.inference_mode():
        maps = network.eval().attention(network.maps(inference.to_input(picture, torch.device("cpu"))))
    assert np.allclose(maps[0, row["channel"]].flatten(), row["values"], atol=1e-4)
    view = tmp_path / "views/demo.plain/view.json"
    shown = drawn(
        "attention_maps", tmp_path / "a.png", {"task": {"classes": CLASSES}}, maps=tmp_path / "maps.parquet", view=view
    )
    assert set(shown["model"]) == {"plain", "with", "hybrid"} and set(shown["class"]) == set(CLASSES)
    assert (shown["least"] <= shown["greatest"]).all()


def test_where_nothing_attends_the_figure_says_so(tmp_path: Path) -> None:
    attention_maps.main(make(tmp_path, "plain"))
    figure, table = attention_maps_chart(pd.read_parquet(tmp_path / "maps.parquet"), {}, CLASSES)
    assert table.empty and "No network attends" in figure.texts[0].get_text()


def test_maps_are_drawn_as_they_are() -> None:
    values = np.arange(6, dtype=np.float32)
    facts = {"architecture": "net", "image_id": "a", "y": 1, "predicted": 0, "channels": 9, "likeness": 0.5}
    facts |= {"channel": 4, "rows": 2, "columns": 3}
    rows = [
        {**facts, "model": model, "stage": stage, "place": 0, "values": values * scale}
        for model, stage, scale in (("net", "before", 1), ("net", "after", -1), ("twin", "without", 2))
    ]
    figure, table = attention_maps_chart(pd.DataFrame(rows), {"a": np.zeros((8, 8, 3), np.uint8)}, CLASSES)
    drawn_maps = [axes.images[0].get_array() for axes in figure.axes if axes.images][1:]
    assert [pixels.tolist() for pixels in drawn_maps] == [
        (values * scale).reshape(2, 3).tolist() for scale in (1, -1, 2)
    ]  # fmt: skip
    assert table[["least", "greatest"]].values.tolist() == [[0, 5], [-5, 0], [0, 10]]
    assert table["predicted"].unique() == ["Benign"]
