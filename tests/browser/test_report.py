"""The report as a person meets it: short as it opens, every section one step away, whole on paper."""

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from drawing import TASK, drawn
from fake_study import FakeStudy, finished_study, texts
from large_study import enlarged, many_figures

from leukoflow.core.files import read_table
from leukoflow.outputs.sections import TITLES
from leukoflow.report.page import render
from leukoflow.steps import report

PHONE = {"viewport": {"width": 360, "height": 740}, "device_scale_factor": 2, "is_mobile": True, "has_touch": True}
Shown = Callable[..., Any]


@pytest.fixture(scope="module")
def fake(tmp_path_factory: pytest.TempPathFactory) -> FakeStudy:
    """A finished study with a few figures."""
    fake = finished_study(tmp_path_factory.getbasetemp() / "study")
    root, panel = fake.root, "demo.subtype.plain.image"
    drawn("leaderboard", root / "figures/leaderboard.png", leaderboard=root / "tables/leaderboard.csv")
    confusion = root / f"parts/scores/{panel}/confusion.csv"
    drawn("confusion", root / f"figures/confusion.{panel}.png", confusion=confusion)
    files = {"manifest": root / "cohorts/demo/manifest.parquet", "view": root / "views/demo.plain/view.json"}
    drawn("samples", root / "figures/samples.demo.subtype.png", {"task": TASK}, **files)
    return fake


@pytest.fixture(scope="module")
def path(fake: FakeStudy) -> Path:
    """Its report."""
    root = fake.root
    figures = texts(sorted((root / "figures").glob("*.png")))
    tables = texts(sorted((root / "tables").glob("*.csv")))
    output = root / "report.html"
    report.main(
        ["--study", str(root / "study.json"), "--tables", *tables, "--figures", *figures, "--output", str(output)]
    )
    return output


@pytest.fixture
def shown(browser: Any, path: Path) -> Iterator[Shown]:
    """Opens the report. Afterwards nothing may have gone wrong in it, and nothing been fetched."""
    contexts, faults, asked = [], [], []

    def start(fragment: str = "", **options: Any) -> Any:
        context = browser.new_context(**{"viewport": {"width": 1360, "height": 900}} | options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda line: faults.append(line.text) if line.type == "error" else None)
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"file://{path}{fragment}")
        return page

    yield start
    for context in contexts:
        context.close()
    assert not faults
    assert {url.split("#")[0] for url in asked if not url.startswith("data:")} <= {f"file://{path}"}


def until(page: Any, condition: str) -> None:
    """Wait for a condition. Playwright's own way would evaluate a text within the page, which its policy forbids."""
    end = time.monotonic() + 10
    while not page.evaluate(condition):
        assert time.monotonic() < end, condition
        page.wait_for_timeout(50)


def height(page: Any) -> int:
    return int(page.evaluate("document.documentElement.scrollHeight"))


def at_top(page: Any, name: str) -> None:
    """Wait until a section is open and its title lies near the top of the window."""
    title = f"document.getElementById('title-{name}')"
    top = f"{title}.getBoundingClientRect().top"
    until(page, f"{title}.closest('details').open && {top} >= 0 && {top} < 150")


def is_open(page: Any, name: str) -> bool:
    return bool(page.evaluate(f"document.getElementById('{name}').closest('details').open"))


def test_it_opens_short_with_the_best_models_on_the_first_screen(shown: Shown) -> None:
    page = shown()
    assert 900 < height(page) <= 4 * 900
    card = page.locator("#summary article").first.bounding_box()
    assert card["y"] + card["height"] < 900
    summary = page.locator("#summary").bounding_box()
    assert summary["y"] + summary["height"] <= 3 * 900
    titles = page.locator("#summary > h3").all_inner_texts()
    assert titles == ["What was asked", "Best models", "What the audits found", "What to do next"]
    assert page.locator("details.subject[open], #summary details[open]").count() == 0
    phone = shown(**PHONE)
    assert phone.evaluate("document.documentElement.scrollWidth") == 360


