"""Downloading one archive: resumed where it broke off, retried where that can help, and never a web page for data.

Bytes go to `<target>.part`; `<target>.part.json` says what they are the start of. A resumed answer is joined on only
where the server says that it is the same file (If-Range with its ETag or date) and the very next byte.
"""

import hashlib
import logging
import os
import re
import shutil
import sys
import time
import zipfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import requests
import urllib3
from requests.auth import AuthBase
from tqdm import tqdm

from leukoflow.cohorts import kaggle
from leukoflow.cohorts.archive import archive_kind
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.files import read_json, write_json, write_text

log = logging.getLogger("leukoflow")

_CHUNK = 2**20
_LONGEST_WAIT = 60.0
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)$")


class _TryAgain(Exception):
    """Something that may pass: said in a few words, with the seconds that the server asks for."""

    def __init__(self, problem: str, wait: float = 0.0) -> None:
        super().__init__(problem)
        self.wait = wait


@dataclass(frozen=True)
class _Source:
    url: str
    address: str
    auth: AuthBase | None

    @property
    def shown(self) -> str:
        """The address without user, password and query, which may hold secrets."""
        if self.url.startswith(kaggle.PREFIX):
            return self.url
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.hostname}{f':{parts.port}' if parts.port else ''}{parts.path}"


@dataclass(frozen=True)
class _Part:
    """An unfinished download and what is known of it."""

    target: Path

    @property
    def path(self) -> Path:
        return self.target.with_name(self.target.name + ".part")

    @property
    def note(self) -> Path:
        return self.target.with_name(self.target.name + ".part.json")

    def resume(self, url: str) -> tuple[int, str]:
        """Bytes that are there and the server's mark of the file; (0, "") where it has to be begun again."""
        try:
            note = read_json(self.note)
            size = self.path.stat().st_size
            if note["url"] == url and note["validator"] and size:
                return size, str(note["validator"])
        except (LeukoFlowError, OSError, KeyError, TypeError):
            pass
        return 0, ""

    def discard(self) -> None:
        for path in (self.path, self.note):
            with suppress(FileNotFoundError):
                path.unlink()


