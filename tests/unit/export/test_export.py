"""A network through the steps export and card, and what answers with the folder: against PyTorch and the pipeline."""

import csv
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import cv2
import httpx
import numpy as np
import pytest
import torch
from fake_export import CLASSES, SIDE, VIEW, Made, make_export
from fake_service import png, served
from layouts import tiff
from onnxruntime import InferenceSession

from leukoflow import cli
from leukoflow.audits.novelty import mahalanobis
from leukoflow.cells.attention_unet import AttentionUNet
from leukoflow.cells.segmenter import load_segmenter, parts_map, predicted_parts, probabilities
from leukoflow.cells.threshold import Rule, Thresholds
from leukoflow.cells.watershed import diameters, separate
from leukoflow.config.segmentation import Gates
from leukoflow.config.views import View
from leukoflow.core import foreground
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.files import read_json, write_json
from leukoflow.core.picture import Picture, Raster
from leukoflow.explain.heat import heat
from leukoflow.export.folder import TOLERANCE, write_segmenter
from leukoflow.images.views import render_view, to_segment
from leukoflow.models.inference import save_tensors, to_input
from leukoflow.models.penultimate import features_and_logits
from leukoflow.quality.measure import measure
from leukoflow.quality.scale_bar import ScaleBar
from leukoflow.runtime.images import read_image
from leukoflow.runtime.model import Model, open_model
from leukoflow.runtime.schema import FILES
from leukoflow.runtime.sessions import session
from leukoflow.serve.app import create_app
from leukoflow.serve.models import find_exports, open_models
from leukoflow.serve.options import Settings

SOURCE = Path(__file__).resolve().parents[3] / "src"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    """Exported once for all tests of this file."""
    yield make_export(tmp_path_factory.mktemp("export"))


@pytest.fixture(scope="module")
def model(made: Made) -> Model:
    return open_model(made.folder)


