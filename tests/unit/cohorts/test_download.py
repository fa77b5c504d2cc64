"""Downloading from a server on this machine that misbehaves on purpose."""

import gzip
import hashlib
import io
import logging
import socket
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from leukoflow.cohorts import download as module
from leukoflow.cohorts import kaggle
from leukoflow.cohorts.download import download
from leukoflow.core.errors import LeukoFlowError


def zipped(size: int, seed: int) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as opened:
        opened.writestr("a.bin", np.random.default_rng(seed).bytes(size))
    return stream.getvalue()


ARCHIVE = zipped(200_000, 0)
OTHER = zipped(200_000, 1)
DIGEST = hashlib.sha256(ARCHIVE).hexdigest()
HTML = b"<!DOCTYPE html><html><body>Please sign in</body></html>"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        server: Server = self.server  # type: ignore[assignment]
        server.requests.append((self.path, dict(self.headers.items())))
        self.close_connection = True
        script = server.script
        (script.pop(0) if len(script) > 1 else script[0])(self)

    def log_message(self, *_: object) -> None:
        pass

    def answer(self, status: int, body: bytes, **headers: str) -> None:
        """Send headers (Content-Length is that of the body unless given; "" leaves it out) and the body."""
        self.send_response(status)
        for name, value in (
            {"Content-Length": str(len(body))} | {k.replace("_", "-"): v for k, v in headers.items()}
        ).items():
            if value:
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    @property
    def offset(self) -> int:
        return int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").rstrip("-"))


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.script: list[Answer] = []
        self.requests: list[tuple[str, dict[str, str]]] = []

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def ranges(self) -> list[str | None]:
        return [headers.get("Range") for _, headers in self.requests]


Answer = Callable[[Handler], None]


def whole(body: bytes = ARCHIVE, **headers: str) -> Answer:
    return lambda handler: handler.answer(200, body, **headers)


def status(code: int, body: bytes = b"no", **headers: str) -> Answer:
    return lambda handler: handler.answer(code, body, **headers)


