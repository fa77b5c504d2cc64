import pytest

from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.runs import Run, is_baseline, parse_run, run_of

NAME = "home.subtype.plain.image.resnet50_hmscam.fold3.seed42"


def test_a_name_and_its_run_are_two_sides_of_one_thing():
    run = Run("home", "subtype", "plain", "image", "resnet50_hmscam", 3, 42)
    assert parse_run(NAME) == run and run.name == NAME
    assert run_of(f"results/demo/runs/{NAME}/predictions/home.parquet") == run


@pytest.mark.parametrize("name", ["home", NAME[:-2], f"{NAME}.more", NAME.replace("fold3", "fold")])
def test_other_names_are_refused(name):
    with pytest.raises(LeukoFlowError, match="no run's name"):
        parse_run(name)
    with pytest.raises(LeukoFlowError, match="in no run's folder"):
        run_of(f"runs/{name}/scores.csv")


def test_baseline_by_name():
    assert is_baseline("colour_histogram") and is_baseline("colour_histogram_deep") and not is_baseline("neurallnet")
