"""Classifiers of features of networks, exported from the picture on: against the steps that make features in turn."""

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn
from torch.nn.functional import interpolate

from leukoflow.config.features import DeepFeatures
from leukoflow.config.study import Study, exportable
from leukoflow.core.files import read_json, write_json, write_table
from leukoflow.explain.heat import heat, methods
from leukoflow.explain.ranked import attended, attention_says, effects
from leukoflow.export.folder import TOLERANCE
from leukoflow.export.gradient import inputs_of, outputs_of, tail
from leukoflow.export.maps import explained
from leukoflow.export.network import Exported
from leukoflow.export.onnx import write_onnx
from leukoflow.features import scaling
from leukoflow.features.deep import Extractor, load_networks
from leukoflow.features.pictures import FromPictures
from leukoflow.features.selection import Transform
from leukoflow.features.stack import random_stack, reducer
from leukoflow.models import inference, registry
from leukoflow.models.hybridcn_nas import OneToken, TokenClassifier
from leukoflow.runtime.heat import gradient, heat_maps, ranked_features
from leukoflow.runtime.schema import Export, MapKind
from leukoflow.runtime.sessions import session
from leukoflow.steps import deep_features, export, fit_features, gather_features, train, transform_features

NETWORKS = ["test_convnext", "test_efficientnet"]
CLASSES = ["Benign", "Early", "Pre", "Pro"]
SIDE = 96
ROWS = 24
KINDS: list[dict[str, Any]] = [
    {"stack": "as_coded", "grid": 2, "classifier": "tokens"},
    {"stack": "none", "grid": 1, "classifier": "complex", "pca": True},
    {"stack": "as_coded", "grid": 1, "classifier": "simple", "scaled": "robust"},
]


def pictures(count: int = ROWS) -> torch.Tensor:
    """uint8 [n, S, S, 3]: blots of several sizes and colours."""
    random = torch.Generator().manual_seed(1)
    coarse = torch.rand(count, 3, 6, 6, generator=random) * torch.rand(count, 3, 1, 1, generator=random)
    fine = interpolate(coarse, size=(SIDE, SIDE), mode="bicubic", align_corners=False).clamp(0, 1)
    return (255 * fine).byte().permute(0, 2, 3, 1).contiguous()