def download(
    url: str,
    target: Path,
    sha256: str | None = None,
    *,
    attempts: int = 6,
    backoff: float = 1.0,
    timeout: tuple[float, float] = (30.0, 60.0),
) -> str:
    """Download an archive to `target` and give its SHA-256 (64 hex digits), also written to `<target>.sha256`.

    `url` is HTTP(S), or `kaggle:OWNER/DATASET` with the user's own token. Time-outs (connecting, between two pieces;
    seconds), broken connections, short answers and passing refusals (408, 425, 429, 5xx) are tried again, `attempts`
    times without a new byte, waiting `backoff` * 2**n seconds, 60 at most.

    Raises LeukoFlowError, naming the source: refused (other 4xx), not an archive (a web page), wrong digest (what came
    is removed), too little space, or given up.
    """
    source = _source(url)
    part = _Part(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    failures, most = 0, 0
    while True:
        try:
            _attempt(source, part, timeout)
            break
        except _TryAgain as problem:
            size = part.path.stat().st_size if part.path.exists() else 0
            failures = 1 if size > most else failures + 1
            most = max(most, size)
            if failures >= attempts:
                kept = f"{size:,} bytes are kept, run again to go on"
                raise LeukoFlowError(f"{source.shown}: given up ({problem}, {failures} times); {kept}") from problem
            wait = min(_LONGEST_WAIT, max(problem.wait, backoff * 2 ** (failures - 1)))
            log.warning("%s: %s; again in %.1f s", source.shown, problem, wait)
            time.sleep(wait)
    return _accept(source, part, sha256)


def _source(url: str) -> _Source:
    if url.startswith(kaggle.PREFIX):
        return _Source(url, kaggle.address(url), kaggle.credentials(url))
    return _Source(url, url, None)


def _attempt(source: _Source, part: _Part, timeout: tuple[float, float]) -> None:
    """One request; returns when the whole file is in `part`."""
    offset, validator = part.resume(source.url)
    headers = {"Accept-Encoding": "identity", "User-Agent": "leukoflow"}
    if offset:
        headers |= {"Range": f"bytes={offset}-", "If-Range": validator}
    try:
        with (
            requests.Session() as session,
            session.get(source.address, headers=headers, auth=source.auth, stream=True, timeout=timeout) as response,
        ):
            _receive(source, part, response, offset, validator)
    except requests.exceptions.SSLError as error:
        raise LeukoFlowError(f"{source.shown}: the server's certificate is not accepted; check the address") from error
    except (requests.ConnectionError, requests.Timeout, urllib3.exceptions.HTTPError) as error:
        raise _TryAgain(_reason(error)) from error
    except requests.RequestException as error:
        raise LeukoFlowError(f"{source.shown}: cannot be downloaded ({type(error).__name__})") from error
    except OSError as error:
        raise LeukoFlowError(f"{part.path}: cannot be written ({error.strerror}); free space and run again") from error


def _reason(error: Exception) -> str:
    """Short, and without the address that the libraries quote (a signed one is a secret)."""
    if isinstance(error, (requests.Timeout, urllib3.exceptions.TimeoutError)):
        return "no answer in time"
    if isinstance(error, (urllib3.exceptions.ProtocolError, requests.exceptions.ChunkedEncodingError)):
        return "the connection broke off"
    return "no connection"


def _receive(source: _Source, part: _Part, response: requests.Response, offset: int, validator: str) -> None:
    status = response.status_code
    if status == 416 and response.headers.get("Content-Range") == f"bytes */{offset}":
        return  # everything had come before the break
    if status == 416 or (status == 206 and not _continues(response, offset, validator)):
        part.discard()
        raise _TryAgain("the server cannot go on where it broke off; beginning again")
    if status in _PASSING or status >= 500:
        raise _TryAgain(f"the server answers {status} {response.reason}", _asked_wait(response))
    if status not in (200, 206):
        advice = "check the address"
        if source.auth is not None:
            advice = kaggle.refusal(status, source.url)
        raise LeukoFlowError(f"{source.shown}: the server answers {status} {response.reason}; {advice}")
    if response.headers.get("Content-Type", "").lower().startswith(("text/html", "application/xhtml")):
        raise LeukoFlowError(f"{source.shown}: {_WEB_PAGE}")
    if status == 200:
        part.discard()
        offset = 0
        write_json(part.note, {"url": source.url, "validator": _validator(response)})
    length = response.headers.get("Content-Length", "")
    expected = int(length) if length.isdigit() else None
    _require_space(part.path, expected or 0)
    _copy(response, part.path, offset, expected)


_WEB_PAGE = "a web page came in place of an archive; open the address in a browser (it may want a login)"


def _continues(response: requests.Response, offset: int, validator: str) -> bool:
    """Whether a partial answer is the rest of the same file, from the very next byte to its end."""
    match = _CONTENT_RANGE.match(response.headers.get("Content-Range", ""))
    if not match or int(match[1]) != offset or (match[3] != "*" and int(match[2]) + 1 != int(match[3])):
        return False
    told = response.headers.get("ETag") or response.headers.get("Last-Modified")
    return bool(offset) and told in (None, validator)


def _validator(response: requests.Response) -> str:
    """A strong ETag, or the date of the last change; "" if the server gives neither (then nothing is resumed)."""
    etag = response.headers.get("ETag", "")
    if etag and not etag.startswith("W/"):
        return etag
    return "" if etag else response.headers.get("Last-Modified", "")


def _asked_wait(response: requests.Response) -> float:
    asked = response.headers.get("Retry-After", "")
    return float(asked) if asked.isdigit() else 0.0


def _require_space(path: Path, needed: int) -> None:
    free = shutil.disk_usage(path.parent).free
    if needed > free:
        raise LeukoFlowError(f"{path.parent}: {needed:,} bytes are to come and {free:,} are free; make room")


def _copy(response: requests.Response, path: Path, offset: int, expected: int | None) -> None:
    """Append the body as it is sent, never unpacked: so urllib3 can tell that fewer bytes came than were announced."""
    bar = tqdm(
        desc=path.stem,
        total=None if expected is None else offset + expected,
        initial=offset,
        unit="B",
        unit_scale=True,
        mininterval=0.5 if sys.stderr.isatty() else 10.0,
        ascii=True,
    )
    with open(path, "ab" if offset else "wb") as stream, bar:
        for chunk in response.raw.stream(_CHUNK, decode_content=False):
            stream.write(chunk)
            bar.update(len(chunk))
        stream.flush()
        os.fsync(stream.fileno())


def _accept(source: _Source, part: _Part, sha256: str | None) -> str:
    """Hold what came against what was promised, and put it in place; what is wrong is removed."""
    with open(part.path, "rb") as stream:
        start = stream.read(1024).lstrip(b"\xef\xbb\xbf \t\r\n").lower()
        stream.seek(0)
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    problem = None
    if start.startswith((b"<!doctype html", b"<html")):
        problem = _WEB_PAGE
    elif sha256 is not None and digest != sha256:
        problem = (
            f"wrong digest: expected sha256 {sha256}, got {digest}; check sha256, or that the source is the right one"
        )
    elif (kind := archive_kind(part.path)) is None:
        problem = "what came is neither a zip nor a tar archive (plain, gzip, bzip2, xz); check the address"
    elif kind == "zip" and not zipfile.is_zipfile(part.path):
        problem = "the zip that came has no end; run again"
    if problem:
        part.discard()
        raise LeukoFlowError(f"{source.shown}: {problem}")
    target = part.target
    write_text(target.with_name(target.name + ".sha256"), f"{digest}  {target.name}\n")
    os.replace(part.path, target)
    part.discard()
    log.info("%s: %s bytes, sha256 %s", source.shown, f"{target.stat().st_size:,}", digest)
    return digest
