"""Optional cohorts whose environment variable is not set."""

from pathlib import Path

import pytest

from leukoflow.cohorts.roots import resolve_root
from leukoflow.config.load import load_study, parse_study
from leukoflow.core.errors import LeukoFlowError

ROOT = Path(__file__).resolve().parents[3]
FOLDER = {"kind": "folder", "root": "${SMEARS}/other", "masks": {"path": "m/{stem}.png", "cell": [255]}}


def study(**changes: object) -> dict:
    return {
        "study": "s",
        "cohorts": {"home": {"kind": "synthetic"}, "away": FOLDER | {"optional": True}, "near": {"kind": "synthetic"}},
        "tasks": {"kind": {"classes": ["a", "b"]}},
        "segmentation": {"sources": ["home", "away"], "leave_one_out": True},
        "views": {"plain": {"kind": "plain"}},
        "models": {"net": {"architecture": "neurallnet"}},
        "experiments": {
            "one": {"cohort": "home", "task": "kind", "models": ["net"], "external": ["near", "away"]} | changes
        },
    }


def test_an_absent_optional_cohort_takes_no_part_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SMEARS", raising=False)
    parsed = parse_study(study())
    assert parsed.experiments["one"].external == ("near",) and parsed.segmentation.sources == ("home",)
    assert parsed.cohorts["away"].left_out and not parsed.segmentation.leave_one_out
    # What is written for the steps is read without looking at the environment again.
    monkeypatch.setenv("SMEARS", "/somewhere")
    again = parse_study(parsed.model_dump(mode="json", exclude_unset=True))
    assert again.experiments["one"].external == ("near",) and again.cohorts["away"].left_out


def test_a_segmenter_is_not_adapted_to_an_absent_cohort(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = study() | {"segmentation": {"method": "unet", "sources": ["home"], "adapt": {"cohort": "away"}}}
    monkeypatch.delenv("SMEARS", raising=False)
    assert parse_study(asked).segmentation.adapt is None
    monkeypatch.setenv("SMEARS", "/somewhere")
    assert parse_study(asked).segmentation.adapt.cohort == "away"


def test_a_cohort_that_is_there_or_not_optional_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMEARS", "/somewhere")
    parsed = parse_study(study())
    assert parsed.experiments["one"].external == ("near", "away") and not parsed.cohorts["away"].left_out
    monkeypatch.delenv("SMEARS")
    needed = study()
    needed["cohorts"]["away"] = FOLDER
    assert parse_study(needed).experiments["one"].external == ("near", "away")


def test_a_cohort_that_is_trained_on_is_not_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SMEARS", raising=False)
    parsed = parse_study(study(cohort="away", external=["near"]))
    assert not parsed.cohorts["away"].left_out and parsed.segmentation.sources == ("home", "away")
    with pytest.raises(LeukoFlowError, match="SMEARS is not set; export SMEARS="):
        resolve_root(parsed.cohorts["away"].root)


@pytest.mark.parametrize("name", ["paper", "taleqani", "pbc"])
def test_no_cohort_of_a_shipped_study_is_split_or_expected_when_it_is_samples(name: str) -> None:
    parsed = load_study(ROOT / f"workflow/studies/{name}.yaml")
    trained = {experiment.cohort for experiment in parsed.experiments.values()}
    assert "hosseini_samples" not in trained
    for cohort in parsed.cohorts.values():
        assert "samples" not in (getattr(cohort, "local", None) or "")
