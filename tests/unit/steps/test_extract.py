"""The step that unpacks."""

import hashlib
import json
import zipfile
from pathlib import Path

import pytest

from leukoflow.core.errors import LeukoFlowError
from leukoflow.steps import extract

SETTINGS = {"kind": "download", "url": "https://example.org/set.zip", "max_members": 3}


def arguments(tmp_path: Path) -> list[str]:
    return [
        *("--settings", json.dumps(SETTINGS)),
        *("--archive", str(tmp_path / "set.zip")),
        *("--folder", str(tmp_path / "images")),
        *("--output", str(tmp_path / "contents.csv")),
    ]


def test_extract(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as opened:
        for number in range(3):
            opened.writestr(f'[a], "b"/{number}.jpg', b"x" * number)
    assert not extract.main(arguments(tmp_path))
    lines = (tmp_path / "contents.csv").read_text().splitlines()
    digests = [hashlib.sha256(b"x" * number).hexdigest() for number in range(3)]
    assert lines == ["path,bytes,sha256", *(f'"[a], ""b""/{n}.jpg",{n},{digests[n]}' for n in range(3))]
    assert (tmp_path / "images" / '[a], "b"' / "2.jpg").read_bytes() == b"xx"


def test_limits_come_from_the_settings(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as opened:
        for number in range(4):
            opened.writestr(f"{number}.jpg", b"x")
    with pytest.raises(LeukoFlowError, match="more than 3 members"):
        extract.main(arguments(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["set.zip"]
