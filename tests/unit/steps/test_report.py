import re
from html.parser import HTMLParser

import pandas as pd
import pytest
from drawing import TASK, drawn
from fake_study import finished_study, texts

from leukoflow.core.errors import LeukoFlowError
from leukoflow.steps import report


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
    drawn("leaderboard", figures / "leaderboard.png", leaderboard=root / "tables/leaderboard.csv")
    drawn("comparison", figures / "comparison.main.png", comparisons=root / "comparisons/main.csv")
    panel = "demo.subtype.plain.image"
    drawn("confusion", figures / f"confusion.{panel}.png", confusion=root / f"parts/scores/{panel}/confusion.csv")
    files = {"manifest": root / "cohorts/demo/manifest.parquet", "view": root / "views/demo.plain/view.json"}
    drawn("samples", figures / "samples.demo.subtype.png", {"task": TASK}, **files)
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


def test_the_page_needs_nothing_from_elsewhere(made, text):
    page = Page(text)
    assert page.open == [] and len(page.pictures) == 4
    beside = [address for address in page.addresses if not address.startswith(("#", "data:image/"))]
    assert beside and all((made / address).exists() for address in beside)
    assert not re.search(r"url\(|@import|https?://(?!www\.w3\.org)", re.sub(r"base64,[\w+/=]+", "", text))
    assert {address[1:] for address in page.addresses if address.startswith("#")} <= set(page.ids)
    assert len(page.ids) == len(set(page.ids)) and all(picture["alt"] for picture in page.pictures)


def test_photographs_are_pictures_and_drawings_are_drawn(text):
    kinds = [picture["src"].split(";")[0] for picture in Page(text).pictures]
    assert sorted(kinds) == ["data:image/svg+xml"] * 3 + ["data:image/webp"]


def test_it_opens_with_best_model_baseline_and_findings(made, text):
    board = pd.read_csv(made / "tables/leaderboard.csv")
    strict = board[board["protocol"] == "acquisition"]
    best = strict[strict["model"] != "colour_histogram"].sort_values("accuracy").iloc[-1]
    opening = text[text.index('<section id="summary"') : text.index('<section id="leaderboards"')]
    first = opening[opening.index("<article") : opening.index("</article>")]
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


def test_the_page_is_in_the_order_of_its_contents(text):
    shown = re.findall(r'<section id="([a-z]+)"', text)
    contents = text[text.index("<nav") : text.index("</nav>")]
    assert re.findall(r'href="#([a-z]+)"', contents) == shown
    assert shown[:2] == ["summary", "leaderboards"] and shown[-1] == "methods"
    assert shown.index("details") < shown.index("splits") < shown.index("published") < shown.index("efficiency")
    assert text.count("<h2") == len(shown)


def test_findings_lead_to_where_their_numbers_stand(text):
    match = re.search(r"Duplicates within demo.*?</li>", text, re.S)
    assert match and '<a href="#cohorts">Cohorts and image quality</a>' in match.group()
    folded = text[text.index("To bear in mind") : text.index('<section id="leaderboards"')]
    assert "Numbers published for ResNet50 + HMSCAM" in folded and '<a href="#published">' in folded


def test_all_files_of_a_cohort_are_accounted_for(made, text):
    images = len(pd.read_parquet(made / "cohorts/demo/manifest.parquet"))
    parts = f"{images} usable images, 2 rejected, 2 masks, 1 excluded by the config and 1 hidden or left by a system"
    assert f"{images + 6} files in its folder: {parts}" in text


def test_published_numbers_stand_beside_measured_ones(made, text):
    title, *rows = table_of(text, "Published next to reproduced")
    shown = {row[0]: dict(zip(title, row, strict=True)) for row in rows}
    board = pd.read_csv(made / "tables/leaderboard.csv").set_index(["model", "protocol"])["accuracy"]
    row = shown["accuracy, four classes NeurALLNet; here neurallnet"]
    assert row["Published"].startswith("98.16 %") and row["Comparable"] == "no"
    assert row["Here, images at random"].startswith(f"{100 * board['neurallnet', 'image']:.1f}")
    assert row["Here, strictest split"].startswith(f"{100 * board['neurallnet', 'acquisition']:.1f}")
    assert row["Here, strictest split"].endswith("acquisition")
    title, *rows = table_of(text, "What cannot be")
    shown = {row[0].split(" ResNet50")[0]: row for row in rows}
    assert shown["parameters of the whole model"][3] == "cannot be"
    assert "23,508,032" in shown["parameters of the whole model"][4]
    title, *rows = table_of(text, "The papers&#39; figures")
    assert ["NeurALLNet", "3"] in [row[:2] for row in rows] and "3_confusion_image" in text
    assert "Not in this study: CNN-ViT hybrids, HybridCN-NAS and VGG19 + MHSA with focal loss." in text


