"""Texts of users in a model card."""

import html
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from leukoflow.core.names import plain, shown
from leukoflow.export.card import literal
from leukoflow.serve.models import card_html

HOSTILE = [
    "<script>alert(1)</script>",
    "a|b `c` *d* _e_ [f](javascript:x) ~~g~~",
    "B$1$ {x}",
    "C:\\d\\",
    "&lt;i&gt;",
    "a\n# b",
]


def text_of(markdown: str) -> str:
    page = MarkdownIt("commonmark", {"html": True}).enable("table").enable("strikethrough").render(markdown)
    return html.unescape(re.sub(r"</?(p|table|thead|tbody|tr|th|td)>|\n", "", page))


@pytest.mark.parametrize("text", HOSTILE)
def test_it_says_what_the_user_wrote(text: str) -> None:
    assert text_of(f"Classes: {literal(text)}.") == f"Classes: {shown(text)}."
    cells = text_of(f"| {literal(text)} | x |\n| --- | --- |\n")
    assert cells == f"{shown(text)}x"


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=12))
def test_whatever_the_user_wrote(text: str) -> None:
    assert text_of(f"Classes: {literal(plain(text))}.") == f"Classes: {shown(plain(text))}."


def test_the_page_shows_tags_as_text(tmp_path) -> None:
    (tmp_path / "card.md").write_text(f"# {literal(HOSTILE[0])}\n\n{literal(HOSTILE[1])}\n")
    page = card_html(tmp_path / "card.md")
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page and "<a" not in page and "<em" not in page
