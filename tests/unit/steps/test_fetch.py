"""The step that downloads."""

import functools
import hashlib
import threading
import zipfile
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from leukoflow.core.errors import LeukoFlowError
from leukoflow.steps import fetch


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def site(tmp_path: Path) -> Iterator[str]:
    folder = tmp_path / "site"
    folder.mkdir()
    with zipfile.ZipFile(folder / "set.zip", "w") as opened:
        opened.writestr("a/1.jpg", b"x" * 5000)
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_fetch(site: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    data = (tmp_path / "site" / "set.zip").read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    output = tmp_path / "archive"
    assert not fetch.main(["--url", f"{site}/set.zip", "--sha256", digest, "--output", str(output)])
    assert output.read_bytes() == data
    assert (tmp_path / "archive.sha256").read_text().split() == [digest, "archive"]
    with pytest.raises(LeukoFlowError, match="wrong digest"):
        fetch.main(["--url", f"{site}/set.zip", "--sha256", "0" * 64, "--output", str(output)])
    with pytest.raises(LeukoFlowError, match="404"):
        fetch.main(["--url", f"{site}/other.zip", "--output", str(output)])