def test_the_summary_says_what_was_asked_and_what_to_do(shown: Shown) -> None:
    page = shown()
    asked = page.locator(".asked").inner_text()
    assert (
        "How well do 2 models and the colour baseline tell Benign, Early, Pre and Pro apart in images of demo" in asked
    )
    steps = page.locator("#summary > .steps li")
    assert 0 < steps.count() <= 6
    texts = [step.inner_text() for step in steps.all()]
    assert len(set(texts)) == len(texts)
    link = steps.filter(has_text="image split of demo as the main result").locator("a")
    link.click()
    until(page, "document.getElementById('splits').closest('details').open")


@pytest.mark.parametrize("options", [{}, PHONE], ids=["desktop", "phone"])
def test_an_address_opens_its_section_and_back_returns(options: dict[str, Any], shown: Shown) -> None:
    page = shown("#shortcuts", **options)
    at_top(page, "shortcuts")
    assert not is_open(page, "leakage")
    page.evaluate("location.hash = '#leakage'")
    at_top(page, "leakage")
    page.go_back()
    at_top(page, "shortcuts")
    assert page.url.endswith("#shortcuts")


def test_contents_and_keys_open_sections(shown: Shown) -> None:
    page = shown()
    page.get_by_role("navigation").get_by_role("link", name="Statistics").click()
    until(page, "document.getElementById('statistics').closest('details').open")
    summary = page.locator("details.subject > summary").filter(has_text="Leakage audit")
    summary.focus()
    page.keyboard.press("Enter")
    assert is_open(page, "leakage") and page.url.endswith("#leakage")
    page.keyboard.press("Enter")
    assert not is_open(page, "leakage")
    # The same address again opens what was closed by hand.
    page.get_by_role("navigation").get_by_role("link", name="Leakage audit").click()
    until(page, "document.getElementById('leakage').closest('details').open")
    page.reload()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.getAttribute('href')") == "#summary"


def test_everything_is_there_without_scripts(shown: Shown, path: Path) -> None:
    page = shown(java_script_enabled=False)
    names = re.findall(r'<section id="([a-z]+)"', path.read_text())
    assert set(names) <= set(TITLES) and len(names) > 15
    for name in names[1:]:
        page.locator("details.subject > summary").filter(has=page.locator(f"#title-{name}")).click()
        section = page.locator(f"#{name}")
        assert section.is_visible() and len(section.inner_text()) > 100
    assert page.get_by_role("navigation").is_visible()


def test_a_link_opens_its_section_without_scripts(shown: Shown) -> None:
    page = shown("#efficiency", java_script_enabled=False)
    assert page.locator("#efficiency table").first.is_visible()
    assert not page.locator("#cohorts table").first.is_visible()


def test_paper_has_everything(shown: Shown) -> None:
    for options in ({}, {"java_script_enabled": False}):
        page = shown(**options)
        short = page.locator("main").bounding_box()["height"]
        page.emulate_media(media="print")
        assert page.locator("main").bounding_box()["height"] > 5 * short
        for name in ("cohorts", "efficiency", "shortcuts"):
            assert page.locator(f"#{name} table").first.bounding_box()["height"] > 40
        assert not page.locator("nav").is_visible()
    page = shown()
    before = page.locator("main details[open]").count()
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("main details:not([open])").count() == 0
    assert page.evaluate("[...document.images].every((image) => image.loading === 'eager')")
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("main details[open]").count() == before


def test_all_sections_open_and_close_at_once(shown: Shown) -> None:
    page = shown()
    sections = page.locator("details.subject").count()
    page.get_by_role("button", name="Open all sections").click()
    assert page.locator("details.subject[open]").count() == sections > 15
    page.get_by_role("button", name="Close all sections").click()
    assert page.locator("details.subject[open]").count() == 0


def rows_of(table: Any) -> list[str]:
    return [row.split("\t")[0] for row in table.locator("tbody tr").all_inner_texts()]


