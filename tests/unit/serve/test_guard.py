"""Who may ask, what a browser may do with the reply, and what the log says."""

import json
import logging

import pytest
from fake_service import client, png, smear

from leukoflow.serve.observe import JsonLines

ASK = "/api/models/colours/answer"
TOKEN = "0123456789abcdef0123"


@pytest.mark.parametrize(
    "path", ["/", "/page/app.js", "/page/style.css", "/health", "/api/models", "/nowhere", "/api/openapi.json"]
)
def test_every_reply_forbids_what_the_page_does_not_need(path: str) -> None:
    headers = client().get(path).headers
    policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff" and headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"


def test_no_other_site_may_read_or_ask() -> None:
    other = {"origin": "http://evil.example"}
    assert client().post(ASK, content=png(smear()), headers=other).status_code == 403
    assert client().post(ASK, content=png(smear()), headers={"origin": "null"}).status_code == 403
    same_site = client().post(ASK, content=png(smear()), headers={"origin": "http://testserver"})
    assert same_site.status_code == 200
    asked = client().options(ASK, headers=other | {"access-control-request-method": "POST"})
    for reply in (same_site, asked):
        assert not any(name.startswith("access-control") for name in reply.headers)


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "", "[", "127.0.0.1.evil:80"])
def test_a_name_that_leads_here_from_elsewhere_is_refused(host: str) -> None:
    reply = client().get("/api/models", headers={"host": host})
    assert reply.status_code == 403 and reply.json()["detail"]


@pytest.mark.parametrize("host", ["localhost", "localhost:8000", "127.0.0.1:1", "LOCALHOST"])
def test_names_of_this_machine_are_taken(host: str) -> None:
    assert client().get("/api/models", headers={"host": host}).status_code == 200


def test_with_a_token_nothing_is_told_without_it() -> None:
    asking = client(token=TOKEN)
    for path in ("/api/models", "/api/models/colours/card", "/metrics"):
        reply = asking.get(path)
        assert reply.status_code == 401 and reply.headers["www-authenticate"] == "Bearer"
        for header in (f"Bearer {TOKEN}x", "Bearer", f"Basic {TOKEN}", "Bearer \xe9", TOKEN):
            assert asking.get(path, headers={"authorization": header.encode("latin1")}).status_code == 401
        assert asking.get(path, headers={"authorization": f"Bearer {TOKEN}"}).status_code == 200
    assert asking.post(ASK, content=png(smear())).status_code == 401
    assert asking.get("/").status_code == asking.get("/health").status_code == 200


def test_with_a_token_any_name_is_taken() -> None:
    reply = client(token=TOKEN).get("/api/models", headers={"host": "smears.lab", "authorization": f"Bearer {TOKEN}"})
    assert reply.status_code == 200


def test_the_page_asks_no_other_host_and_has_nothing_inline() -> None:
    page = client().get("/").text
    assert "http://" not in page and "https://" not in page and "//" not in page.replace("<!--", "")
    assert "<style" not in page and " style=" not in page and "onclick" not in page
    assert page.count("<script") == 1 and 'src="page/app.js"' in page


def test_the_log_names_no_file_and_no_client(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "leukoflow.serve"):
        reply = client().post(f"{ASK}?picture=1&x=Smith.png", content=png(smear()), headers={"x-file": "Smith.png"})
        client().get("/Smith/John.png")
    lines = [JsonLines().format(record) for record in caplog.records if record.name == "leukoflow.serve"]
    first, second = map(json.loads, lines)
    assert first["route"] == "/api/models/{name}/answer" and first["status"] == 200 and first["outcome"] == "answered"
    assert first["bytes"] == len(png(smear())) and first["request"] == reply.headers["x-request-id"]
    assert second["route"] == "page" and second["status"] == 404
    assert "Smith" not in "".join(lines) and "testclient" not in "".join(lines)


def test_a_log_line_is_one_json_object_whatever_is_said() -> None:
    record = logging.makeLogRecord({"msg": 'a "quoted"\nline', "levelname": "WARNING", "created": 0.25})
    assert json.loads(JsonLines().format(record)) == {
        "time": "1970-01-01T00:00:00.250+00:00", "level": "warning", "event": 'a "quoted"\nline',
    }  # fmt: skip
    assert "\n" not in JsonLines().format(record)