def torch_answer(made: Made, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Features [1, D] and logits [1, K] of an image by PyTorch."""
    picture = torch.from_numpy(render_view(Picture(Raster(image)), VIEW)[None])
    with torch.inference_mode():
        features, logits = features_and_logits(made.model, to_input(picture, torch.device("cpu")))
    return features.numpy(), logits.numpy()


def test_onnx_gives_what_pytorch_gives(made: Made) -> None:
    network = session((made.folder / "model.onnx").read_bytes(), "model.onnx")
    pictures = made.view.gather(np.arange(16))
    with torch.inference_mode():
        features, logits = features_and_logits(made.model, to_input(torch.from_numpy(pictures), torch.device("cpu")))
    outputs = dict(zip(("logits", "features"), network.run(["logits", "features"], {"images": pictures}), strict=True))
    assert np.abs(logits.numpy()).max() > 0.01 and features.abs().max() > 0  # its neurons fire
    assert np.abs(outputs["logits"] - logits.numpy()).max() <= TOLERANCE
    assert np.abs(outputs["features"] - features.numpy()).max() <= TOLERANCE


def test_firing_rates_are_those_of_the_network(made: Made, model: Model) -> None:
    image = made.images[3]
    answer = model.answer(image, heat=True)
    torch_answer(made, image)
    assert answer.inside == pytest.approx(made.model.firing_rates(), abs=1e-4) and len(answer.inside) > 3
    assert max(answer.inside.values()) > 0.01 and model.answer(image).inside == {}


def test_heat_is_grad_cam(made: Made, model: Model) -> None:
    image = made.images[3]
    answer = model.answer(image, heat=True)
    picture = to_input(torch.from_numpy(render_view(Picture(Raster(image)), VIEW)[None]), torch.device("cpu"))
    label = torch.tensor([CLASSES.index(answer.label)])
    (wanted,) = heat(made.model, picture, label).numpy()
    assert answer.heat is not None and answer.heat.shape == (SIDE, SIDE)
    assert wanted.max() == 1 and np.abs(answer.heat - wanted).max() < 1e-3


def test_the_segmenter_finds_the_same_parts(made: Made) -> None:
    root = made.folder.parent
    segmenter = load_segmenter(read_json(root / "segmenter.json"), root / "segmenter.safetensors")
    raster = Picture(Raster(made.images[0])).rendition(64).raster
    (parts,) = session((made.folder / "segmenter.onnx").read_bytes(), "segmenter.onnx").run(
        None, {"images": raster.balanced[None]}
    )
    wanted = parts_map(probabilities(segmenter, [raster]))
    assert len(np.unique(wanted)) > 1
    assert (parts != wanted).mean() < 1e-3  # what lies within rounding of a half


@pytest.mark.parametrize("gates", ["half", "none"])
def test_a_segmenter_with_other_gates_is_exported_with_them(made: Made, tmp_path: Path, gates: Gates) -> None:
    torch.manual_seed(2)
    network = AttentionUNet(width=0.0625, gates=gates).eval()
    raster = Picture(Raster(made.images[0])).rendition(64).raster
    with torch.no_grad():
        logits = network(to_input(torch.from_numpy(raster.balanced[None]), torch.device("cpu")))
        network.head.bias -= torch.stack([logits[0, 0].quantile(0.6), logits[0, 1].quantile(0.8)])
    save_tensors(tmp_path / "weights.safetensors", network.state_dict())
    write_json(tmp_path / "segmenter.json", {"method": "unet", "width": 0.0625, "gates": gates})
    write_segmenter(tmp_path, tmp_path / "weights.safetensors", tmp_path / "segmenter.json", 64)
    exported = session((tmp_path / "segmenter.onnx").read_bytes(), "segmenter.onnx")
    (predicted,) = exported.run(None, {"images": raster.balanced[None]})
    wanted = parts_map(probabilities(network, [raster]))
    assert len(np.unique(wanted)) > 1
    assert (predicted != wanted).mean() < 1e-3


def test_answers_follow_from_the_logits(made: Made, model: Model) -> None:
    facts = model.facts
    assert facts.temperature != 1 and facts.conformal.threshold is not None
    for image in made.images[:6]:
        answer = model.answer(image)
        features, logits = torch_answer(made, image)
        shares = np.exp(logits[0] / facts.temperature)
        assert np.allclose(answer.probabilities, shares / shares.sum(), atol=1e-5)
        assert answer.label == CLASSES[int(logits.argmax())]
        kept = {
            name for name, p in zip(CLASSES, answer.probabilities, strict=True) if 1 - p <= facts.conformal.threshold
        }
        assert set(answer.conformal) == kept
        assert answer.novelty == pytest.approx(mahalanobis(made.reference, features)[0], rel=1e-3)
        kinds = [reason.kind for reason in answer.reasons]
        assert ("novelty" in kinds) == (answer.novelty > answer.novelty_limit)
        beyond = [name for name, (value, low, high) in answer.quality.items() if not low <= value <= high]
        assert kinds.count("quality") == bool(beyond)
        assert all(model.facts.quality[name].words in answer.reasons[0].text for name in beyond)


@pytest.mark.parametrize("barred", [False, True])
@pytest.mark.parametrize("kind", ["plain", "normalised"])
def test_nothing_is_found_twice_in_the_same_pixels(
    made: Made, monkeypatch: pytest.MonkeyPatch, kind: str, barred: bool
) -> None:
    """Measuring, rendering and segmenting an image look for its foreground, its stain and its background's colour."""
    model, image = open_model(made.folder), made.images[3].copy()
    size = model.facts.segmenter.size
    view = model.facts.view.model_copy(update={"kind": kind, "size": size})
    model.facts = model.facts.model_copy(update={"view": view})
    monkeypatch.setattr(model, "_network", Shrunk(model._network))
    monkeypatch.setattr(model, "_segmenter", None)  # by thresholds, which need the foreground
    if barred:
        bar = ScaleBar((44, 54, 62, 61), "red")
        monkeypatch.setattr("leukoflow.quality.measure.find_scale_bar", lambda image: bar)
    looked_at: dict[str, list[bytes]] = {name: [] for name in ("foreground_mask", "background_colour", "stained_mask")}
    for name, seen in looked_at.items():
        noting = counted(getattr(foreground, name), seen)
        for module in [module for key, module in sys.modules.items() if key.startswith("leukoflow.")]:
            if hasattr(module, name):
                monkeypatch.setattr(module, name, noting)
    assert image.shape == (size, size, 3) and model.answer(image, cells=True).label
    assert all(len(seen) == len(set(seen)) for seen in looked_at.values())
    # With a scale bar: the image itself, the image without its bar, and what the bar is painted out with.
    assert len(looked_at["foreground_mask"]) == (3 if barred else 1)


@pytest.mark.parametrize("method", ["unet", "threshold"])
def test_a_segmented_chain_answers_with_the_pictures_that_steps_render(
    made: Made, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    """Stain, contrast, cells looked for in that, then they alone: as steps `segment` and `render` make it."""
    model = open_model(made.folder)
    size = model.facts.segmenter.size
    view = View(kind="chain", size=size, steps=["reinhard", "clahe", "cells"])
    looked_in = model.facts.segmenter.model_copy(update={"steps": view.chain[:2]})
    model.facts = model.facts.model_copy(update={"view": view, "segmenter": looked_in})
    network = Shrunk(model._network)
    monkeypatch.setattr(model, "_network", network)
    if method == "threshold":
        monkeypatch.setattr(model, "_segmenter", None)
        rules = model.facts.segmenter
        segmenter = Thresholds(Rule(**rules.cell_rule.model_dump()), Rule(**rules.nucleus_rule.model_dump()))
    else:
        root = made.folder.parent
        segmenter = load_segmenter(read_json(root / "segmenter.json"), root / "segmenter.safetensors")
    for image in made.images[:4]:
        assert model.answer(image).label
        picture = measure(image, with_scale=True).picture
        shown = picture.rendition(size)
        (parts,) = predicted_parts(segmenter, [to_segment(shown.raster, looked_in.steps)])
        labels = separate(parts, *diameters(shown, model.facts.segmenter.cell_um))
        wanted = render_view(picture, view, labels)
        assert (wanted == 255).all(axis=2).any() and len(np.unique(labels)) > 1
        differ = (network.seen[-1] != wanted).any(axis=2).mean()
        # PyTorch and ONNX Runtime round: a pixel near a half may change sides, and with it the edge of a cell.
        assert differ <= (0 if method == "threshold" else 1e-2)


class Shrunk:
    """The network, of larger pictures than it was made for; it keeps what it was asked about."""

    def __init__(self, network: InferenceSession) -> None:
        self.network = network
        self.seen: list[np.ndarray] = []

    def run(self, names: list[str] | None, feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
        self.seen += list(feeds["images"])
        pictures = [cv2.resize(picture, (SIDE, SIDE)) for picture in feeds["images"]]
        return self.network.run(names, {"images": np.stack(pictures)})


def counted(find: Callable[..., np.ndarray], seen: list[bytes]) -> Callable[..., np.ndarray]:
    """The function, which also notes what it was given."""

    def noting(*arrays: np.ndarray) -> np.ndarray:
        seen.append(b"".join(array.tobytes() for array in arrays))
        return find(*arrays)

    return noting


def test_what_is_no_smear_is_refused(model: Model) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    flat = np.full((64, 64, 3), 128, np.uint8)
    assert model.answer(noise).abstains and model.answer(flat).abstains
    assert any("picture" in reason.text for reason in model.answer(flat).reasons)


def test_twelve_bits_taken_for_sixteen_are_refused_as_too_dark(made: Made, model: Model) -> None:
    """Scaled by their own range, they get the answer of the picture that they are."""
    deep = np.rint(made.images[0] * (4095 / 255)).astype(np.uint16)
    usual = model.answer(made.images[0])
    dark = model.answer(read_image(tiff(deep, 16, 2), 10**6))
    assert dark.abstains and dark.reasons[0].kind == "quality"
    assert "mean brightness" in dark.reasons[0].text
    stated = model.answer(read_image(tiff(deep, 16, 2, tags={281: (4095,) * 3}), 10**6))
    assert (
        stated.probabilities
        == usual.probabilities
        == model.answer(read_image(tiff(deep, 16, 2), 10**6, 12)).probabilities
    )


def test_neighbours_are_the_nearest_training_images(made: Made, model: Model) -> None:
    train = made.split.index[made.split["role"] == "train"]
    counts = np.bincount(made.split.loc[train, "y"])
    counts = counts[counts > 0]
    assert model.facts.examples == np.minimum(counts, 8 // len(counts)).sum() > 0
    neighbours = [model.answer(made.images[row], neighbours=3).neighbours for row in train]
    itself = [nearest for nearest in neighbours if nearest[0].distance < 1e-3]
    assert len(itself) >= model.facts.examples  # those that are in the bank
    assert all(a.distance <= b.distance for nearest in neighbours for a, b in pairwise(nearest))
    assert all(read_image(nearest[0].thumbnail, 10**6).shape == (SIDE, SIDE, 3) for nearest in itself)
    assert model.answer(made.images[0]).neighbours == ()


def test_facts_say_what_is_known(made: Made, model: Model) -> None:
    facts = model.facts
    assert set(facts.files) == set(FILES) and facts.run == made.run.name
    forms = {cost.form: cost for cost in facts.costs}
    assert set(forms) == {"torch", "exact", "onnx", "int8"}
    assert 0 < forms["exact"].largest_difference <= TOLERANCE
    assert forms["onnx"].largest_difference <= TOLERANCE and forms["int8"].largest_difference > 0
    assert forms["int8"].bytes < forms["onnx"].bytes and forms["int8"].images == 12
    (accuracy,) = facts.results
    assert (accuracy.low, accuracy.high) == (0.25, 0.75)  # over groups, not over images
    assert facts.findings[0] == "Shortcut audit: All by colours."
    assert any("2 of 12 test images have a near-duplicate" in finding for finding in facts.findings)
    assert any("colour histogram" in finding and "75.0 %" in finding for finding in facts.findings)


def test_the_card_is_plain(made: Made) -> None:
    text = (made.folder / "card.md").read_text()
    for words in (
        "no medical device",
        "Benign, Early, Pre, Pro",
        "0.250 to 0.750",
        "All by colours.",
        "8-bit integers",
    ):
        assert words in text
    assert "drawn by LeukoFlow" in (made.folder / "LICENCES.md").read_text()


@pytest.fixture()
def pictures(made: Made, tmp_path: Path) -> Path:
    """A folder of images, a text and a damaged image."""
    folder = tmp_path / "in"
    (folder / "deep").mkdir(parents=True)
    for number, image in enumerate(made.images[:6]):
        cv2.imwrite(str(folder / "deep" / f"{number}.png"), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    (folder / "notes.txt").write_text("no image")
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no more")
    return folder


def predicted(made: Made, pictures: Path, output: Path, *more: str) -> int:
    return cli.main(["predict", str(pictures), "--model", str(made.folder), "--output", str(output), *more])


def test_predict_writes_a_row_for_every_image_and_names_the_rest(made: Made, pictures: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.csv"
    assert predicted(made, pictures, output, "--processes", "1", "--explain", str(tmp_path / "shown")) == 3
    rows = list(csv.DictReader(output.open()))
    assert [Path(row["path"]).name for row in rows] == [f"{number}.png" for number in range(6)]
    model = open_model(made.folder)
    for row, image in zip(rows, made.images, strict=False):
        answer = model.answer(image, cells=True)
        assert row["class"] == answer.label and int(row["cells"]) == len(answer.cells)
        assert [float(row[f"p_{name}"]) for name in CLASSES] == pytest.approx(answer.probabilities, abs=1e-5)
        assert row["abstain"] == ("yes" if answer.reasons else "no")
    (reject,) = csv.DictReader((tmp_path / "out.csv.rejects.csv").open())
    assert Path(reject["path"]).name == "broken.jpg" and reject["reason"]
    shown = sorted((tmp_path / "shown").iterdir())
    assert len(shown) == 6 and read_image(shown[0].read_bytes(), 10**8).shape[1] > 2 * 600


def test_predict_goes_on_where_it_stopped(made: Made, pictures: Path, tmp_path: Path) -> None:
    whole, part = tmp_path / "whole.jsonl", tmp_path / "part.jsonl"
    (pictures / "broken.jpg").unlink()
    assert predicted(made, pictures, whole, "--processes", "1") == 0
    lines = whole.read_text().splitlines(keepends=True)
    part.write_text("".join(lines[:2]) + lines[2][:40])  # the last line was not finished
    assert predicted(made, pictures, part, "--processes", "2") == 0
    assert part.read_text() == whole.read_text()
    assert json.loads(lines[0])["probabilities"].keys() == set(CLASSES)
    part.write_text(lines[0].replace('"model": "', '"model": "other/'))
    assert predicted(made, pictures, part, "--processes", "1") == 1


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_predict_goes_on_whatever_the_names_are(made: Made, pictures: Path, tmp_path: Path, suffix: str) -> None:
    """A file name may hold what other programs take for the end of a line, a quote, a comma."""
    good = [
        f"a{separator}b.png"
        for separator in ("\u2028", "\u2029", "\x85", "\v", "\f", "\x1c", '","', "'", ";", "{x} $y")
    ]
    bad = {b"line\nfeed.png": "line break", b"carriage\rreturn.png": "line break", b"no utf-8 \xff.png": "UTF-8"}
    folder, output = tmp_path / "names", tmp_path / f"out.{suffix}"
    folder.mkdir()
    picture, written = pictures / "deep/0.png", b""
    for name in (*(text.encode() for text in good), *bad):
        shutil.copy(picture, os.fsencode(folder) + b"/" + name)
    written = []
    for _ in range(2):
        assert predicted(made, folder, output, "--processes", "1", "--without-cells") == 3
        written.append(output.read_bytes())
        with open(output, encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream)) if suffix == "csv" else [json.loads(line) for line in stream]
        assert sorted(Path(row["path"]).name for row in rows) == sorted(good)
        with open(f"{output}.rejects.csv", encoding="utf-8", newline="") as stream:
            reasons = [row["reason"] for row in csv.DictReader(stream)]
        assert len(reasons) == 3 and all(any(word in reason for reason in reasons) for word in bad.values())
    assert written[0] == written[1]


def test_it_answers_without_the_training_stack(made: Made, pictures: Path, tmp_path: Path) -> None:
    """In a process if nothing of the extra `pipeline` can be imported."""
    code = (
        "import sys\n"
        "for name in 'torch pandas scipy skimage sklearn matplotlib pyarrow yaml onnx snakemake timm'.split():\n"
        "    sys.modules[name] = None\n"
        "from leukoflow import cli\n"
        "sys.exit(cli.main(sys.argv[1:]))\n"
    )
    arguments = ["predict", str(pictures / "deep"), "--model", str(made.folder), "--output", str(tmp_path / "out.csv")]
    arguments += ["--processes", "1", "--explain", str(tmp_path / "shown")]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], env={"PYTHONPATH": str(SOURCE)}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert len((tmp_path / "out.csv").read_text().splitlines()) == 7


@pytest.mark.parametrize("damage", ["folder", "facts", "version", "network", "missing"])
def test_damaged_folders_are_refused_in_one_line(made: Made, tmp_path: Path, damage: str) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(made.folder, folder)
    facts = read_json(folder / "export.json")
    if damage == "folder":
        (folder / "export.json").unlink()
    elif damage == "facts":
        (folder / "export.json").write_text(json.dumps(facts | {"temperature": -1}))
    elif damage == "version":
        (folder / "export.json").write_text(json.dumps(facts | {"version": 99}))
    elif damage == "network":
        data = bytearray((folder / "model.onnx").read_bytes())
        data[len(data) // 2] ^= 1
        (folder / "model.onnx").write_bytes(data)
    else:
        (folder / "novelty.safetensors").unlink()
    with pytest.raises(LeukoFlowError) as error:
        open_model(folder)
    assert str(folder) in str(error.value) and "\n" not in str(error.value)


def test_doctor_says_whether_a_model_answers(made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["doctor", "--model", str(made.folder)]) == 0
    assert "opens and answers" in capsys.readouterr().out
    assert cli.main(["doctor", "--model", str(tmp_path)]) == 1
    assert "BAD" in capsys.readouterr().out


def test_what_is_served_says_what_the_artefact_says_also_to_many_at_once(made: Made) -> None:
    alone, images = open_model(made.folder), made.images[:12] * 3
    models = open_models(find_exports([made.folder.parent]), int8=False)
    wanted = {"cells": True, "heat": True, "neighbours": 3}
    service = served(create_app(Settings(workers=4, queue=64), models))
    with service as address, ThreadPoolExecutor(16) as clients, httpx.Client(timeout=120) as client:
        url = f"{address}/api/models/neurallnet"
        replies = list(
            clients.map(lambda image: client.post(f"{url}/answer", content=png(image), params=wanted), images)
        )
        card, (facts,) = client.get(f"{url}/card").text, client.get(f"{address}/api/models").json()["models"]
    assert facts["findings"][0][:40] in card and "<table>" in card and "<h1" not in card
    for image, reply in zip(images, replies, strict=True):
        said, known = reply.json(), alone.answer(image, cells=True, heat=True, neighbours=3)
        np.testing.assert_allclose([share["probability"] for share in said["classes"]], known.probabilities, atol=1e-6)
        assert said["conformal"]["classes"] == list(known.conformal)
        assert [reason["text"] for reason in said["reasons"]] == [reason.text for reason in known.reasons]
        assert said["novelty"]["value"] == pytest.approx(known.novelty, rel=1e-5)
        assert len(said["cells"]) == len(known.cells)
        assert [neighbour["label"] for neighbour in said["neighbours"]] == [
            neighbour.label for neighbour in known.neighbours
        ]


def fresh(made: Made, pictures: Path, output: Path, *more: str) -> bytes:
    """What a first call writes."""
    other = output.with_name(f"fresh{output.suffix}")
    other.unlink(missing_ok=True)
    predicted(made, pictures, other, "--processes", "1", *more)
    return other.read_bytes()


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_an_answer_belongs_to_content_model_and_options(
    made: Made, pictures: Path, tmp_path: Path, suffix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever was there before, the output is what a first call with these options writes of these files."""
    pictures = pictures / "deep"
    output, shown = tmp_path / f"out.{suffix}", ("--explain", str(tmp_path / "shown"))
    without = ("--without-cells",)

    def said(*more: str) -> str:
        capsys.readouterr()
        assert predicted(made, pictures, output, "--processes", "1", *more) == 0
        words = capsys.readouterr().out
        assert output.read_bytes() == fresh(made, pictures, output, *more)
        return words.removeprefix(f"{output}: ").strip()

    renewed = "6 images answered (6 of them again: file, model or options are others)"
    assert said(*without) == "6 images answered"
    assert said(*without) == "0 images answered; 6 answers kept"
    assert said() == renewed  # cells after none
    assert said(*shown) == renewed and len(list((tmp_path / "shown").iterdir())) == 6
    assert said(*shown) == "0 images answered; 6 answers kept"
    next((tmp_path / "shown").iterdir()).unlink()
    assert (
        said(*shown).startswith("1 images answered (1 of them again") and len(list((tmp_path / "shown").iterdir())) == 6
    )
    assert said(*without, "--int8") == renewed
    # A replaced file of equal size and time, touched ones, a new one, one that is gone.
    first, second = pictures / "0.png", pictures / "1.png"
    status = first.stat()
    shutil.copy(second, first)
    os.utime(first, ns=(status.st_atime_ns, status.st_mtime_ns))
    second.touch()
    shutil.copy(second, pictures / "00.png")
    (pictures / "5.png").unlink()
    assert said(*without, "--int8") == (
        "2 images answered (1 of them again: file, model or options are others); 4 answers kept; "
        "1 answers removed, as their files are gone"
    )
    # A file that was answered and cannot be read any more.
    first.write_bytes(b"\x89PNG no more")
    assert predicted(made, pictures, output, *without, "--int8") == 3
    assert output.read_bytes() == fresh(made, pictures, output, *without, "--int8")


def test_another_model_of_the_same_name_answers_again(made: Made, pictures: Path, tmp_path: Path) -> None:
    output, folder = tmp_path / "out.csv", tmp_path / "other"
    shutil.copytree(made.folder, folder)
    predicted(made, pictures / "deep", output, "--processes", "1", "--without-cells")
    before = list(csv.DictReader(output.open()))
    facts = read_json(folder / "export.json")
    (folder / "export.json").write_text(json.dumps(facts | {"temperature": facts["temperature"] / 100}))
    other = replace(made, folder=folder)
    predicted(other, pictures / "deep", output, "--processes", "1", "--without-cells")
    after = list(csv.DictReader(output.open()))
    assert output.read_bytes() == fresh(other, pictures / "deep", output, "--without-cells")
    assert len({row["model"] for row in (*before, *after)}) == 2
    sharper = [sum(float(row["probability"]) for row in rows) for rows in (before, after)]
    assert sharper[1] > sharper[0] + 0.1
    (folder / "export.json").write_text(json.dumps(facts | {"costs": []}))  # the same model, timed again
    predicted(other, pictures / "deep", output, "--processes", "1", "--without-cells")
    assert list(csv.DictReader(output.open())) == before


def test_answers_to_other_files_stay_or_the_call_is_refused(
    made: Made, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A table never holds answers of two models or with two kinds of options, and none is lost."""
    output = tmp_path / "out.csv"
    one, two = pictures / "deep/0.png", pictures / "deep/1.png"
    for path in (one, two):
        assert predicted(made, path, output, "--processes", "1", "--without-cells") == 0
    assert "1 images answered; 1 answers to other files left as they are" in capsys.readouterr().out
    written = output.read_bytes()
    assert [Path(row["path"]) for row in csv.DictReader(output.open())] == [two, one]
    assert predicted(made, two, output) == 1
    assert "0.png; name them as well, or give another --output" in capsys.readouterr().err
    assert output.read_bytes() == written


def test_a_model_of_whole_pictures_neither_counts_nor_takes_a_scale(
    made: Made, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert predicted(made, pictures, tmp_path / "a.csv", "--um-per-pixel", "0.1") == 1
    assert "--um-per-pixel is for models of single cells, and neurallnet looks at" in capsys.readouterr().err
    assert predicted(made, pictures, tmp_path / "a.csv", "--differential", str(tmp_path / "d.csv")) == 1
    assert "neurallnet: classifies whole pictures, so it counts no cells" in capsys.readouterr().err
    assert not (tmp_path / "a.csv").exists() and not (tmp_path / "d.csv").exists()
