"""Modules of attention on changed images."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from leukoflow.audits.modules import COLUMNS, IMAGE_COLUMNS, MEASURES
from leukoflow.config.robustness import Robustness
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.files import write_json, write_table
from leukoflow.images.perturbations import FAMILIES
from leukoflow.models import inference, registry
from leukoflow.steps import modules

RUN = "demo.subtype.plain.image.net.fold0.seed42"


def prepared(root: Path, architecture: str) -> list[str]:
    images = np.random.default_rng(0).integers(0, 256, (12, 64, 64, 3), dtype=np.uint8)
    names = [f"{number:02d}.png" for number in range(12)]
    np.save(root / "000.npy", images)
    write_table(root / "000.parquet", pd.DataFrame({"image_id": names}))
    write_json(root / "view.json", {"shards": ["0"]})
    split = {"image_id": names, "y": 0, "group": names, "fold": 0, "role": ["train"] * 4 + ["test"] * 8}
    write_table(root / "split.parquet", pd.DataFrame(split))
    torch.manual_seed(0)
    model = registry.build(architecture, 4, "small")
    inference.save_tensors(root / "weights.safetensors", model.state_dict())
    facts = {"architecture": architecture, "size": "small", "options": {}, "classes": list("abcd")}
    write_json(root / "model.json", facts)
    settings = Robustness(**dict.fromkeys(FAMILIES, ())).model_copy(
        update={"module_images": 6, "brightness": (0.1, 0.5)}
    )
    named = {"settings": settings.model_dump_json(), "run": RUN, "weights": root / "weights.safetensors"}
    named |= {"description": root / "model.json", "view": root / "view.json", "split": root / "split.parquet"}
    return [text for name, value in (named | outputs(root)).items() for text in (f"--{name}", str(value))]


def outputs(root: Path) -> dict[str, Path]:
    return {"output": root / "modules.csv", "images-output": root / "module_images.parquet"}


def test_modules_differ_more_the_stronger_the_change(tmp_path: Path) -> None:
    modules.main(prepared(tmp_path, "resnet50_hmscam"))
    table = pd.read_csv(tmp_path / "modules.csv")
    assert list(table.columns) == COLUMNS and set(table["images"]) == {6} and set(table["model"]) == {"net"}
    blocks = {"MultiScaleChannelAttention", "ContextualSpatialAttention", "DynamicRecalibration"}
    assert set(table["module"]) == {*blocks, "SpatialGate", "F3"}
    for name, part in table.groupby("module"):
        if name == "SpatialGate":  # of four positions here, too few for information
            continue
        value = part.set_index(["measure", "perturbation", "level"])["value"].sort_index()
        assert value["shared", "none"].item() == 1 and value["difference", "none"].item() == 0
        for measure, sign in (("shared", -1), ("difference", 1)):
            mild, strong = value[measure, "brightness", 0.1], value[measure, "brightness", 0.5]
            assert sign * (strong - mild) > 0, measure


def test_values_of_single_images_are_kept(tmp_path: Path) -> None:
    modules.main(prepared(tmp_path, "resnet50_hmscam"))
    table, images = pd.read_csv(tmp_path / "modules.csv"), pd.read_parquet(tmp_path / "module_images.parquet")
    assert list(images.columns) == IMAGE_COLUMNS and images["image_id"].nunique() == 6
    tests = {f"{number:02d}.png" for number in range(4, 12)}
    assert set(images["image_id"]) < tests
    keys = ["module", "perturbation", "level"]
    long = images.melt([*keys, "image_id"], list(MEASURES), "measure")
    medians = long.groupby([*keys, "measure"], dropna=False)["value"].median()
    printed = table.set_index([*keys, "measure"])["value"]
    pd.testing.assert_series_equal(medians.sort_index(), printed.sort_index(), check_names=False)
    last = images[images["module"] == "F3"]
    assert (last["plain"] >= last["information"]).all()


def test_the_gate_and_f3_are_what_the_network_computes(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = registry.build("resnet50_hmscam", 4, "small").eval()
    images = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
    measured = modules.modules_of(model, model.attention, images, torch.device("cpu"))
    x = inference.to_input(torch.from_numpy(images), torch.device("cpu"))
    with torch.inference_mode():
        maps = model.maps(x)
        f3 = maps + model.attention(maps)
        context = model.attention[1]
        features = model.attention[0](maps)
        value = context.value(features).flatten(2) @ context.weights(features).transpose(1, 2)
        before = features + context.out(value.unflatten(2, features.shape[2:]))
        torch.testing.assert_close(torch.from_numpy(measured["F3"][0]), f3)
        gate = torch.from_numpy(measured["SpatialGate"][1])
        torch.testing.assert_close(before * gate, context(features))
        torch.testing.assert_close(model.head(f3.mean(dim=(2, 3))), model(x))
    assert gate.shape == (3, 1, 2, 2)


def test_attention_is_what_the_modules_multiply_by() -> None:
    model = registry.build("resnet50_hmscam", 4, "small").eval()
    maps = torch.rand(2, 256, 3, 3)
    first, context, last = model.attention
    for gate in (first, last):
        assert torch.allclose(gate(maps), maps * gate.weights(maps)[:, :, None, None]) and gate.weights(maps).max() < 1
    assert torch.allclose(context.weights(maps).sum(-1), torch.ones(2, 9), atol=1e-5)


def test_a_network_without_modules_is_told(tmp_path: Path) -> None:
    with pytest.raises(LeukoFlowError, match="no modules of attention"):
        modules.main(prepared(tmp_path, "colour_histogram"))