@dataclass(frozen=True)
class Dropping:
    """Honours Range, and breaks off after `piece` bytes of each answer."""

    piece: int
    body: bytes = ARCHIVE
    headers: dict[str, str] = field(default_factory=lambda: {"ETag": '"one"'})

    def __call__(self, handler: Handler) -> None:
        offset = handler.offset
        rest = self.body[offset:]
        told = {"Content-Length": str(len(rest)), **self.headers}
        if "Range" in handler.headers:
            told["Content-Range"] = f"bytes {offset}-{len(self.body) - 1}/{len(self.body)}"
            handler.answer(206, rest[: self.piece], **told)
        else:
            handler.answer(200, rest[: self.piece], **told)


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield running
    running.shutdown()
    running.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("KAGGLE_API_TOKEN", "KAGGLE_USERNAME", "KAGGLE_KEY", "KAGGLE_CONFIG_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(module, "_CHUNK", 8192)


def fetch(server: Server, target: Path, *script: Answer, sha256: str | None = None, attempts: int = 4) -> str:
    server.script = list(script)
    return download(f"{server.base}/set.zip", target, sha256, attempts=attempts, backoff=0.001, timeout=(5, 0.3))


def fails(server: Server, target: Path, words: str, *script: Answer, sha256: str | None = None) -> str:
    with pytest.raises(LeukoFlowError, match=words) as caught:
        fetch(server, target, *script, sha256=sha256)
    assert not target.exists()
    assert not target.with_name(target.name + ".sha256").exists()
    assert f"{server.base}/set.zip" in str(caught.value)
    return str(caught.value)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_whole(server: Server, tmp_path: Path) -> None:
    target = tmp_path / "new" / "set.zip"
    assert fetch(server, target, whole(), sha256=DIGEST) == DIGEST
    assert target.read_bytes() == ARCHIVE
    assert target.with_name("set.zip.sha256").read_text() == f"{DIGEST}  set.zip\n"
    assert names(target.parent) == ["set.zip", "set.zip.sha256"]
    assert server.ranges == [None]


def test_drops_are_resumed_at_the_next_byte(server: Server, tmp_path: Path) -> None:
    assert fetch(server, tmp_path / "set.zip", Dropping(60_000), sha256=DIGEST) == DIGEST
    assert server.ranges == [None, "bytes=60000-", "bytes=120000-", "bytes=180000-"]
    assert [headers.get("If-Range") for _, headers in server.requests] == [None, *['"one"'] * 3]


def test_new_bytes_are_worth_new_attempts(server: Server, tmp_path: Path) -> None:
    assert fetch(server, tmp_path / "set.zip", Dropping(20_000), attempts=2) == DIGEST


def test_a_later_run_goes_on(server: Server, tmp_path: Path) -> None:
    fails(server, tmp_path / "set.zip", "given up.*60,000 bytes are kept", Dropping(60_000), status(503))
    assert names(tmp_path) == ["set.zip.part", "set.zip.part.json"]
    server.requests.clear()
    assert fetch(server, tmp_path / "set.zip", Dropping(10**6)) == DIGEST
    assert server.ranges == ["bytes=60000-"]


def test_a_part_of_another_address_is_not_used(server: Server, tmp_path: Path) -> None:
    fails(server, tmp_path / "set.zip", "given up", Dropping(60_000), status(503))
    server.script, server.requests = [Dropping(10**6)], []
    download(f"{server.base}/other.zip", tmp_path / "set.zip")
    assert server.ranges == [None]


def test_a_date_marks_the_file_and_a_weak_tag_does_not(server: Server, tmp_path: Path) -> None:
    date = "Wed, 21 Oct 2015 07:28:00 GMT"
    fetch(server, tmp_path / "set.zip", Dropping(150_000, headers={"Last-Modified": date}))
    assert server.ranges == [None, "bytes=150000-"]
    for headers in ({"ETag": 'W/"one"', "Last-Modified": date}, {}):
        server.requests.clear()
        fetch(server, tmp_path / "set.zip", Dropping(150_000, headers=headers), whole())
        assert server.ranges == [None, None]


def test_a_server_that_ignores_ranges(server: Server, tmp_path: Path) -> None:
    assert fetch(server, tmp_path / "set.zip", Dropping(60_000), whole(ETag='"one"'), sha256=DIGEST) == DIGEST
    assert server.ranges == [None, "bytes=60000-"]


def test_a_file_that_changed_meanwhile(server: Server, tmp_path: Path) -> None:
    other = hashlib.sha256(OTHER).hexdigest()
    assert fetch(server, tmp_path / "set.zip", Dropping(60_000), whole(OTHER, ETag='"two"')) == other
    changed = Dropping(10**6, OTHER, {"ETag": '"two"'})  # sends the rest of another file all the same
    assert fetch(server, tmp_path / "set.zip", Dropping(60_000), changed) == other


@pytest.mark.parametrize("told", ["bytes 0-199999/200000", "bytes 60001-199999/200000", "bytes */200000", "", "60000-"])
def test_a_wrong_range_is_not_joined_on(server: Server, tmp_path: Path, told: str) -> None:
    wrong = status(206, ARCHIVE[60_000:], Content_Range=told, ETag='"one"')
    assert fetch(server, tmp_path / "set.zip", Dropping(60_000), wrong, whole(), sha256=DIGEST) == DIGEST
    assert server.ranges == [None, "bytes=60000-", None]


def test_a_piece_that_was_not_asked_for(server: Server, tmp_path: Path) -> None:
    piece = status(206, ARCHIVE[:1000], Content_Range=f"bytes 0-999/{len(ARCHIVE)}")
    assert fetch(server, tmp_path / "set.zip", piece, whole()) == DIGEST


def test_all_had_come_before_the_break(server: Server, tmp_path: Path) -> None:
    target = tmp_path / "set.zip"
    fails(server, target, "given up", Dropping(60_000), status(503))
    (tmp_path / "set.zip.part").write_bytes(ARCHIVE)
    assert fetch(server, target, status(416, Content_Range=f"bytes */{len(ARCHIVE)}")) == DIGEST
    fails(server, tmp_path / "two.zip", "given up", Dropping(60_000), status(503))
    server.requests.clear()
    assert fetch(server, tmp_path / "two.zip", status(416, Content_Range="bytes */5"), whole()) == DIGEST
    assert server.ranges == ["bytes=60000-", None]


@pytest.mark.parametrize("code", [408, 429, 500, 502, 503, 504])
def test_passing_refusals_are_tried_again(server: Server, tmp_path: Path, code: int) -> None:
    assert fetch(server, tmp_path / "set.zip", status(code, HTML, Content_Type="text/html"), whole()) == DIGEST


def test_lasting_trouble_is_given_up(server: Server, tmp_path: Path) -> None:
    fails(server, tmp_path / "set.zip", r"given up \(the server answers 500 .*4 times\)", status(500))
    assert len(server.requests) == 4


def test_the_wait_grows_and_follows_the_server(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr(time, "sleep", waits.append)
    server.script = [status(503), status(503), status(503, Retry_After="7"), status(503, Retry_After="9999"), whole()]
    download(f"{server.base}/set.zip", tmp_path / "set.zip", backoff=0.5)
    assert waits == [0.5, 1.0, 7.0, 60.0]


@pytest.mark.parametrize("code", [400, 401, 403, 404, 410])
def test_refusals_fail_at_once(server: Server, tmp_path: Path, code: int) -> None:
    fails(server, tmp_path / "set.zip", f"answers {code} .*check the address", status(code))
    assert len(server.requests) == 1
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("body", "kind"),
    [(HTML, "text/html; charset=utf-8"), (HTML, "application/zip"), (b"\n <html>" + bytes(600), "application/zip")],
)
def test_a_web_page_is_never_data(server: Server, tmp_path: Path, body: bytes, kind: str) -> None:
    fails(server, tmp_path / "set.zip", "a web page came", whole(body, Content_Type=kind))
    assert names(tmp_path) == []


def test_neither_is_anything_else(server: Server, tmp_path: Path) -> None:
    fails(server, tmp_path / "set.zip", "neither a zip nor a tar", whole(b'{"error": "no"}'))
    fails(server, tmp_path / "set.zip", "neither a zip nor a tar", whole(b""))
    assert names(tmp_path) == []


def test_a_wrong_digest(server: Server, tmp_path: Path) -> None:
    told = fails(server, tmp_path / "set.zip", "wrong digest", whole(), sha256="0" * 64)
    assert "0" * 64 in told
    assert DIGEST in told
    assert names(tmp_path) == []


def test_an_older_archive_stays_when_the_new_one_fails(server: Server, tmp_path: Path) -> None:
    (tmp_path / "set.zip").write_bytes(b"old")
    with pytest.raises(LeukoFlowError):
        fetch(server, tmp_path / "set.zip", whole(), sha256="0" * 64)
    assert (tmp_path / "set.zip").read_bytes() == b"old"


def test_a_short_body_without_a_length(server: Server, tmp_path: Path) -> None:
    """Nothing tells that bytes are missing but the archive itself."""
    fails(server, tmp_path / "set.zip", "the zip that came has no end", whole(ARCHIVE[:-5000], Content_Length=""))
    assert fetch(server, tmp_path / "set.zip", whole(Content_Length="")) == DIGEST


def chunked(body: bytes, end: bool) -> Answer:
    sent = b"%x\r\n%s\r\n" % (len(body), body) + (b"0\r\n\r\n" if end else b"")
    return whole(sent, Content_Length="", Transfer_Encoding="chunked")


def test_chunked(server: Server, tmp_path: Path) -> None:
    assert fetch(server, tmp_path / "set.zip", chunked(ARCHIVE[:9000], False), chunked(ARCHIVE, True)) == DIGEST
    assert len(server.requests) == 2


def test_a_stalled_body_runs_into_the_time_out(server: Server, tmp_path: Path) -> None:
    def stall(handler: Handler) -> None:
        handler.answer(200, ARCHIVE[:50_000], Content_Length=str(len(ARCHIVE)), ETag='"one"')
        time.sleep(0.8)

    start = time.monotonic()
    assert fetch(server, tmp_path / "set.zip", stall, Dropping(10**6)) == DIGEST
    assert time.monotonic() - start < 5
    assert server.ranges == [None, "bytes=49152-"] or server.ranges == [None, "bytes=50000-"]


def test_a_slow_body_arrives(server: Server, tmp_path: Path) -> None:
    def slow(handler: Handler) -> None:
        handler.answer(200, b"", Content_Length=str(len(ARCHIVE)))
        for start in range(0, len(ARCHIVE), 50_000):
            time.sleep(0.05)
            handler.wfile.write(ARCHIVE[start : start + 50_000])

    assert fetch(server, tmp_path / "set.zip", slow) == DIGEST
    assert len(server.requests) == 1


def test_nobody_answers(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(LeukoFlowError, match=r"given up \(no connection, 2 times\)"):
        download(f"http://127.0.0.1:{port}/set.zip", tmp_path / "set.zip", attempts=2, backoff=0.001)


def test_a_tarball_sent_as_encoded_is_kept_as_it_is(server: Server, tmp_path: Path) -> None:
    """Some servers call a .tar.gz a gzip-encoded tar; unpacked on the way it would not be the file that was meant."""
    data = gzip.compress(b"tar" * 5000)
    fetch(server, tmp_path / "set.tar.gz", whole(data, Content_Encoding="gzip"))
    assert (tmp_path / "set.tar.gz").read_bytes() == data
    assert server.requests[0][1]["Accept-Encoding"] == "identity"


def test_too_little_space(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 1000})())
    server.script = [whole()]
    with pytest.raises(LeukoFlowError, match="1,000 are free; make room"):
        download(f"{server.base}/set.zip", tmp_path / "set.zip")