def test_a_long_table_shows_its_first_rows_and_all_on_demand(shown: Shown, tmp_path: Path) -> None:
    page = shown("#shortcuts")
    whole = page.locator(".table").filter(has_text="Probes: random forests").first
    tables = whole.locator("table.sortable")
    text = whole.locator(".rest > summary").inner_text()
    total = int(re.search(r"Show all (\d+) rows", text)[1])
    column = tables.first.locator("th").all_inner_texts().index("Accuracy")

    def keys(table: Any) -> list[float]:
        return [float(key) for key in table.locator(f"td:nth-child({column + 1})").evaluate_all(KEYS)]

    strict = [row.split("\t")[2] for row in tables.first.locator("tbody tr").all_inner_texts()]
    assert "highest first by Accuracy" in text and set(strict) == {"acquisition"}
    shown_keys = keys(tables.first)
    assert len(shown_keys) == 10 < total and shown_keys == sorted(shown_keys, reverse=True)
    # Sorted as one: the ten lowest of all rows come up.
    every = sorted(shown_keys + keys(tables.nth(1)))
    for _ in range(2):
        tables.first.locator("th button").nth(column).click()
    assert keys(tables.first) == every[:10]
    whole.locator(".rest > summary").focus()
    page.keyboard.press("Enter")
    assert tables.count() == 1 and keys(tables.first) == every and len(every) == total
    with page.expect_download() as download:
        whole.get_by_role("button", name="Save as CSV").click()
    download.value.save_as(tmp_path / "table.csv")
    assert len((tmp_path / "table.csv").read_text(encoding="utf-8-sig").splitlines()) == total + 1


KEYS = "(cells) => cells.map((cell) => cell.dataset.key)"


@pytest.mark.parametrize(("options", "room"), [({}, 1100), (PHONE, 330)], ids=["desktop", "phone"])
def test_the_text_of_figures_can_be_read(options: dict[str, Any], room: int, shown: Shown) -> None:
    page = shown(**options)
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    figures = page.locator("figure img")
    assert figures.count() == 3
    for number in range(figures.count()):
        figure = figures.nth(number)
        figure.scroll_into_view_if_needed()
        box = figure.evaluate("(image) => [image.clientWidth, image.clientHeight, image.width, image.height]")
        meant, down = (int(figure.get_attribute(name)) for name in ("width", "height"))
        assert box[0] / box[1] == pytest.approx(meant / down, rel=0.02)
        if "svg" in figure.get_attribute("src")[:30]:
            # Drawn with text of 9 points, 12 pixels: at least 9.5 on the screen.
            assert 12 * box[0] / meant >= 9.5
        frame = figure.evaluate("(image) => image.parentElement.clientWidth")
        assert frame <= room


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(scheme: str, shown: Shown) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    for options in ({}, PHONE):
        page = shown(color_scheme=scheme, **options)
        for opened in (False, True):
            if opened:
                page.evaluate(
                    "document.querySelectorAll('main details').forEach((details) => { details.open = true; })"
                )
            violations = axe.Axe().run(page).response["violations"]
            grave = {
                violation["id"]: violation["nodes"][0]["html"]
                for violation in violations
                if violation["impact"] in ("serious", "critical")
            }
            assert not grave


def test_a_study_of_a_thousand_runs_opens_in_three_seconds(
    fake: FakeStudy, path: Path, browser: Any, tmp_path: Path
) -> None:
    tables = {file.stem: read_table(file) for file in (fake.root / "tables").glob("*.csv")}
    study, tables = enlarged(fake, report.with_empty_texts(tables))
    assert tables["leaderboard"]["runs"].sum() > 1000
    name = "confusion.demo.subtype.plain.image"
    for kind in ("png", "svg"):
        (tmp_path / f"{name}.{kind}").write_bytes((fake.root / f"figures/{name}.{kind}").read_bytes())
    figures = many_figures(tmp_path / f"{name}.png", fake.views, fake.protocols)
    large = tmp_path / "report.html"
    large.write_text(render(study, tables, figures), encoding="utf-8")
    assert large.stat().st_size > 15e6
    seconds = []
    for _ in range(3):
        context = browser.new_context(viewport={"width": 1360, "height": 900})
        page = context.new_page()
        page.goto(f"file://{large}")
        seconds.append(page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd") / 1000)
        assert height(page) <= 5 * 900
        page.evaluate("location.hash = '#leaderboards'")
        rest = page.locator("#leaderboards .rest > summary").first
        rest.click()
        assert page.locator("#leaderboards table").first.locator("tbody tr").count() == len(tables["leaderboard"])
        context.close()
    assert min(seconds) < 3
