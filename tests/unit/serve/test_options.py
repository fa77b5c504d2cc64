"""What the command takes and refuses."""

import argparse
import sys
from pathlib import Path

import pytest
from test_security import imported, tree

from leukoflow import cli
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.fingerprint import closure
from leukoflow.serve.options import Settings, add_options, settings_of


def parsed(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_options(parser)
    return parser.parse_args(["models", *words])


def test_it_listens_to_this_machine_alone_unless_told() -> None:
    args = parsed()
    assert (args.host, args.port, args.models) == ("127.0.0.1", 8000, [Path("models")])
    settings = settings_of(args)
    assert settings.token == "" and set(settings.hosts) == {"localhost", "127.0.0.1", "::1"}


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.4", "smears.lab", "localhost.lab"])
def test_beyond_this_machine_a_token_is_needed(host: str, tmp_path: Path) -> None:
    with pytest.raises(LeukoFlowError, match="--token-file"):
        settings_of(parsed("--host", host))
    file = tmp_path / "token"
    file.write_text("abcdefghijklmnopqrstuvwxyz\n")
    assert settings_of(parsed("--host", host, "--token-file", str(file))).token == "abcdefghijklmnopqrstuvwxyz"


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.3.2.1", "::1"])
def test_this_machine_needs_none(host: str) -> None:
    assert host in settings_of(parsed("--host", host)).hosts


@pytest.mark.parametrize("text", ["", "short", "has spaces in it, it has", "\x00" * 20, "ü" * 20])
def test_a_poor_token_is_refused(text: str, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(LeukoFlowError, match="token"):
        settings_of(parsed("--token-file", str(file)))


@pytest.mark.parametrize(
    "words",
    [("--workers", "0"), ("--queue", "-1"), ("--max-pixels", "0"), ("--max-megabytes", "0"), ("--port", "70000")],
)
def test_numbers_that_cannot_be_are_refused(words: tuple[str, str]) -> None:
    with pytest.raises(LeukoFlowError, match=words[0]):
        settings_of(parsed(*words))


def test_limits_are_passed_on() -> None:
    settings = settings_of(parsed("--max-megabytes", "0.5", "--max-pixels", "99", "--workers", "3", "--queue", "4"))
    assert (settings.max_bytes, settings.max_pixels, settings.workers, settings.queue) == (2**19, 99, 3, 4)
    assert settings_of(parsed("--max-megabytes", "1000")).held_bytes == 1000 * 2**20 > Settings().held_bytes


def test_the_command_says_which_package_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "leukoflow.serve.app", None)
    monkeypatch.setitem(sys.modules, "fastapi", None)
    assert cli.main(["serve", "models"]) == 1
    assert "pip install 'leukoflow[serve]'" in capsys.readouterr().err


def test_help_needs_no_web_packages() -> None:
    """The options must be readable where the `serve` extra is missing."""
    assert not {"fastapi", "uvicorn", "starlette"} & {
        name.split(".")[0] for module in closure("leukoflow.serve.options") for name in imported(tree(module))
    }
