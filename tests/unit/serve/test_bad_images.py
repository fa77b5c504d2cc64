"""Files that are no images, or not what they seem: refused in one line, quickly, and the service goes on."""

import io
import resource
import struct
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from fake_service import client, png, smear
from PIL import Image
from starlette.testclient import TestClient

ASK = "/api/models/colours/answer"


def saved(kind: str, image: Image.Image, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def png_of(width: int, height: int, rows: bytes) -> bytes:
    """A PNG whose header says any size, whatever is in it."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def bomb() -> bytes:
    return png_of(100_000, 100_000, zlib.compress(bytes(50_000_000), 9))


def frames() -> list[Image.Image]:
    return [Image.fromarray(smear(seed)) for seed in range(3)]


PICTURE = Image.fromarray(smear())
JPEG = saved("JPEG", PICTURE)
BAD: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty": (lambda: b"", "empty"),
    "zeros": (lambda: bytes(5000), "zeros"),
    "web page": (lambda: b"<!doctype html><title>404</title>", "web page"),
    "drawing": (lambda: b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>', "not a JPEG"),
    "words": (lambda: b"dear service, " * 1000, "not a JPEG"),
    "truncated JPEG": (lambda: JPEG[: len(JPEG) // 2], "truncated"),
    "truncated PNG": (lambda: png(smear())[:-200], "truncated"),
    "header of a JPEG": (lambda: JPEG[:3], "truncated"),
    "two JPEGs in one": (lambda: JPEG[:-2] + JPEG, "second image"),
    "bomb": (bomb, "100000 x 100000 pixels"),
    "huge by its header": (lambda: png_of(2**31 - 1, 2**31 - 1, b""), "pixels"),
    "no pixels": (lambda: png_of(0, 0, b""), ""),
    "wrong checksum": (lambda: png(smear())[:-1] + b"x", ""),
    "GIF": (lambda: saved("GIF", PICTURE), "not a JPEG"),
    "animated GIF": (lambda: saved("GIF", frames()[0], save_all=True, append_images=frames()[1:]), "not a JPEG"),
    "animated PNG": (lambda: saved("PNG", frames()[0], save_all=True, append_images=frames()[1:]), "several frames"),
    "TIFF of pages": (lambda: saved("TIFF", frames()[0], save_all=True, append_images=frames()[1:]), "several frames"),
    "floating TIFF": (lambda: saved("TIFF", Image.fromarray(np.ones((9, 9), np.float32))), "floating-point"),
    "WebP": (lambda: saved("WEBP", PICTURE), "not a JPEG"),
    "PDF": (lambda: saved("PDF", PICTURE), "not a JPEG"),
    "executable": (lambda: b"\x7fELF" + bytes(range(256)) * 40, "not a JPEG"),
    "pickle": (lambda: b"\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00\x8c\x02os\x94.", "not a JPEG"),
}


@pytest.fixture(scope="module")
def asking() -> TestClient:
    return client()


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_image_is_refused_with_its_reason(kind: str, asking: TestClient) -> None:
    make, reason = BAD[kind]
    reply = asking.post(ASK, content=make(), params={"cells": True, "heat": True, "picture": True})
    if kind == "wrong checksum" and reply.status_code == 200:
        return  # decoders may let it pass: the pixels are whole
    assert reply.status_code == 422, reply.text
    said = reply.json()["detail"]
    assert reason in said and "\n" not in said and len(said) < 300 and "/" not in said


def test_a_bomb_is_refused_before_it_is_unpacked(asking: TestClient) -> None:
    data = bomb()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert asking.post(ASK, content=data).status_code == 422
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 30_000  # kilobytes


UNUSUAL: dict[str, Callable[[], bytes]] = {
    "CMYK": lambda: saved("JPEG", PICTURE.convert("CMYK"), quality=95),
    "grey": lambda: saved("PNG", PICTURE.convert("L")),
    "palette": lambda: saved("PNG", PICTURE.convert("P")),
    "see-through": lambda: saved("PNG", PICTURE.convert("RGBA")),
    "16 bits": lambda: saved("TIFF", Image.fromarray(np.asarray(PICTURE.convert("L"), np.uint16) * 257)),
    "TIFF": lambda: saved("TIFF", PICTURE),
    "BMP": lambda: saved("BMP", PICTURE),
    "bytes behind it": lambda: png(smear()) + b"<script>alert(1)</script>" * 100,
}


@pytest.mark.parametrize("kind", UNUSUAL)
def test_unusual_images_are_answered_by_their_colours(kind: str, asking: TestClient) -> None:
    reply = asking.post(ASK, content=UNUSUAL[kind](), params={"picture": True})
    assert reply.status_code == 200, reply.text
    brightness = next(measure["value"] for measure in reply.json()["quality"] if measure["name"] == "exposure")
    assert brightness == pytest.approx(smear().mean() / 255, abs=0.03)
    assert "script" not in reply.text


def test_a_file_that_is_too_large_is_refused_by_what_it_says_and_by_what_it_sends() -> None:
    asking = client(max_bytes=1000)
    assert asking.post(ASK, content=bytes(1001)).status_code == 413
    assert asking.post(ASK, content=(bytes(100) for _ in range(11))).status_code == 413
    assert asking.post(ASK, content=b"", headers={"content-length": "1001"}).status_code == 413
    assert asking.post(ASK, content=bytes(1000)).status_code == 422  # counted to the byte, then looked at


def test_more_pixels_than_allowed_are_refused() -> None:
    asking = client(max_pixels=96 * 128)
    assert asking.post(ASK, content=png(smear())).status_code == 200
    reply = asking.post(ASK, content=png(smear(0, 96, 129)))
    assert reply.status_code == 422 and "129 x 96 pixels" in reply.json()["detail"]


def test_nothing_is_written_to_disk(asking: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither an image larger than what multipart parsers keep in memory, nor one that cannot be read."""
    import sys

    written: list[str] = []

    def audit(event: str, args: tuple[object, ...]) -> None:
        if watching and event == "open" and isinstance(args[1], str) and set(args[1]) & set("wax+"):
            written.append(str(args[0]))

    watching = True
    sys.addaudithook(audit)
    data = png(np.random.default_rng(0).integers(0, 256, (1200, 1200, 3), np.uint8))
    assert len(data) > 3_000_000
    assert asking.post(ASK, content=data, params={"picture": True, "heat": True}).status_code == 200
    assert asking.post(ASK, content=data[:-5000]).status_code == 422
    watching = False
    assert written == []
