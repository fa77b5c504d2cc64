"""Debian's Chromium, driven by Playwright, in front of a service with fake models."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_service import app, png, served, smear

CHROMIUM = Path("/usr/bin/chromium")
Opened = Callable[..., Any]


# Not of the session: while Playwright runs, this thread has an event loop, and other tests start theirs.
@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """The browser; tests are skipped if it is missing."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not CHROMIUM.exists():
        pytest.skip(f"{CHROMIUM} is missing (on Debian: apt install chromium)")
    with playwright.sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A running service with two fake models, `colours` and `sharp`."""
    with served(app()) as url:
        yield url


@pytest.fixture
def opened(browser: Any, address: str) -> Iterator[Opened]:
    """Opens the page. Afterwards nothing may have gone wrong in it, and nothing been asked of another host."""
    contexts, faults, hosts = [], [], set()

    def start(at: str = address, **options: Any) -> Any:
        context = browser.new_context(**{"viewport": {"width": 1360, "height": 900}} | options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda line: faults.append(line.text) if "Content Security Policy" in line.text else None)
        page.on("request", lambda request: hosts.add(request.url.split("/")[2]) if "//" in request.url else None)
        page.goto(at)
        return page

    yield start
    for context in contexts:
        context.close()
    assert not faults
    assert all(host.startswith("127.0.0.1:") for host in hosts), hosts


@pytest.fixture(scope="session")
def smears(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Paths of three pictures."""
    folder = tmp_path_factory.mktemp("smears")
    for seed in range(3):
        (folder / f"smear{seed}.png").write_bytes(png(smear(seed, 240, 320)))
    return sorted(map(str, folder.iterdir()))
