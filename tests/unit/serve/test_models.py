"""Finding exported models and showing their cards."""

from pathlib import Path

import pytest
from fake_service import FakeModel

from leukoflow.core.errors import LeukoFlowError
from leukoflow.serve import models as served


def export(folder: Path, card: str = "# Card") -> Path:
    folder.mkdir(parents=True)
    (folder / "export.json").write_text("{}")
    (folder / "card.md").write_text(card)
    return folder


def test_a_folder_of_models_and_single_ones_are_found_once(tmp_path: Path) -> None:
    first, second = export(tmp_path / "export/a"), export(tmp_path / "export/b")
    (tmp_path / "export/notes").mkdir()
    assert served.find_exports([tmp_path / "export"]) == [first, second]
    assert served.find_exports([second, tmp_path / "export"]) == [second, first]


@pytest.mark.parametrize("name", ["", "empty", "missing"])
def test_a_folder_without_any_is_an_error_that_names_it(name: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(LeukoFlowError, match="holds no exported model") as caught:
        served.find_exports([tmp_path / name])
    assert str(tmp_path / name) in str(caught.value)


def test_models_of_one_name_are_told_apart_by_their_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    models = {"a": FakeModel("net", study="one"), "b": FakeModel("net", study="two"), "c": FakeModel("other")}
    monkeypatch.setattr(served, "open_model", lambda folder, threads, int8: models[folder.name])
    folders = [export(tmp_path / name) for name in models]
    assert list(served.open_models(folders, int8=False)) == ["one.net", "two.net", "other"]
    models["b"] = FakeModel("net", study="one")
    with pytest.raises(LeukoFlowError, match=r"one\.net"):
        served.open_models(folders, int8=False)


def test_a_card_is_shown_with_its_tables_and_below_the_pages_headings(tmp_path: Path) -> None:
    made = served.card_html(
        export(tmp_path / "a", "# Net\n\n## Results\n\n| a | b |\n|---|---|\n| 1 | 2 |\n") / "card.md"
    )
    assert "<h3>Net</h3>" in made and "<h4>Results</h4>" in made and "<td>2</td>" in made


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "[x](javascript:alert(1))",
        "![x](http://other/x.png)",
    ],
)
def test_a_card_brings_no_markup_of_its_own(text: str, tmp_path: Path) -> None:
    made = served.card_html(export(tmp_path / "a", text) / "card.md")
    assert "<script" not in made and "<img" not in made and 'href="javascript' not in made


def test_a_card_that_is_missing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(LeukoFlowError, match=r"card\.md"):
        served.card_html(tmp_path / "card.md")
