"""What the API answers, held against what the model said; and what it refuses."""

import base64
import io
import math
from typing import Any

import cv2
import numpy as np
import pytest
from fake_service import CARD, CLASSES, FINDINGS, FakeModel, app, client, png, shares_of, smear
from layouts import dirty, tiff
from PIL import Image

ASK = "/api/models/colours/answer"


def pixels(address: str) -> Image.Image:
    """The picture in a data address."""
    head, _, text = address.partition(";base64,")
    image = Image.open(io.BytesIO(base64.b64decode(text)))
    assert head == f"data:image/{str(image.format).lower()}"
    return image


def asked(**options: Any) -> Any:
    reply = client().post(ASK, content=png(smear(7)), params=options)
    assert reply.status_code == 200, reply.text
    return reply.json()


def test_probabilities_and_label_are_the_models() -> None:
    expected = shares_of(smear(7).reshape(-1, 3).mean(0))
    said = asked()
    assert [share["name"] for share in said["classes"]] == list(CLASSES)
    np.testing.assert_allclose([share["probability"] for share in said["classes"]], expected, atol=1e-6)
    assert said["label"] == CLASSES[int(np.argmax(expected))]
    assert said["headline"] == f"{said['label']}, {100 * max(expected):.1f}\N{NO-BREAK SPACE}%"
    assert (said["width"], said["height"]) == (128, 96)
    assert not said["abstains"] and said["reasons"] == []
    assert "no medical device" in said["notice"]


def test_each_model_answers_for_itself() -> None:
    said = client().post("/api/models/sharp/answer", content=png(smear(7))).json()
    expected = shares_of(smear(7).reshape(-1, 3).mean(0), 3.0)
    np.testing.assert_allclose([share["probability"] for share in said["classes"]], expected, atol=1e-6)
    assert said["model"] == "sharp"


def test_nothing_is_made_that_was_not_asked_for() -> None:
    said = asked()
    assert said["cells"] is None and said["heat"] is None and said["picture"] is None and said["neighbours"] == []


def test_cells_are_outlined_in_pixels_of_the_image() -> None:
    first, second = asked(cells=True)["cells"]
    assert first["number"] == 1 and second["number"] == 2
    np.testing.assert_allclose(np.mean(first["outline"], axis=0), [0.3 * 128, 48], atol=0.1)
    assert first["facts"]["area_um2"] == 113.1
    assert second["facts"]["nucleus_share"] is None  # not a number


def test_heat_is_a_picture_as_bright_and_opaque_as_it_is_hot() -> None:
    image = pixels(asked(heat=True)["heat"])
    assert image.mode == "RGBA" and image.size == (14, 14)
    alpha = np.asarray(image)[:, :, 3].astype(float)
    y, x = np.mgrid[:14, :14] / 13
    np.testing.assert_allclose(alpha, 255 * np.exp(-8 * ((x - 0.3) ** 2 + (y - 0.5) ** 2)), atol=0.51)
    brightness = np.asarray(image.convert("L"), float)
    assert brightness[6, 4] > brightness[0, 0] + 100


def test_the_picture_comes_back_upright_and_without_metadata() -> None:
    exif = Image.Exif()
    exif[274], exif[0x010F], exif[0x8825] = 6, "Maker of the microscope", {1: "N"}
    stream = io.BytesIO()
    Image.fromarray(smear(7)).save(stream, "JPEG", quality=95, exif=exif)
    assert b"Maker of the microscope" in stream.getvalue()
    reply = client().post(ASK, content=stream.getvalue(), params={"picture": True})
    image = pixels(reply.json()["picture"])
    assert (reply.json()["width"], reply.json()["height"]) == image.size == (96, 128)
    assert not image.getexif() and "Maker" not in base64.b64decode(reply.json()["picture"].split(",")[1]).decode(
        "latin1"
    )
    difference = np.abs(np.asarray(image, float) - np.rot90(smear(7), -1))
    assert difference.mean() < 4


