"""What a person meets on the page: answers, overlays, other models, report, errors; mouse, keyboard, phone."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_service import CLASSES, FINDINGS, FakeModel, app, served, shares_of, smear

Opened = Callable[..., Any]
PHONE = {"viewport": {"width": 360, "height": 740}, "device_scale_factor": 2, "is_mobile": True, "has_touch": True}


def upload(page: Any, *files: str | dict[str, Any]) -> None:
    """Choose files, given by their paths or as name, type and bytes."""
    page.set_input_files("#files", [payload(file) if isinstance(file, str) else file for file in files])


def payload(path: str) -> dict[str, Any]:
    return {"name": Path(path).name, "mimeType": "image/png", "buffer": Path(path).read_bytes()}


def outlined(page: Any) -> None:
    """Wait for the cells of the shown image: they come after its answer."""
    page.get_by_role("table", name="2 white cells").wait_for()


def shares(page: Any) -> dict[str, float]:
    """Class to per cent, as shown."""
    rows = page.locator(".shares li")
    return {
        rows.nth(row).locator("span").first.inner_text(): float(rows.nth(row).locator(".value").inner_text().split()[0])
        for row in range(rows.count())
    }


def expected(seed: int, sharpness: float = 1.0) -> dict[str, float]:
    values = shares_of(smear(seed, 240, 320).reshape(-1, 3).mean(0), sharpness)
    return {name: round(100 * value, 1) for name, value in zip(CLASSES, values.tolist(), strict=True)}


def test_an_image_is_answered_with_all_that_is_known(opened: Opened, smears: list[str]) -> None:
    page = opened()
    assert "Research use only" in page.locator(".notice").inner_text()
    assert page.locator(".findings li").first.inner_text() == FINDINGS[0]
    upload(page, smears[0])
    page.wait_for_selector("article")
    known = expected(0)
    assert shares(page) == pytest.approx(known, abs=0.11)
    best = max(known, key=lambda name: known[name])
    assert page.locator(".headline").inner_text().startswith(f"{best}, ")
    widths = [float(bar.get_attribute("width")) for bar in page.locator(".shares rect.share").all()]
    assert widths == pytest.approx(sorted(known.values(), reverse=True), abs=0.11)
    assert "cannot tell these apart" in page.locator(".verdict").inner_text()
    assert page.locator(".neighbours li").count() == 5
    assert page.get_by_role("row", name="mean brightness").get_by_text("within").is_visible()
    outlined(page)
    assert page.get_by_role("table", name="2 white cells").get_by_role("row").count() == 3
    assert "Done." in page.locator("#status").inner_text()
    assert page.locator("#card-text table").count() == 1


def test_images_chosen_before_the_models_are_known_are_answered(opened: Opened, smears: list[str]) -> None:
    page, held = opened(), []
    page.route("**/api/models", lambda route: held.append(route))
    page.reload()
    upload(page, *smears[:2])
    page.wait_for_timeout(200)
    assert page.locator("article").count() == 0
    held[0].continue_()
    page.get_by_text("2 of 2 images done").first.wait_for()


def test_outlines_lie_on_the_cells_and_the_slider_moves_the_heat(opened: Opened, smears: list[str]) -> None:
    page = opened()
    upload(page, smears[0])
    outlined(page)
    field, first = page.locator(".field").bounding_box(), page.locator(".cell .outline").first.bounding_box()
    middle = (first["x"] + first["width"] / 2 - field["x"]) / field["width"]
    assert middle == pytest.approx(0.3, abs=0.02)
    assert first["width"] / field["width"] == pytest.approx(0.24, abs=0.03)
    slider = page.get_by_label("Where the model looked")
    slider.fill("85")
    assert page.locator(".heat").get_attribute("opacity") == "0.85"
    assert page.locator("output").inner_text().startswith("85")
    page.get_by_label("Outlines").uncheck()
    assert not page.locator(".cell .outline").first.is_visible()
    page.get_by_label("Outlines").check()
    page.get_by_role("button", name="Cell 2").focus()
    assert "marked" in page.locator('g[data-cell="2"]').get_attribute("class")


def test_maps_are_chosen_by_name_with_the_keyboard(opened: Opened, smears: list[str]) -> None:
    """The second map of the fake is hot on the other side; its name and what it is are said with it."""
    page = opened()
    upload(page, smears[0])
    outlined(page)
    assert page.locator("#map option").all_inner_texts() == ["Grad-CAM", "Spatial gate"]
    assert page.locator("#map-text").inner_text() == "Where the last maps weigh in."
    middles = [hottest(page)]
    page.locator("#map").focus()
    page.keyboard.press("ArrowDown")
    assert page.locator("#map-text").inner_text() == "A gate over positions."
    middles.append(hottest(page))
    assert middles == [pytest.approx(0.3, abs=0.1), pytest.approx(0.7, abs=0.1)]


def hottest(page: Any) -> float:
    """How far to the right the map that is shown is hottest, 0 to 1."""
    return page.evaluate(
        """async () => { const picture = new Image();
            picture.src = document.querySelector(".heat").getAttribute("href");
            await picture.decode();
            const canvas = document.createElement("canvas");
            [canvas.width, canvas.height] = [picture.width, picture.height];
            const pen = canvas.getContext("2d");
            pen.drawImage(picture, 0, 0);
            const { data } = pen.getImageData(0, 0, canvas.width, canvas.height);
            let best = 0;
            for (let at = 3; at < data.length; at += 4) if (data[at] > data[best * 4 + 3]) best = (at - 3) / 4;
            return (best % canvas.width) / (canvas.width - 1); }"""
    )


def test_ranked_features_are_listed_by_name_with_their_attention(opened: Opened, smears: list[str]) -> None:
    page = opened()
    upload(page, smears[0])
    outlined(page)
    rows = page.get_by_role("table", name="Ranked features by name").get_by_role("row").all_inner_texts()
    assert len(rows) == 4 and "Attention" in rows[0]
    assert rows[1].split() == ["1_convnext_atto_0000", "3", "1.5", "40", "%", "-0.1"]
    page.locator("#model").select_option("sharp")
    page.get_by_text("1 of 1 images done").first.wait_for()
    page.locator("article").wait_for()
    assert page.get_by_role("table", name="Ranked features by name").count() == 0 and page.locator("#map").count() == 0
    assert "Grad-CAM" in page.locator(".switches").inner_text()
    numbers = page.get_by_role("table", name="Numbers of what goes on in the network").get_by_role("row")
    assert numbers.nth(1).inner_text().split() == ["stem", "0.25", "Firing", "rate"]


def test_the_answer_does_not_wait_for_the_cells_and_nothing_moves_when_they_come(
    opened: Opened, smears: list[str]
) -> None:
    gate = threading.Event()
    with served(app(FakeModel(cell_gate=gate), workers=2)) as address:
        page = opened(address)
        upload(page, *smears)
        page.get_by_text("3 of 3 images done").first.wait_for()
        assert page.locator("figcaption").inner_text() == "White cells are looked for …"
        assert page.locator(".cell").count() == 0 and page.get_by_role("button", name="Download report").is_disabled()
        page.get_by_label("Where the model looked").fill("85")
        page.get_by_label("Where the model looked").focus()
        gate.set()
        outlined(page)
        assert page.locator(".cell").count() == 2 and "2 white cells" in page.locator(".field").get_attribute(
            "aria-label"
        )
        assert page.locator(".heat").get_attribute("opacity") == "0.85"
        assert page.evaluate("document.activeElement.id") == "heat"
        page.locator("#report:enabled").wait_for()


def test_cells_that_cannot_be_had_are_said_beside_the_answer(opened: Opened, smears: list[str]) -> None:
    gate = threading.Event()
    with served(app(FakeModel(cell_gate=gate), answer_seconds=1)) as address:
        page = opened(address)
        upload(page, smears[0])
        page.get_by_text("White cells could not be looked for: There was no answer within 1 seconds").first.wait_for()
        gate.set()
        assert shares(page) == pytest.approx(expected(0), abs=0.11)
        assert page.locator("#report").is_enabled()


def test_many_images_are_listed_and_chosen(opened: Opened, smears: list[str]) -> None:
    page = opened()
    upload(page, *smears)
    page.get_by_text("3 of 3 images done").first.wait_for()
    assert page.locator("#list button").count() == 3
    page.get_by_role("button", name="smear2.png").click()
    assert page.locator("article h2").inner_text() == "smear2.png"
    assert shares(page) == pytest.approx(expected(2), abs=0.11)
    page.get_by_role("button", name="Clear").click()
    assert page.locator("article").count() == page.locator("#list button").count() == 0


def test_another_model_answers_the_same_images_anew(opened: Opened, smears: list[str]) -> None:
    page = opened()
    upload(page, *smears)
    page.get_by_text("3 of 3 images done").first.wait_for()
    page.get_by_label("Model", exact=True).select_option("sharp")
    page.get_by_text("Answered by sharp").wait_for()
    assert shares(page) == pytest.approx(expected(0, 3.0), abs=0.11)
    page.get_by_text("3 of 3 images done").first.wait_for()


def test_files_are_dropped(opened: Opened) -> None:
    page = opened()
    page.wait_for_selector("#drop", state="visible")
    page.evaluate(
        """async () => {
            const canvas = document.createElement("canvas");
            const blob = await new Promise((done) => canvas.toBlob(done));
            const data = new DataTransfer();
            data.items.add(new File([blob], "dropped.png", { type: "image/png" }));
            document.getElementById("drop").dispatchEvent(
                new DragEvent("drop", { bubbles: true, cancelable: true, dataTransfer: data }));
        }"""
    )
    page.wait_for_selector("article")
    assert page.locator("article h2").inner_text() == "dropped.png"


def test_it_says_when_it_would_rather_not_answer(opened: Opened) -> None:
    import fake_service

    page = opened()
    flat = fake_service.png(np.full((60, 60, 3), (200, 20, 20), np.uint8))
    upload(page, {"name": "flat.png", "mimeType": "image/png", "buffer": flat})
    page.wait_for_selector("article")
    assert page.locator(".headline").inner_text().startswith("No answer")
    assert "one colour only" in page.locator(".reasons").inner_text()
    page.get_by_text("None were found").wait_for()


def test_what_cannot_be_read_is_said_and_the_rest_goes_on(opened: Opened, smears: list[str]) -> None:
    bad = {"name": "page.html", "mimeType": "text/html", "buffer": b"<html>" + b" " * 100}
    large = {"name": "large.png", "mimeType": "image/png", "buffer": bytes(2**20 + 1)}
    with served(app(max_bytes=2**20)) as address:
        page = opened(address)
        upload(page, bad, large, smears[1])
        page.get_by_text("3 of 3 images done").first.wait_for()
    assert "2 not readable or not answered" in page.locator("#summary").inner_text()
    page.get_by_role("button", name="page.html").click()
    assert "a web page, not an image" in page.locator("article").inner_text()
    page.get_by_role("button", name="large.png").click()
    assert "larger than the 1 MB" in page.locator("article").inner_text()
    page.get_by_role("button", name="smear1.png").click()
    assert shares(page) == pytest.approx(expected(1), abs=0.11)


def test_markup_in_a_file_name_stays_text(opened: Opened, smears: list[str]) -> None:
    page = opened()
    name = "<img src=x onerror=alert(1)>.png"
    upload(page, {"name": name, "mimeType": "image/png", "buffer": Path(smears[0]).read_bytes()})
    page.wait_for_selector("article")
    assert page.locator("article h2").inner_text() == name


def test_a_service_that_is_gone_is_said(opened: Opened, smears: list[str]) -> None:
    with served(app()) as address:
        page = opened(address)
        page.wait_for_selector("#drop", state="visible")
    upload(page, smears[0])
    page.get_by_text("cannot be reached").first.wait_for()


def test_a_busy_service_is_asked_again(opened: Opened, smears: list[str]) -> None:
    with served(app(FakeModel(seconds=0.3), workers=1, queue=0)) as address:
        page = opened(address)
        upload(page, *smears)
        page.get_by_text("3 of 3 images done").first.wait_for()
        assert "not answered" not in page.locator("#summary").inner_text()


def test_a_token_is_asked_for_and_kept(opened: Opened, smears: list[str]) -> None:
    with served(app(token="correct-horse-battery")) as address:
        page = opened(address)
        page.get_by_label("This service asks for a token").fill("wrong-token-here")
        page.keyboard.press("Enter")
        page.get_by_text("That is not the token").wait_for()
        page.get_by_label("This service asks for a token").fill("correct-horse-battery")
        page.keyboard.press("Enter")
        page.wait_for_selector("#drop", state="visible")
        upload(page, smears[0])
        page.wait_for_selector("article")
        page.reload()
        page.wait_for_selector("#drop", state="visible")


def test_everything_is_reached_by_keyboard(opened: Opened, smears: list[str]) -> None:
    page = opened()
    upload(page, *smears[:2])
    page.get_by_text("2 of 2 images done").first.wait_for()
    outlined(page)
    page.evaluate("document.activeElement.blur()")
    met = []
    for _ in range(40):
        page.keyboard.press("Tab")
        met.append(
            page.evaluate(
                """() => { const e = document.activeElement;
                    if (e === document.body) return "";
                    const shown = e.matches(":focus-visible") && getComputedStyle(e).outlineStyle !== "none"
                      || e.closest(".drop");
                    return (shown ? "" : "unseen ") + (e.id || e.textContent.trim().slice(0, 12) || e.tagName); }"""
            )
        )
    assert not [element for element in met if element.startswith("unseen")], met
    wanted = [
        "Skip to the ",
        "model",
        "files",
        "reference",
        "report",
        "print",
        "clear",
        "cells",
        "map",
        "heat",
        "1",
        "2",
    ]
    places = [met.index(element) for element in wanted]
    assert places == sorted(places)
    page.locator("#heat").focus()
    before = page.locator(".heat").get_attribute("opacity")
    page.keyboard.press("ArrowRight")
    assert page.locator(".heat").get_attribute("opacity") != before
    page.locator("#list button").nth(1).focus()
    page.keyboard.press("Enter")
    assert page.locator("article h2").inner_text() == "smear1.png"
    assert page.evaluate("document.activeElement.textContent").startswith("smear1.png")


def test_the_report_is_one_file_that_needs_nothing_else(opened: Opened, smears: list[str], tmp_path: Path) -> None:
    page = opened()
    bad = {"name": "broken.jpg", "mimeType": "image/jpeg", "buffer": b"\xff\xd8\xff"}
    upload(page, *smears[:2], bad)
    page.get_by_text("3 of 3 images done").first.wait_for()
    page.get_by_label("Case reference").fill("A 12/<b>7</b>")
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download report").click()
    assert waiting.value.suggested_filename == "leukoflow-A-12-b-7-b-.html"
    file = tmp_path / "report.html"
    waiting.value.save_as(file)
    text = file.read_text(encoding="utf-8")
    assert "http://127" not in text and "<script" not in text and "<b>7</b>" not in text
    faults: list[str] = []
    shown = page.context.new_page()
    shown.on("console", lambda line: faults.append(line.text))
    shown.goto(file.as_uri())
    assert shown.title() == "LeukoFlow report: A 12/<b>7</b>"
    assert shown.locator("article").count() == 2 and shown.locator(".stills svg.field").count() == 6
    assert "Spatial gate. Bright where it is highest. A gate over positions." in shown.locator("main").inner_text()
    assert shown.get_by_role("table", name="Ranked features by name").count() == 2
    assert "must not guide the care of a patient" in shown.locator(".notice").inner_text()
    assert FINDINGS[-1] in shown.locator("main").inner_text()
    assert "broken.jpg" in shown.locator("main").inner_text()
    assert shown.evaluate("[...document.images].every((image) => image.naturalWidth > 0)")
    assert not faults
    page.bring_to_front()


def test_on_paper_stands_the_report(opened: Opened, smears: list[str]) -> None:
    page = opened()
    upload(page, *smears[:2])
    page.locator("#print:enabled").wait_for()
    data = page.pdf()
    assert data.startswith(b"%PDF")
    page.emulate_media(media="print")
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert page.locator("#paper article").count() == 2 and page.locator("#paper article").first.is_visible()
    assert not page.locator("#ask").is_visible()
    page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    page.emulate_media(media="screen")
    assert page.locator("#paper").count() == 0 and page.locator("#ask").is_visible()


@pytest.mark.parametrize("width", [320, 360, 768, 1360])
def test_nothing_sticks_out_at_any_width(width: int, opened: Opened, smears: list[str]) -> None:
    page = opened(**PHONE | {"viewport": {"width": width, "height": 740}})
    upload(page, *smears[:2])
    page.get_by_text("2 of 2 images done").first.wait_for()
    outlined(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    small = page.evaluate(
        """() => [...document.querySelectorAll("button, select, summary, input")].filter((e) => e.offsetParent)
            .map((e) => [e.id || e.textContent, (e.closest("label") ?? e).getBoundingClientRect().height])
            .filter(([, high]) => high < 24)"""
    )
    assert small == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("options", [{}, PHONE], ids=["desk", "phone"])
def test_axe_finds_nothing(scheme: str, options: dict[str, Any], opened: Opened, smears: list[str]) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    page = opened(color_scheme=scheme, **options)
    page.wait_for_selector("#drop", state="visible")
    assert axe.Axe().run(page).violations_count == 0
    bad = {"name": "broken.jpg", "mimeType": "image/jpeg", "buffer": b"\xff\xd8\xff"}
    upload(page, *smears[:2], bad)
    page.get_by_text("3 of 3 images done").first.wait_for()
    outlined(page)
    page.locator("#card summary").click()
    results = axe.Axe().run(page)
    assert results.violations_count == 0, results.generate_report()
    page.get_by_role("button", name="broken.jpg").click()
    results = axe.Axe().run(page)
    assert results.violations_count == 0, results.generate_report()


def test_axe_finds_what_is_planted(opened: Opened) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    page = opened()
    page.wait_for_selector("#drop", state="visible")
    page.evaluate("document.querySelector('main').append(document.createElement('img'))")
    assert axe.Axe().run(page).violations_count == 1
