"""Which figures of the papers a study shows, and from what."""

from pathlib import Path

from leukoflow.config.load import load_study, parse_study
from leukoflow.config.paper_figures import NO_RESULT, NOT_DRAWN, main_models, paper_figures
from leukoflow.config.plan import all_runs
from leukoflow.config.published import papers

ROOT = Path(__file__).resolve().parents[3]
STUDY = load_study(ROOT / "workflow/studies/paper.yaml")


def test_a_whole_study_has_every_figure_that_is_drawn_for_a_paper() -> None:
    shown = paper_figures(STUDY, [])
    files = {each.file for each in shown if each.file}
    assert {"neurallnet/3_confusion_image", "neurallnet/3_confusion_acquisition", "neurallnet/6_ablation"} <= files
    assert {
        "hmscam/3_confusion_subtype_image",
        "hmscam/3_confusion_binary_acquisition",
        "cnn_vit/9_confusion_image",
    } <= files
    assert "neurallnet/4_external_confusion_hosseini_image" in files and len(files) == len([e for e in shown if e.file])
    listed = {(each.paper.paper, each.figure.number, each.figure.what) for each in shown}
    assert listed == {(paper.paper, each.number, each.what) for paper in papers().values() for each in paper.figures}
    for each in shown:
        assert bool(each.file) != bool(each.reason)
        assert (each.reason == NO_RESULT) == (each.figure.family is None)


def test_only_the_models_that_stand_for_a_system_are_in_its_figures() -> None:
    shown = {each.file: each for each in paper_figures(STUDY, [])}
    assert {run.model for run in shown["neurallnet/3_confusion_image"].runs} == {"neurallnet"}
    assert {run.seed for run in shown["neurallnet/3_confusion_image"].runs} == {0, 1, 2, 3, 4}
    confusion = shown["cnn_vit/9_confusion_image"]
    assert {run.cohort for run in confusion.runs} == {"pbc"} and confusion.differs == ""
    assert len({run.model for run in confusion.runs}) == 4
    models = {run.model for run in shown["neurallnet/6_ablation"].runs}
    assert {"neurallnet", "neurallnet_no_se", "neurallnet_no_refinement"} <= models
    assert not any("share" in name for name in models)


def test_the_main_model_has_the_published_options_and_recipe() -> None:
    runs = [run for run in all_runs(STUDY) if run.task == "subtype"]
    assert main_models(STUDY, papers()["hybridcn_nas"], runs) == ["hybridcn_nas_2000"]
    assert main_models(STUDY, papers()["vgg19_mhsa"], runs) == ["vgg19_mhsa"]
    assert main_models(STUDY, papers()["neurallnet"], [r for r in runs if r.model.endswith("_modern")]) == [
        "neurallnet_modern"
    ]


def test_figures_of_the_study_are_copied_where_they_are_of_the_same_runs() -> None:
    have = ["samples.taleqani.subtype", "samples.pbc.cell8", "embedding.taleqani.subtype.plain.image", "leaderboard"]
    shown = {each.source: each for each in paper_figures(STUDY, have) if each.source}
    assert "leaderboard" not in shown and shown["samples.pbc.cell8"].file == "cnn_vit/2_samples"
    assert shown["embedding.taleqani.subtype.plain.image"].file == "hybridcn_nas/E_embedding_plain_image"
    curves = paper_figures(STUDY, ["roc.pbc.cell8.plain.image", "roc.taleqani.subtype.grey.image"])
    assert [each.file for each in curves if each.source] == ["cnn_vit/5_roc_plain_image"]
    assert any(each.file == "hmscam/2_samples_subtype" for each in paper_figures(STUDY, have))


def test_a_system_on_another_task_says_so_and_an_absent_one_is_not_listed() -> None:
    study = parse_study(
        {
            "study": "s",
            "cohorts": {"home": {"kind": "synthetic", "images": 10}},
            "tasks": {"kind": {"classes": ["a", "b"]}},
            "views": {"plain": {"kind": "plain"}},
            "models": {"net": {"architecture": "customcnn_vit"}},
            "experiments": {"one": {"cohort": "home", "task": "kind", "models": ["net"]}},
        }
    )
    shown = paper_figures(study, [])
    assert {each.paper.paper for each in shown} == {"cnn_vit"}
    drawn = next(each for each in shown if each.file == "cnn_vit/9_confusion_image")
    assert drawn.differs == "another task: kind"
    assert next(each for each in shown if each.figure.what == "reliability").reason == NOT_DRAWN