def whole(stack: str, grid: int, classifier: str, pca: bool = False, scaled: str = "zscore", wanted: int = 32) -> Any:
    """A classifier behind networks with random weights; and the logits that the steps' arrays give."""
    entry = DeepFeatures(
        kind="deep", backbones=[{"name": name} for name in NETWORKS], stack=stack, grid=grid, stack_size="small"
    )
    networks = load_networks(entry, [])
    facts = {"kind": "deep", "grid": grid, "networks": [network.facts() for network in networks]}
    fused = None
    if stack != "none":
        fused = random_stack((networks[0].channels, networks[1].channels), grid, "small", 42)
        for number, attention in enumerate(fused.attention):
            nn.init.constant_(attention.gamma, 0.3 + number)  # at 0 the attention would change nothing
    reduce = reducer(facts, fused, torch.device("cpu"))
    extractor = Extractor(networks, grid).eval()
    with torch.inference_mode():
        rows = extractor(inference.to_input(pictures(), torch.device("cpu"))).numpy()
    x = reduce(rows)
    random = np.random.default_rng(0)
    projection = random.normal(size=(x.shape[1], wanted + 8)).astype(np.float32) / 10 if pca else None
    transform = Transform(reduce, scaling.fit(x[:16], scaled), projection, stack=fused)
    columns = random.permutation(wanted + 8 if pca else x.shape[1])[:wanted]
    torch.manual_seed(0)
    head = registry.build("hybridcn_nas", 4, "small", inputs=wanted, classifier=classifier).eval()
    with torch.inference_mode():
        logits = head(torch.from_numpy(transform(rows)[:, columns]))
    names = [f"feature_{column}" for column in columns]
    return FromPictures(extractor, transform, columns, names, head).eval(), logits


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: f"{kind['stack']}-{kind['classifier']}")
def test_onnx_answers_as_the_features_do_step_by_step(kind: dict[str, Any], tmp_path: Path) -> None:
    """Through PyTorch and ONNX Runtime; with every map, and the attention to ranked features."""
    model, wanted = whole(**kind)
    images = pictures()
    x = inference.to_input(images, torch.device("cpu"))
    with torch.inference_mode():
        assert (model(x) - wanted).abs().max() < 1e-5 < wanted.std(dim=0).max()
    exported = Exported(model)
    write_onnx(tmp_path / "model.onnx", exported, (images[:2],), ["images"], exported.outputs)
    outputs = dict(
        zip(
            exported.outputs,
            session((tmp_path / "model.onnx").read_bytes(), "").run(None, {"images": images.numpy()}),
            strict=True,
        )
    )
    assert np.abs(outputs["logits"] - wanted.numpy()).max() <= TOLERANCE
    with torch.inference_mode():
        assert np.abs(outputs["ranked"] - model.features(x).numpy()).max() <= 1e-3
        assert np.abs(outputs["attended"] - attended(model.classifier, model.features(x)).numpy()).max() <= 1e-4
    one, label = images[3:4], torch.tensor([2])
    maps = [torch.from_numpy(outputs[name][3:4]) for name in exported.maps]
    made = tail(copy.deepcopy(model), one, maps)
    names = inputs_of(made, exported.maps)
    assert names == ["maps_1", "maps_2", "label"] and outputs_of(model) == ["heat_1", "heat_2", "effects"]
    write_onnx(tmp_path / "heat.onnx", made, (*maps, label), names, outputs_of(model))
    single = {name: value[3:4] for name, value in outputs.items()}
    gradients = gradient(session((tmp_path / "heat.onnx").read_bytes(), ""), one[0].numpy(), single, 2)
    says = explained(model)
    kinds = [MapKind(**fields) for fields in says["maps"]]
    assert [kind.name for kind in kinds] == list(methods(model)) and len({kind.title for kind in kinds}) == len(kinds)
    for heat_map in heat_maps(kinds, gradients, single, (0, 0, SIDE, SIDE), SIDE):
        (expected,) = heat(model, x[3:4], label, heat_map.name).numpy()
        assert np.abs(heat_map.values - expected).max() < 1e-3, heat_map.name
    facts = Export.model_construct(ranked=tuple(says["ranked"]))
    listed = ranked_features(facts, gradients, single)
    order = np.argsort(-outputs["attended"][3], kind="stable")[:10]
    assert [feature.name for feature in listed] == [model.names[column] for column in order]
    with torch.no_grad():
        wanted_effects = effects(model.classifier, model.features(x[3:4]), label)[0].numpy()
    assert np.allclose([feature.effect for feature in listed], wanted_effects[order], atol=1e-5)
    assert [feature.rank for feature in listed] == [column + 1 for column in order]


def test_gradcam_goes_back_to_both_trunks() -> None:
    """Against one backward pass through all of it, a picture at a time."""
    model, _ = whole(**KINDS[0])
    x = inference.to_input(pictures(), torch.device("cpu"))[5:6]
    kept: list[torch.Tensor] = []
    handles = [
        layer.register_forward_hook(lambda _, inputs, output: kept.append(output)) for layer in model.extractor.last
    ]
    logit = model(x.clone().requires_grad_())[0, 1]
    for handle in handles:
        handle.remove()
    parts = []
    for maps, slope in zip(kept, torch.autograd.grad(logit, kept), strict=True):
        cam = torch.relu((slope.mean(dim=(2, 3), keepdim=True) * maps).sum(dim=1)).detach()
        parts.append(interpolate(cam[None], size=(SIDE, SIDE), mode="bilinear", align_corners=False)[0, 0])
        parts[-1] = parts[-1] * maps.shape[2] * maps.shape[3]
    label = torch.tensor([1])
    for name, part in {"gradcam_1": parts[0], "gradcam_2": parts[1], "gradcam": parts[0] + parts[1]}.items():
        expected = (part - part.min()) / (part.max() - part.min()).clamp(min=1e-30)
        torch.testing.assert_close(heat(model, x, label, name)[0], expected, rtol=1e-3, atol=1e-4)
    assert methods(model) == ("gradcam", "gradcam_1", "gradcam_2", "stack_1", "stack_2")


