"""The README's picture is drawn by the code, and its texts stay within their boxes."""

import re
from xml.etree import ElementTree

import pytest
from PIL import ImageFont

from leukoflow.outputs import overview

SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize("page", overview.COLOURS)
def test_the_committed_picture_is_the_one_drawn(page: str) -> None:
    file = overview.FOLDER / f"overview-{page}.svg"
    assert file.read_text() == overview.picture(overview.COLOURS[page]), "run make docs"
    assert f"docs/{file.name}" in (overview.FOLDER.parent / "README.md").read_text()


def test_texts_stay_within_their_boxes() -> None:
    from matplotlib import font_manager

    regular, bold = (font_manager.findfont(f"DejaVu Sans:{style}") for style in ("regular", "bold"))
    drawing = ElementTree.fromstring(overview.picture(overview.COLOURS["light"]))
    boxes = [(float(box.attrib["x"]), float(box.attrib["width"])) for box in drawing.iter(f"{SVG}rect")]
    texts = list(drawing.iter(f"{SVG}text"))
    assert len(boxes) == len(overview.STAGES) and len(texts) == sum(1 + len(lines) for _, lines in overview.STAGES)
    for text in texts:
        size = int(re.sub(r"\D", "", text.attrib["font-size"]))
        font = ImageFont.truetype(bold if "font-weight" in text.attrib else regular, size)
        start = float(text.attrib["x"])
        assert any(left < start and start + font.getlength(text.text) < left + width for left, width in boxes), (
            text.text
        )
