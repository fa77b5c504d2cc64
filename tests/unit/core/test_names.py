"""One form for names, and what counts as looking alike."""

import time
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leukoflow.core.names import Disk, absent, alike, plain, shown, skeleton, told_apart

NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


@pytest.mark.parametrize(
    "text",
    [
        "P1",
        "P1 ",
        " P1",
        "\tP1\n",
        "\u00a0P1\u00a0",
        "\ufeffP1",
        "P1\u200b",
        "\u2003P1\u202f",
        "\r\nP1\x00",
        "P1\u2028",
    ],
)
def test_what_nobody_sees_is_taken_away(text: str) -> None:
    assert plain(text) == "P1"


def test_plain_keeps_what_may_mean_something() -> None:
    assert plain("Be\u0301nin") == "B\u00e9nin"
    assert plain("Pre  B") == "Pre  B" and plain("Pre-B") == "Pre-B" and plain("p1") == "p1"
    assert plain("Pro\r\nB") == "Pro B"
    assert plain(" \u200b\t") == ""


@given(NAMES, st.text(" \t\n\u00a0\u200b\ufeff", max_size=3))
def test_plain_is_stable_and_sees_no_rim(name: str, rim: str) -> None:
    assert plain(plain(name)) == plain(name) == plain(rim + name + rim)
    assert plain(unicodedata.normalize("NFD", name)) == plain(name)


@pytest.mark.parametrize(
    "names",
    [
        ("P1", "p1", "P-1", "P 1", "P_1", "P.1", "P01", "P-01", "P001", "p\u00a01", "P\u200b1", "(P1)"),
        ("P1", "\u04201", "\u03a11", "\uff30\uff11"),  # Cyrillic, Greek, full-width
        ("P10", "P1O", "P1o", "p10"),
        ("P11", "P1l", "P1I"),
        ("7", "007", "7.0", "07", " 7"),
        ("1.5", "1.50", "01.5"),
        ("B\u00e9nin", "Be\u0301nin", "Benin", "BENIN"),
        ("2020-01-05", "2020-1-5", "2020/01/05", "2020.1.5"),
        ("Pre-B", "pre b", "PreB", "pre\u2011B"),
        ("CD34+", "cd34 +"),
    ],
)
def test_names_that_look_alike_are_one_group(names: tuple[str, ...]) -> None:
    assert len({skeleton(name) for name in names}) == 1
    assert alike(names) == [tuple(sorted(set(names)))]


@pytest.mark.parametrize(
    "names",
    [
        ("P1", "P2", "P12", "P21", "Q1", "1"),
        ("1-12", "11-2", "112"),
        ("CD34+", "CD34-"),
        ("1.0", "10", "0.1", "1.05"),
        ("P1a", "P1b"),
        ("Pro", "Pre", "Pro-B"),
        ("?", "!", ""),
        ("ail", "ali", "lai"),
        ("\u0430\u0431", "\u0431\u0430"),
    ],
)
def test_names_that_differ_are_no_group(names: tuple[str, ...]) -> None:
    assert alike(names) == []


@given(st.lists(NAMES, max_size=6))
def test_groups_are_those_of_the_skeleton(names: list[str]) -> None:
    groups = alike([*names, *map(str.upper, names)])
    for group in groups:
        assert len(set(group)) == len(group) > 1 and len({skeleton(name) for name in group}) == 1
    grouped = {name for group in groups for name in group}
    for name in names:
        if skeleton(name) == skeleton(name.upper()) and name != name.upper():
            assert name in grouped


def test_a_hundred_thousand_names_take_seconds() -> None:
    names = [f"Patient-{number:07d}" for number in range(100_000)]
    start = time.process_time()
    assert alike([*names, "patient 12"]) == [("Patient-0000012", "patient 12")]
    assert time.process_time() - start < 5


def test_what_is_shown_is_one_line() -> None:
    text = shown("a\nb\r\u2028\x85\x1b[31m\u202e\udcff\u00e9 \u4e2d")
    assert text == "a\\nb\\r\\u2028\\x85\\x1b[31m\\u202e\\udcff\u00e9 \u4e2d"
    assert shown("plain $x$, 25\u00a0%") == "plain $x$, 25\u00a0%"


def test_names_are_told_apart_by_their_code_where_the_eye_cannot() -> None:
    assert told_apart(["P1", "p1"]) == "'P1', 'p1'"
    assert told_apart(["P1", "\u04201"]) == "'P1', '\\u04201'"
    assert told_apart(["a b", "a\u00a0b"]) == "'a b', 'a\\xa0b'"
    assert told_apart(["\u00e9", "E"]) == "'\u00e9', 'E'"


def test_words_for_nothing() -> None:
    assert all(map(absent, ["NA", "nan", "N/A", "None", "null", "-", "unknown"]))
    assert not any(map(absent, ["P1", "0", "Nancy", ""]))


def test_files_are_found_whatever_the_form_of_their_names(tmp_path: Path) -> None:
    (tmp_path / "Be\u0301nin ").mkdir()
    for name in ("e\u0301.png", "a\\b.png", "plain.png"):
        (tmp_path / "Be\u0301nin " / name).touch()
    disk = Disk(tmp_path)
    assert disk.find("B\u00e9nin/\u00e9.png") == "Be\u0301nin /e\u0301.png"
    assert disk.find("Be\u0301nin /a\\b.png") == "Be\u0301nin /a\\b.png"
    assert disk.find("B\u00e9nin") == "Be\u0301nin "
    assert disk.find("B\u00e9nin/no.png") is None and disk.find("../x") is None
    (tmp_path / "B\u00e9nin").mkdir()
    assert disk.find("B\u00e9nin/plain.png") == "Be\u0301nin /plain.png"  # as it was listed
    assert Disk(tmp_path).find("B\u00e9nin") == "B\u00e9nin"
    (tmp_path / "one ").touch()
    (tmp_path / " one").touch()
    assert Disk(tmp_path).find("one") is None