def test_the_stacks_maps_are_what_positions_give_on_average() -> None:
    model, _ = whole(**KINDS[0])
    x = inference.to_input(pictures(), torch.device("cpu"))[:2]
    with torch.inference_mode():
        rows = model.extractor(x)
        first = rows[:, : model.extractor.networks[0].channels * 4].unflatten(1, (-1, 2, 2))
        layer = model.stack.attention[0]
        query, key = (projection(first).flatten(2) for projection in (layer.query, layer.key))
        received = torch.stack([(query[n].T @ key[n]).softmax(dim=1).mean(dim=0) for n in range(2)]).unflatten(
            1, (2, 2)
        )
    maps = heat(model, x, torch.zeros(2, dtype=torch.int64), "stack_1")
    for n in range(2):
        corners = maps[n][[0, 0, -1, -1], [0, -1, 0, -1]].reshape(2, 2)
        span = received[n].max() - received[n].min()
        assert torch.allclose(corners, (received[n] - received[n].min()) / span, atol=1e-4)


def test_attention_over_one_token_is_the_linear_map_that_is_shown() -> None:
    torch.manual_seed(0)
    head = registry.build("hybridcn_nas", 4, "small", inputs=12, classifier="simple").eval()
    assert isinstance(head.attention, OneToken) and "one token" in attention_says(head)
    x = torch.randn(3, 12)
    with torch.inference_mode():
        nothing = head.attention(torch.zeros(1, 12))
        # What a feature passes on alone, by running the attention itself on it.
        sizes = torch.stack(
            [(head.attention(torch.diag(x[row])) - nothing).norm(dim=1) for row in range(3)]
        )  # the padding of 4 zeros is cut off again, and with it what lands there
        shares = attended(head, x)
    assert torch.allclose(shares.sum(dim=1), torch.ones(3), atol=1e-6)
    assert (
        (torch.corrcoef(torch.stack([shares.flatten(), (sizes / sizes.sum(1, keepdim=True)).flatten()]))[0, 1]) > 0.98
    )


def test_a_tokens_attention_is_divided_among_its_features() -> None:
    """By PyTorch's own weights of the block, and by what each feature adds to its token's embedding."""
    torch.manual_seed(0)
    head = registry.build("hybridcn_nas", 4, "small", inputs=20, tokens=5).eval()
    assert isinstance(head, TokenClassifier)
    x = torch.randn(2, 20)
    x[:, 9] = 0
    x[1, 12:16] = 0
    block = head.blocks[0]
    with torch.no_grad():
        block.attention.in_proj_weight.mul_(6)  # so that tokens are not attended to alike
        tokens = x.unflatten(1, (5, 4))
        seen = block.attention_norm(head.embed(tokens) + head.positions)
        (_, weights), nothing = block.attention(seen, seen, seen, need_weights=True), head.embed(torch.zeros(4))
        alone = torch.stack([(head.embed(torch.diag(token)) - nothing).norm(dim=1) for token in tokens.flatten(0, 1)])
        attention = attended(head, x).unflatten(1, (5, 4))
    received = weights.mean(dim=1)
    assert received.std(dim=1).min() > 0.01
    assert torch.allclose(attention.sum(dim=2), received, atol=1e-5)
    shares = alone / alone.sum(dim=1, keepdim=True)
    shares[8] = 0.25  # token 3 of the second picture is 0
    assert (
        torch.allclose(attention, received[:, :, None] * shares.unflatten(0, (2, 5)), atol=1e-5)
        and attention[0, 2, 1] == 0
    )


def test_what_no_network_gives_is_said_not_to_be_exported() -> None:
    study = Study.model_validate(
        {
            "study": "tiny",
            "cohorts": {"demo": {"kind": "synthetic", "images": 48, "patients": 12, "size": 64}},
            "tasks": {"subtype": {"classes": CLASSES}},
            "views": {"plain": {"kind": "plain", "size": 64}},
            "features": {
                "hybrid": {"kind": "deep", "backbones": [{"name": name} for name in NETWORKS]},
                "cells": {"kind": "morphology"},
            },
            "models": {
                name: {"architecture": "hybridcn_nas", "size": "small", "features": name}
                for name in ("hybrid", "cells")
            },
            "experiments": {"e": {"cohort": "demo", "task": "subtype", "models": ["hybrid", "cells"]}},
        }
    )
    assert exportable(study, "hybrid") == ""
    assert "morphology of segmented cells" in exportable(study, "cells") and "\n" not in exportable(study, "cells")


def listed(named: dict) -> list[str]:
    return [text for name, value in named.items() for text in (f"--{name}", str(value))]