def test_tables_of_models_start_with_the_baseline_where_they_have_it_and_can_be_sorted(text):
    tables = re.findall(r'<table class="sortable">.*?</table>', text, re.S)
    tables = [table for table in tables if 'class="unseen"' not in table]
    first = [
        re.findall(r"<tbody>\s*<tr[^>]*>\s*<td[^>]*>([^<]*)", table)[0].strip()
        for table in tables
        if ">Model</button>" in table and re.search(r"<tr[^>]*>\s*<td[^>]*>colour_histogram", table)
    ]
    assert len(first) >= 5 and set(first) == {"colour_histogram"}
    assert all("aria-sort" in table and 'type="button"' in table for table in tables)


def table_of(text: str, caption: str) -> list[list[str]]:
    """Title line and rows of the first table whose caption starts so, the folded rows with them."""
    tables = [
        table_text
        for table_text in re.findall(r"<table.*?</table>", text, re.S)
        if f'class="caption">{caption}' in table_text
    ]
    folded = [table_text for table_text in tables[1:2] if 'class="unseen"' in table_text]
    table = tables[0] + "".join(table_text[table_text.index("<tbody>") :] for table_text in folded)
    rows = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.S) for row in re.findall(r"<tr.*?</tr>", table, re.S)]
    return [[" ".join(re.sub(r"<[^>]+>", " ", cell).split()) for cell in row] for row in rows]


def test_published_figures_stand_in_columns_of_their_own(text):
    title, *rows = table_of(text, "Test results")
    shown = {row[0]: dict(zip(title, row, strict=True)) for row in rows}
    assert shown["neurallnet random weights"]["Accuracy (as published)"] == "98.2 %"
    assert shown["colour_histogram"]["Accuracy (as published)"] == "—"
    assert shown["resnet50_hmscam random weights"]["Macro F1 (as published)"] == "0.928"
    assert "MCC (as published)" not in title and "Accuracy" in title


def test_the_comparison_tells_measured_from_published(made, text):
    title, *rows = table_of(text, "Against neurallnet")
    assert title[2:5] == ["Accuracy (measured)", "neurallnet (measured)", "Difference (measured), points"]
    assert title[-3:] == ["Accuracy (as published)", "neurallnet (as published)", "Difference (as published), points"]
    table = pd.read_csv(made / "tables/comparisons.csv")
    assert [row[0] for row in rows] == table["model"].tolist()
    for row, expected in zip(rows, table.to_dict("records"), strict=True):
        measured = f"{100 * expected['difference']:+.1f}".replace("-", "\N{MINUS SIGN}")
        assert row[4].split()[0] == measured.replace("+0.0", "0.0")
        several = expected["low"] < expected["high"]
        assert (" to " in row[4], row[5]) == (several, "groups" if several else "") and row[7] == "McNemar"
    assert [row[-1] for row in rows] == ["—", "\N{MINUS SIGN}4.7"] * 2


def test_an_experiment_without_reference_has_no_comparison(made, tmp_path):
    tables = [path for path in sorted((made / "tables").glob("*.csv")) if path.stem != "comparisons"]
    header = (made / "tables/comparisons.csv").read_text().splitlines()[0]
    (tmp_path / "comparisons.csv").write_text(header + "\n")
    page = write(made, texts([*tables, tmp_path / "comparisons.csv"]), tmp_path / "report.html")
    assert "Against neurallnet" not in page and "comparison" not in "".join(re.findall(r'alt="([^"]*)"', page))


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


def test_times_have_units_that_fit_and_nothing_takes_no_time(text):
    cells = [re.sub(r"<[^>]+>", "", cell) for cell in re.findall(r"<td[^>]*>.*?</td>", text, re.S)]
    assert not [cell for cell in cells if re.search(r"(?<![\d.])0\.0+\s?(s|ms|MB|GB)\b", cell)]
    title, *rows = table_of(text, "What one image costs")
    latency = [row[title.index("Latency")] for row in rows]
    assert all(re.match(r"[\d.]+\s(\u03bcs|ms|s)\b", time) for time in latency if time != "\u2014")


def test_each_folded_section_has_a_title_a_question_and_the_count_of_its_problems(text):
    folded = re.findall(r'<details class="subject">\s*<summary>(.*?)</summary>\s*<section id="(\w+)"', text, re.S)
    assert len(folded) == text.count("<h2") - 1
    assert all("<h2" in title and 'class="question"' in title for title, _ in folded)
    problems = re.findall(r'<li class="bad"><b><span class="mark">Problem.*?</li>', text, re.S)
    for title, name in folded:
        linked = [problem for problem in problems if f'href="#{name}"' in problem]
        told = re.search(r'class="bad">(\d+) problem', title)
        assert (int(told[1]) if told else 0) == len(linked)