def test_a_large_picture_comes_back_small_enough_to_show() -> None:
    reply = client().post(ASK, content=png(smear(1, 900, 3200)), params={"picture": True}).json()
    assert (reply["width"], reply["height"]) == (3200, 900)
    assert pixels(reply["picture"]).size == (1600, 450)


def test_neighbours_come_nearest_first_with_their_pictures() -> None:
    said = asked(neighbours=3)["neighbours"]
    assert [neighbour["label"] for neighbour in said] == list(CLASSES[:3])
    assert [neighbour["distance"] for neighbour in said] == pytest.approx([0.1, 0.2, 0.3])
    assert pixels(said[0]["thumbnail"]).size == (48, 48)


def test_quality_is_told_in_words_and_beside_its_limits() -> None:
    (said,) = asked()["quality"]
    assert said["meaning"] == "mean brightness" and (said["low"], said["high"], said["within"]) == (0.2, 0.9, True)
    assert said["value"] == pytest.approx(smear(7).mean() / 255)
    assert asked()["novelty"] == {"value": 3.2, "limit": None, "within": True}


def test_the_set_is_told_in_words() -> None:
    said = asked()["conformal"]
    shares = shares_of(smear(7).reshape(-1, 3).mean(0))
    expected = [CLASSES[index] for index in sorted(np.argsort(shares)[-2:])]
    assert said["classes"] == expected and said["coverage"] == 0.9
    assert said["text"].startswith(f"{expected[0]} or {expected[1]}: the model cannot tell these apart here.")
    assert "90\N{NO-BREAK SPACE}% of images" in said["text"]


def test_an_abstention_says_why_and_names_the_class_that_it_holds_back() -> None:
    flat = np.full((20, 20, 3), (10, 200, 10), np.uint8)
    said = client().post(ASK, content=png(flat)).json()
    assert said["abstains"] and said["headline"].startswith("No answer")
    assert said["reasons"] == [{"kind": "quality", "text": "Poor or unusual picture: it has one colour only."}]
    assert said["label"] == "Early"


def test_the_models_and_limits_are_listed() -> None:
    said = client(max_bytes=1000, max_pixels=77).get("/api/models").json()
    assert [model["name"] for model in said["models"]] == ["colours", "sharp"]
    assert said["models"][0]["title"] == "Mean colours" and said["models"][0]["findings"] == list(FINDINGS)
    assert (said["limits"]["max_bytes"], said["limits"]["max_pixels"]) == (1000, 77)


def test_the_card_is_there() -> None:
    reply = client().get("/api/models/colours/card")
    assert reply.text == CARD and reply.headers["content-type"].startswith("text/html")


@pytest.mark.parametrize("path", ["/api/models/none/card", "/api/models/none/answer", "/nowhere", "/../pyproject.toml"])
def test_what_is_not_there_is_404(path: str) -> None:
    reply = client().request("POST" if path.endswith("answer") else "GET", path, content=b"")
    assert reply.status_code == 404 and isinstance(reply.json()["detail"], str)


@pytest.mark.parametrize("options", [{"neighbours": -1}, {"neighbours": 13}, {"neighbours": "x"}, {"cells": "maybe"}])
def test_parameters_are_checked(options: dict[str, Any]) -> None:
    reply = client().post(ASK, content=png(smear()), params=options)
    assert reply.status_code == 422 and reply.json()["detail"].startswith(next(iter(options)))


def test_a_form_is_refused_with_what_to_do_instead() -> None:
    reply = client().post(ASK, files={"file": ("smear.png", png(smear()))})
    assert reply.status_code == 415 and "--data-binary" in reply.json()["detail"]


def test_the_type_is_told_by_the_content() -> None:
    reply = client().post(ASK, content=png(smear()), headers={"content-type": "text/html"})
    assert reply.status_code == 200