def test_the_exported_model_answers_as_the_study_predicts(tmp_path: Path) -> None:
    """Through the steps: features, stack trained, scaling, ranking, training; then the export of all of it."""
    features = {"kind": "deep", "backbones": [{"name": name} for name in NETWORKS], "grid": 2, "stack_size": "small"}
    features |= {"stack": "as_described", "stack_epochs": 2, "selection": {"features": 40, "stability": 0}}
    images, entry = pictures(48).numpy(), json.dumps(features)
    ids = [f"{number:02d}.png" for number in range(48)]
    np.save(tmp_path / "000.npy", images)
    write_table(tmp_path / "000.parquet", pd.DataFrame({"image_id": ids, "shard_digest": "0"}))
    write_json(tmp_path / "view.json", {"shards": ["0"]})
    role = np.where(np.arange(48) < 28, "train", np.where(np.arange(48) < 36, "validation", "test"))
    split = pd.DataFrame({"image_id": ids, "y": np.arange(48) % 4, "label": "", "group": ids, "fold": 0, "role": role})
    write_table(tmp_path / "split.parquet", split)
    out, made = tmp_path / "features", tmp_path / "selection"
    paths = {"images": tmp_path / "000.npy", "resume": tmp_path / "resume", "output": out / "000.npy"}
    paths |= {"index": out / "000.parquet", "description": out / "000.json"}
    deep_features.main(["--settings", entry, *listed(paths)])
    gather_features.main(["--descriptions", str(out / "000.json"), "--output", str(out / "matrix.json")])
    parts = {"stack": made / "stack.safetensors", "scaler": made / "scaler.safetensors"}
    parts |= {"description": made / "features.json", "matrix": out / "matrix.json"}
    fit = {"ranking": made / "ranking.csv", "stability": made / "stability.csv", "resume": tmp_path / "r"}
    run = {"split": tmp_path / "split.parquet", "fold": 0, "seed": 1}
    settings, classes = json.dumps({"name": "hybrid", "features": features}), json.dumps(CLASSES)
    fit_features.main(["--settings", settings, "--classes", classes, *listed(parts | fit | run)])
    transform_features.main(listed(parts | {"output": made / "scaled/demo.npy"}))
    files = {"weights": tmp_path / "w.safetensors", "description": tmp_path / "model.json"}
    more = {"history": tmp_path / "h.csv", "predictions": tmp_path / "p.parquet", "resume": tmp_path / "s"}
    more |= {"features": made / "scaled/demo.npy", "name": "some", "cohort": "demo"}
    model = {"architecture": "hybridcn_nas", "size": "small", "features": "hybrid", "options": {"features": 20}}
    settings = json.dumps(model | {"training": {"epochs": 3}})
    train.main(["--settings", settings, "--classes", classes, *listed(files | more | run)])
    novelty = {name: torch.ones(1, 1) for name in ("means", "axes", "inverse", "rest")}
    inference.save_tensors(tmp_path / "novelty.safetensors", novelty)
    arguments = {"run": "demo.subtype.plain.image.some.fold0.seed1", "view": tmp_path / "view.json", "selection": made}
    arguments |= {
        "novelty": tmp_path / "novelty.safetensors",
        "folder": tmp_path / "out",
        "costs": tmp_path / "costs.json",
    }
    arguments |= {"split": tmp_path / "split.parquet"}
    asked = json.dumps({"calibration": 8, "compared": 12})
    export.main(["--settings", asked, "--features", entry, *listed(files | arguments)])
    network = session((tmp_path / "out/model.onnx").read_bytes(), "")
    logits = network.run(["logits"], {"images": images})[0]
    predicted = pd.read_parquet(tmp_path / "p.parquet").set_index("image_id")["logits"]
    rows = [ids.index(name) for name in predicted.index]
    assert len(rows) == 20
    assert np.abs(logits[rows] - np.stack(predicted)).max() <= TOLERANCE
    facts = read_json(tmp_path / "costs.json")
    ranking = pd.read_csv(made / "ranking.csv")["feature"]
    assert facts["ranked"] == list(ranking[:20]) and "add up to 1" in facts["attention"]
    assert {cost["form"] for cost in facts["costs"]} == {"torch", "exact", "onnx", "int8"}
    described = read_json(tmp_path / "model.json")
    count = sum(parameter.numel() for parameter in inference.load_model(described, files["weights"]).parameters())
    assert facts["parameters"] == described["features"]["parameters"] + count
