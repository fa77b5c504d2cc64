"""The reference page of results: up to date, whole, and right about columns and units."""

import re

import pandas as pd
import pytest
from fake_study import FakeStudy, finished_study

from leukoflow.config.published import papers
from leukoflow.outputs import reference
from leukoflow.outputs.columns import COLUMNS, ENDINGS, PLACE, STARTS
from leukoflow.outputs.figures import FIGURES
from leukoflow.outputs.files import FILES, VARYING
from leukoflow.outputs.tables import NAMES, TABLES
from leukoflow.papers.checks import check_table

TABLE_LIKE = [(spec.name, reference.columns_of(spec.columns, spec.name)) for spec in (*TABLES, *FILES) if spec.columns]
UNITS = {
    "_ms": "ms", "_mb": "MB", "_uj": "µJ", "_um": "µm", "_um2": "µm²", "seconds": "s", "bytes": "bytes",
    "um_per_pixel": "µm a pixel", "bar_x0": "pixels", "width": "pixels",
}  # fmt: skip
"""Endings of names and the unit that the text must state."""


@pytest.fixture(scope="module")
def fake(tmp_path_factory: pytest.TempPathFactory) -> FakeStudy:
    """A made-up study with every table."""
    return finished_study(tmp_path_factory.mktemp("study"))


def test_the_page_is_up_to_date() -> None:
    assert reference.PAGE.read_text() == reference.page(), "docs/results.md is not up to date; run: make docs"


def test_every_figure_table_and_file_is_on_the_page() -> None:
    page = reference.page()
    headings = re.findall(r"^### `(.*)`$", page, re.MULTILINE)
    assert len(headings) == len(set(headings))
    named = {heading.removeprefix("figures/").split(".")[0] for heading in headings if heading.startswith("figures/")}
    assert named - {"PAPER/"} == {spec.name for spec in FIGURES}
    assert {heading[7:-4] for heading in headings if heading.startswith("tables/")} == set(NAMES)
    folders = re.split(r"^### ", page.split("## Other files\n")[1], flags=re.MULTILINE)[1:]
    listed = [
        (re.match(r"`(.*)`", part) or [""] * 2)[1] + file
        for part in folders
        for file in re.findall(r"^\| `(\S*)` \| .* \| \[steps/", part, re.MULTILINE)
    ]
    assert sorted(listed) == sorted(spec.path for spec in FILES)
    for link in re.findall(r"\]\(\.\./([^)]*)\)", page):
        assert (reference.ROOT / link).is_file(), link
    for anchor in re.findall(r"\]\(#([^)]*)\)", page):
        titles = re.findall(r"^## (.*)$", page, re.MULTILINE)
        assert anchor in {title.lower().replace(" ", "-") for title in titles}


def test_columns_are_those_that_are_written(fake: FakeStudy) -> None:
    for spec in TABLES:
        written = pd.read_csv(fake.root / "tables" / f"{spec.name}.csv", nrows=1)
        assert list(written.columns) == reference.columns_of(spec.columns, spec.name), spec.name
        for column in written.columns:
            assert reference.meaning(spec.name, column)


def test_every_column_has_an_entry_and_every_entry_a_column() -> None:
    used = {reference.key_of(name, column) for name, columns in TABLE_LIKE for column in columns}
    glossary = {*COLUMNS, *PLACE, *ENDINGS, *STARTS}
    assert glossary - used == set()
    # What a table or file is called is said of one alone, or its entries would be those of another.
    names = [name for name, _ in TABLE_LIKE]
    assert len(names) == len(set(names))


def test_units_of_names_are_in_the_texts() -> None:
    for name, columns in TABLE_LIKE:
        for column in columns:
            for ending, unit in UNITS.items():
                if column.endswith(ending) and reference.key_of(name, column) not in {*ENDINGS, *STARTS}:
                    text = reference.meaning(name, column)
                    assert re.search(rf"(?<!\w){re.escape(unit)}(?!\w)", text), (name, column, text)


def test_a_column_that_means_something_else_is_told_apart() -> None:
    assert reference.meaning("conformal", "size") == "mean number of classes in a set"
    assert reference.meaning("efficiency", "size") == "size of the architecture, such as `paper` or `small`"
    assert reference.meaning("leaderboard", "mcc_group_low") == ENDINGS["_group_low"]
    assert reference.meaning("external", "unseen_mcc_low") == STARTS["unseen_"]
    assert reference.meaning("cells/images", "nc_ratio_median") == ENDINGS["_median"]
    assert reference.meaning("cells/cells", "nucleus_area_um2") == "Nucleus area: area, µm²"
    with pytest.raises(KeyError, match=r"scores\.colour_of_the_moon"):
        reference.meaning("scores", "colour_of_the_moon")
    with pytest.raises(KeyError):
        reference.meaning("scores", "moon_low")


def test_words_that_a_column_may_hold_are_those_of_the_code() -> None:
    held = check_table(papers())["verdict"].unique()
    for verdict in held:
        assert f"`{verdict}`" in reference.meaning("published_checks", "verdict")


def test_paths_match_their_own_files_alone() -> None:
    examples = {"SHARD": "017", "NUMBER": "3_confusion_image"}
    for spec in FILES:
        path = re.sub("|".join(VARYING), lambda match: examples.get(match[0], "name"), spec.path)
        assert [other.path for other in FILES if other.pattern.fullmatch(path)] == [spec.path]
    assert not any(spec.pattern.fullmatch("cells/demo/other.parquet") for spec in FILES)
