"""Requests made up from the description of the API, and damaged images: never a failure, always as described."""

import numpy as np
import schemathesis
from fake_service import app, client, png, smear
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

ASK = "/api/models/colours/answer"
STATUSES = {200, 413, 415, 422}
TOKEN = "0123456789abcdef0123"
MADE_UP = settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
open_schema = schemathesis.openapi.from_asgi("/api/openapi.json", app())
closed_schema = schemathesis.openapi.from_asgi("/api/openapi.json", app(token=TOKEN))


@open_schema.parametrize()
@MADE_UP
def test_made_up_requests_are_answered_as_described(case: schemathesis.Case) -> None:
    case.call_and_validate()


@closed_schema.parametrize()
@MADE_UP
def test_made_up_requests_with_a_token_are_answered_as_described(case: schemathesis.Case) -> None:
    if "name" in case.path_parameters:
        case.path_parameters["name"] = "colours"
    case.call_and_validate(headers={"Authorization": f"Bearer {TOKEN}"})


@given(data=st.data())
@settings(max_examples=150, deadline=None, derandomize=True)
def test_damaged_images_are_answered_or_refused(data: st.DataObject) -> None:
    import cv2

    suffix = data.draw(st.sampled_from([".png", ".jpg", ".bmp", ".tiff"]))
    sound = np.frombuffer(cv2.imencode(suffix, smear(0, 24, 32))[1].tobytes(), np.uint8)
    damaged = sound.copy()
    for index in data.draw(st.lists(st.integers(0, len(sound) - 1), max_size=20)):
        damaged[index] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(sound)))
    reply = ASKING.post(ASK, content=damaged[:cut].tobytes(), params={"cells": True, "heat": True, "picture": True})
    assert reply.status_code in STATUSES, reply.text
    assert reply.json()


@given(
    body=st.binary(max_size=3000), start=st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"BM", b"II*\0"])
)
@settings(max_examples=150, deadline=None, derandomize=True)
def test_noise_behind_the_start_of_an_image_is_refused(body: bytes, start: bytes) -> None:
    assert ASKING.post(ASK, content=start + body).status_code == 422


def test_the_fuzz_starts_from_an_image_that_is_answered() -> None:
    assert ASKING.post(ASK, content=png(smear(0, 24, 32))).status_code == 200


ASKING = client()