def test_secrets_in_an_address_are_not_shown(server: Server, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    server.script = [status(503), status(404)]
    address = server.base.replace("//", "//user:hush@") + "/set.zip?token=hush"
    with caplog.at_level(logging.DEBUG), pytest.raises(LeukoFlowError) as caught:
        download(address, tmp_path / "set.zip", backoff=0.001)
    ours = [record.getMessage() for record in caplog.records if record.name == "leukoflow"]
    assert ours
    assert "hush" not in str(caught.value) + "".join(ours)


@pytest.fixture
def api(server: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    monkeypatch.setattr(kaggle, "API", f"{server.base}/api/v1")
    return server


def tokens(server: Server) -> list[str | None]:
    return [headers.get("Authorization") for _, headers in server.requests]


def test_kaggle_without_a_token(api: Server, tmp_path: Path) -> None:
    with pytest.raises(LeukoFlowError, match=r"kaggle:a/b: .*kaggle.com/settings.*KAGGLE_USERNAME.*`local`"):
        download("kaggle:a/b", tmp_path / "set.zip")
    assert not api.requests


def test_kaggle_tokens(api: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    api.script = [whole()]
    home = tmp_path / "home" / ".kaggle"
    home.mkdir(parents=True)
    (home / "kaggle.json").write_text('{"username": "u", "key": "k1"}')
    download("kaggle:a/b", tmp_path / "set.zip")
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "access_token").write_text("t1\n")
    monkeypatch.setenv("KAGGLE_CONFIG_DIR", str(folder))
    download("kaggle:a/b", tmp_path / "set.zip")
    monkeypatch.setenv("KAGGLE_USERNAME", "u")
    monkeypatch.setenv("KAGGLE_KEY", "k2")
    download("kaggle:a/b", tmp_path / "set.zip")
    monkeypatch.setenv("KAGGLE_API_TOKEN", "t2")
    download("kaggle:a/b", tmp_path / "set.zip")
    assert tokens(api) == ["Basic dTprMQ==", "Bearer t1", "Basic dTprMg==", "Bearer t2"]
    assert api.requests[0][0] == "/api/v1/datasets/download/a/b"


@pytest.mark.parametrize("text", ["", "{}", '{"username": "u"}', '["hush"]', '{"key": "hush"'])
def test_kaggle_file_that_holds_no_token(
    api: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    (tmp_path / "kaggle.json").write_text(text)
    monkeypatch.setenv("KAGGLE_CONFIG_DIR", str(tmp_path))
    with pytest.raises(LeukoFlowError, match=r"kaggle.json: holds no username and key") as caught:
        download("kaggle:a/b", tmp_path / "set.zip")
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("token", ["basic", "bearer"])
def test_the_token_is_not_sent_to_another_host(
    api: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, token: str
) -> None:
    if token == "basic":
        monkeypatch.setenv("KAGGLE_USERNAME", "u")
        monkeypatch.setenv("KAGGLE_KEY", "hush")
    else:
        monkeypatch.setenv("KAGGLE_API_TOKEN", "hush")
    storage = Server()
    threading.Thread(target=storage.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        storage.script = [Dropping(60_000), Dropping(10**6)]
        elsewhere = storage.base.replace("127.0.0.1", "localhost") + "/signed?key=abc"
        api.script = [status(302, b"", Location=elsewhere)]
        with caplog.at_level(logging.DEBUG):
            assert download("kaggle:a/b", tmp_path / "set.zip", backoff=0.001) == DIGEST
    finally:
        storage.shutdown()
        storage.server_close()
    assert all(tokens(api))
    assert tokens(storage) == [None, None]
    assert storage.ranges == [None, "bytes=60000-"]
    assert "hush" not in caplog.text
    assert "hush" not in "".join(path.read_text(errors="replace") for path in tmp_path.glob("set.zip.*"))


@pytest.mark.parametrize(
    ("code", "words"),
    [(401, "does not accept the token"), (403, "accept the terms"), (404, "kaggle.com/datasets/a/b is there")],
)
def test_kaggle_refusals(api: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, words: str) -> None:
    monkeypatch.setenv("KAGGLE_API_TOKEN", "hush")
    api.script = [status(code)]
    with pytest.raises(LeukoFlowError, match=rf"kaggle:a/b: the server answers {code} .*{words}") as caught:
        download("kaggle:a/b", tmp_path / "set.zip")
    assert "hush" not in str(caught.value)