def test_a_fault_of_ours_is_told_without_its_insides() -> None:
    class Broken(FakeModel):
        def answer(self, image: np.ndarray, **_: Any) -> Any:
            raise ZeroDivisionError("secret place")

    reply = client(Broken()).post(ASK, content=png(smear()))
    assert reply.status_code == 500 and "secret" not in reply.text
    assert reply.headers["content-security-policy"]


def test_metrics_count_requests_and_answers() -> None:
    asking = client()
    for _ in range(3):
        asking.post(ASK, content=png(smear()))
    asking.post(ASK, content=png(np.zeros((9, 9, 3), np.uint8)))
    asking.post(ASK, content=b"no image")
    asking.request("BREW", "/health")
    asking.get("/made-up-1")
    lines = asking.get("/metrics").text.splitlines()
    route = 'route="/api/models/{name}/answer"'
    assert f'leukoflow_requests_total{{method="POST",{route},status="200"}} 4.0' in lines
    assert 'leukoflow_answers_total{model="colours",outcome="answered"} 3.0' in lines
    assert 'leukoflow_answers_total{model="colours",outcome="abstained"} 1.0' in lines
    assert 'leukoflow_answers_total{model="colours",outcome="unreadable"} 1.0' in lines
    assert f"leukoflow_request_seconds_count{{{route}}} 5.0" in lines
    assert 'leukoflow_requests_total{method="other",route="/health",status="405"} 1.0' in lines
    assert "leukoflow_images_in_work 0.0" in lines and "leukoflow_held_bytes 0.0" in lines
    assert not any("made-up" in line for line in lines)


def test_health_counts_the_models() -> None:
    assert client().get("/health").json() == {"status": "ok", "models": 2}


def test_the_description_of_the_api_names_every_reply() -> None:
    described = app().openapi()
    answer = described["paths"]["/api/models/{name}/answer"]["post"]
    assert set(answer["responses"]) == {"200", "401", "403", "404", "408", "413", "415", "422", "429", "504"}
    assert "application/octet-stream" in answer["requestBody"]["content"]
    assert described["components"]["schemas"]["Result"]["properties"]["classes"]
    for schema in described["components"]["schemas"].values():
        assert schema.get("description"), schema


def test_jpegs_are_read_as_opencv_reads_them() -> None:
    data = cv2.imencode(".jpg", smear(3)[:, :, ::-1])[1].tobytes()
    expected = shares_of(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB).reshape(-1, 3).mean(0))
    said = client().post(ASK, content=data).json()
    assert math.isclose(said["classes"][0]["probability"], expected[0], abs_tol=1e-6)


@pytest.mark.parametrize("separate", [False, True])
def test_nothing_of_another_clients_picture_comes_back(separate: bool) -> None:
    """A deep TIFF in separate planes: OpenCV's decoder returned what the picture before had left in memory."""
    right = np.asarray(pixels(asked(picture=True)["picture"]))
    data = tiff(smear(7).astype(np.uint16) * 257, 16, 2, separate=separate, rows=96)
    for pattern in (0xAB, 0x17, 0xEE):
        before = np.random.default_rng(pattern).integers(0, 256, (96, 128, 3)).astype(np.uint8)
        assert client().post(ASK, content=png(before), params={"picture": True}).status_code == 200
        dirty(pattern)
        said = client().post(ASK, content=data, params={"picture": True}).json()
        np.testing.assert_array_equal(np.asarray(pixels(said["picture"])), right)


def test_samples_are_scaled_by_the_bits_of_the_models_cohort() -> None:
    deep = np.rint(smear(7) * (4095 / 255)).astype(np.uint16)
    twelve = FakeModel()
    twelve.facts = twelve.facts.model_copy(update={"bits": 12})
    expected = shares_of(smear(7).reshape(-1, 3).mean(0))
    said = client(twelve).post(ASK, content=tiff(deep, 16, 2)).json()
    np.testing.assert_allclose([share["probability"] for share in said["classes"]], expected, atol=1e-6)
    refused = client(twelve).post(ASK, content=tiff(deep * 4, 16, 2))
    assert refused.status_code == 422
    assert "12 bits" in refused.json()["detail"]
