"""A study names a ready entry: what it gets, what it changes of it, and what is said of a wrong one."""

import copy
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from leukoflow.config import ready
from leukoflow.config.load import load_study, parse_study, refuse_repeated
from leukoflow.config.study import Study
from leukoflow.core.errors import LeukoFlowError

ROOT = Path(__file__).resolve().parents[3]
STUDIES = sorted((ROOT / "workflow/studies").glob("*.yaml"))
SMOKE = yaml.safe_load((ROOT / "workflow/studies/smoke.yaml").read_text())
SCHEMA = json.loads((ROOT / "config/schema.json").read_text())


def study(**cohort: Any) -> dict:
    """The smoke study with one more cohort, `extra`."""
    config = copy.deepcopy(SMOKE)
    config["cohorts"]["extra"] = cohort
    return config


def written_out(**cohort: Any) -> dict:
    return parse_study(study(**cohort)).model_dump(mode="json")["cohorts"]["extra"]


def test_a_key_that_stands_twice_is_refused(tmp_path: Path) -> None:
    for path in STUDIES:
        refuse_repeated(path)
    text = (ROOT / "workflow/studies/smoke.yaml").read_text()
    old = "    views: [plain]\n"
    (tmp_path / "twice.yaml").write_text(text.replace(old, f"{old}    views: [normalised]\n", 1))
    line = text[: text.index(old)].count("\n") + 2
    with pytest.raises(LeukoFlowError, match=rf"twice.yaml, line {line}: views stands twice in its section"):
        load_study(tmp_path / "twice.yaml")
    (tmp_path / "merged.yaml").write_text("a: &a {x: 1}\nb: {<<: *a, x: 2}\nc: [{x: 1}, {x: 1}]\n")
    refuse_repeated(tmp_path / "merged.yaml")


@pytest.mark.parametrize("name", ready.entries())
def test_an_entry_is_what_its_description_would_be_in_the_study(name: str) -> None:
    assert written_out(entry=name) == written_out(**ready.entries()[name])


def test_a_key_replaces_the_whole_value_of_the_entry() -> None:
    whole = written_out(entry="taleqani")
    assert (whole["images"], len(whole["labels"]), whole["masks"]["coding"]) == (3256, 4, "foreground")
    changes = {"images": 2609, "labels": {"Pro": "Pro"}, "masks": {"path": "m/{stem}.png", "cell": [255]}}
    cohort = written_out(entry="taleqani", **changes)
    # Nothing of the entry is left below a replaced key: coding and expert are the defaults of masks.
    assert cohort["masks"] == written_out(kind="folder", root="/data", masks=changes["masks"])["masks"]
    assert cohort["labels"] == {"Pro": "Pro"} and cohort["images"] == 2609
    rest = whole.keys() - changes.keys()
    assert {key: cohort[key] for key in rest} == {key: whole[key] for key in rest}
    assert written_out(entry="taleqani", masks=None)["masks"] is None
    assert written_out(entry="taleqani") == whole  # the entry itself is as it was


def test_the_resolved_study_holds_the_description_and_is_read_again() -> None:
    config = study(entry="zheng_wbc", kind="folder")
    before = copy.deepcopy(config)
    parsed = parse_study(config)
    assert config == before and "entry" not in parsed.model_dump_json()
    assert Study.model_validate_json(parsed.model_dump_json()) == parsed
    assert parse_study(parsed.model_dump(mode="json")) == parsed


def test_an_optional_entry_whose_folder_is_not_named_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LEUKOFLOW_DATA", raising=False)
    config = study(entry="bcisc", optional=True)
    config["experiments"]["subtype"]["external"] = ["demo_ext", "extra"]
    parsed = parse_study(config)
    assert parsed.cohorts["extra"].left_out and parsed.experiments["subtype"].external == ("demo_ext",)


@pytest.mark.parametrize(
    ("cohort", "message"),
    [
        ({"entry": "taleqni"}, r"extra\.entry: 'taleqni' is not a ready entry; did you mean 'taleqani'\?"),
        ({"entry": "xyz"}, r"extra\.entry: 'xyz' is not a ready entry; known: allidb1, allidb2, bcisc, hosseini, "),
        ({"entry": None}, r"extra\.entry: None is not a ready entry; known: "),
        ({"entry": ["pbc"]}, r"extra\.entry: \['pbc'\] is not a ready entry"),
        (
            {"entry": "pbc", "kind": "folder"},
            r"extra\.kind: the entry 'pbc' is of kind 'download', not 'folder'; leave",
        ),
        ({"entry": "pbc", "imagse": 3}, r"extra\.imagse: unknown key; did you mean 'images'\?"),
        ({"entry": "pbc", "root": "/data"}, r"extra\.root: unknown key"),
        ({"entry": "pbc", "images": 0}, r"extra\.images: .*greater than or equal to 1 \(given: 0\)"),
    ],
)
def test_a_wrong_entry_is_told_in_one_line(cohort: dict, message: str) -> None:
    with pytest.raises(LeukoFlowError, match=rf"^my\.yaml: cohorts\.{message}") as error:
        parse_study(study(**cohort), "my.yaml")
    assert "\n" not in str(error.value) and "|" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "one: {kind: folder, root: /data, imagse: 3}",
            r"a\.yaml: cohorts\.one\.imagse: unknown key; did you mean 'images'",
        ),
        ("one: {entry: pbc}", r"a\.yaml: cohorts\.one: "),
        ("", r"a\.yaml: cohorts: "),
        ("one: [", r"a\.yaml: cannot be read as YAML"),
        ("two: {kind: folder, root: /data}", r"b\.yaml: entry 'two' is described in another file too"),
    ],
)
def test_a_mistake_in_an_entry_names_its_file(
    text: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.yaml").write_text(text)
    (tmp_path / "b.yaml").write_text("two: {kind: folder, root: /data}")
    monkeypatch.setattr(ready, "FOLDER", tmp_path)
    ready.entries.cache_clear()
    try:
        with pytest.raises(LeukoFlowError, match=message) as error:
            parse_study(study(entry="two"))
    finally:
        ready.entries.cache_clear()
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_no_shipped_study_describes_a_public_cohort_itself(path: Path) -> None:
    config = yaml.safe_load(path.read_text())
    described = [name for name, cohort in config["cohorts"].items() if cohort.get("kind") in ("folder", "download")]
    assert described == []


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_editors_accept_the_shipped_studies(path: Path) -> None:
    jsonschema.validate(yaml.safe_load(path.read_text()), SCHEMA)


@pytest.mark.parametrize(
    ("cohort", "valid"),
    [
        ({"entry": "taleqani", "images": 9, "masks": None}, True),
        ({"entry": "zheng_wbc", "optional": True}, True),
        ({"entry": "taleqan"}, False),
        ({"entry": "taleqani", "kind": "folder"}, False),
        ({"entry": "taleqani", "imagse": 3}, False),
        ({"kind": "synthetic", "entry": "taleqani"}, False),
    ],
)
def test_editors_know_the_entries(cohort: dict, valid: bool) -> None:
    assert jsonschema.Draft202012Validator(SCHEMA).is_valid(study(**cohort)) is valid
