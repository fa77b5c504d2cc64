import re
from html.parser import HTMLParser

import pandas as pd
import pytest
from fake_study import finished_study, texts

from leukoflow.core.errors import LeukoFlowError
from leukoflow.steps import figure_confusion, figure_leaderboard, figure_samples, report


class Page(HTMLParser):
    """Addresses, pictures, identifiers and nesting of a page."""

    VOID = {"meta", "img", "link", "br"}

    def __init__(self, text: str):
        super().__init__()
        self.addresses, self.pictures, self.ids, self.open = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.addresses += [value for name, value in attrs if name in ("src", "href", "xlink:href", "action", "data")]
        self.ids += [values["id"]] if "id" in values else []
        self.pictures += [values] if tag == "img" else []
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = finished_study(tmp_path_factory.getbasetemp() / "study").root
    figures = root / "figures"
    figure_leaderboard.main(
        ["--leaderboard", str(root / "tables/leaderboard.csv"), "--output", str(figures / "leaderboard.png")]
    )
    counts = texts(sorted(root.glob("runs/*.image.*/confusion.csv")))
    figure_confusion.main(
        ["--confusions", *counts, "--output", str(figures / "confusion.demo.subtype.plain.image.png")]
    )
    view, task = str(root / "views/demo.plain/view.json"), '{"classes": ["Benign", "Early", "Pre", "Pro"]}'
    manifest = str(root / "cohorts/demo/manifest.parquet")
    output = str(figures / "samples.demo.subtype.png")
    figure_samples.main(["--settings", task, "--manifest", manifest, "--view", view, "--output", output])
    return root


def write(root, tables: list[str], output) -> str:
    figures = texts(sorted((root / "figures").glob("*.png")))
    report.main(
        ["--study", str(root / "study.json"), "--tables", *tables, "--figures", *figures, "--output", str(output)]
    )
    return output.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def text(made):
    return write(made, texts(sorted((made / "tables").glob("*.csv"))), made / "report.html")


def test_the_page_needs_nothing_from_elsewhere(text):
    page = Page(text)
    assert page.open == [] and len(page.pictures) == 3
    assert all(address.startswith(("#", "data:image/")) for address in page.addresses)
    assert not re.search(r"url\(|@import|https?://(?!www\.w3\.org)", re.sub(r"base64,[\w+/=]+", "", text))
    assert {address[1:] for address in page.addresses if address.startswith("#")} <= set(page.ids)
    assert len(page.ids) == len(set(page.ids)) and all(each["alt"] for each in page.pictures)


def test_photographs_are_pictures_and_drawings_are_drawn(text):
    kinds = [each["src"].split(";")[0] for each in Page(text).pictures]
    assert sorted(kinds) == ["data:image/svg+xml", "data:image/svg+xml", "data:image/webp"]


def test_it_opens_with_best_model_baseline_and_findings(made, text):
    board = pd.read_csv(made / "tables/leaderboard.csv")
    strict = board[board["protocol"] == "acquisition"]
    best = strict[strict["model"] != "colour_histogram"].sort_values("accuracy").iloc[-1]
    opening = text[text.index('id="know"') : text.index('id="cohorts"')]
    first = opening[: opening.index("</article>")]
    assert first.index(best["model"]) < first.index("colour_histogram")
    assert f"{best['accuracy']:.1%}".replace("%", "\N{NO-BREAK SPACE}%") in first and "random weights" in first
    for said in (
        "Leakage: demo",
        "away overlaps with demo",
        "Duplicates within demo",
        "Scale bars in demo",
        "2 of 122 files",
        "not as published",
    ):
        assert said in opening


def test_every_table_of_models_starts_with_the_baseline_and_can_be_sorted(text):
    tables = re.findall(r'<table class="sortable">.*?</table>', text, re.S)
    first = [
        re.findall(r"<tbody>\s*<tr[^>]*>\s*<td[^>]*>([^<]*)", table)[0].strip()
        for table in tables
        if ">Model</button>" in table
    ]
    assert len(first) >= 5 and set(first) == {"colour_histogram"}
    assert all("aria-sort" in table and 'type="button"' in table for table in tables)


def test_text_from_the_config_cannot_become_markup(made, tmp_path):
    study = (made / "study.json").read_text()
    (tmp_path / "study.json").write_text(study.replace("Made-up study", "<script>alert(1)</script>"))
    arguments = [
        "--tables",
        *texts(sorted((made / "tables").glob("*.csv"))),
        "--figures",
        str(made / "figures/leaderboard.png"),
    ]
    report.main(["--study", str(tmp_path / "study.json"), *arguments, "--output", str(tmp_path / "report.html")])
    assert "<script>alert" not in (tmp_path / "report.html").read_text()


def test_a_missing_table_is_named(made, tmp_path):
    tables = [path for path in texts(sorted((made / "tables").glob("*.csv"))) if "audit" not in path]
    with pytest.raises(LeukoFlowError, match="the table audit is missing"):
        write(made, tables, tmp_path / "report.html")
