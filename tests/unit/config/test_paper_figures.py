"""Which figures of the papers a study shows, and from what."""

from itertools import product
from pathlib import Path

import pytest

from leukoflow.config.load import load_study, parse_study
from leukoflow.config.paper_figures import DRAWN, NO_RESULT, NOT_DRAWN, PARTS, main_models, paper_figures
from leukoflow.config.plan import all_runs
from leukoflow.config.published import Paper, papers
from leukoflow.config.study import Study

ROOT = Path(__file__).resolve().parents[3]
STUDY = load_study(ROOT / "workflow/studies/paper.yaml")


def test_a_whole_study_has_every_figure_that_is_drawn_for_a_paper() -> None:
    shown = paper_figures(STUDY, [])
    files = {entry.file for entry in shown if entry.file}
    assert {"neurallnet/3_confusion_neurallnet", "neurallnet/3_confusion_five_folds", "neurallnet/6_ablation"} <= files
    assert {
        "hmscam/3_confusion_subtype_leaky_hmscam",
        "hmscam/3_confusion_binary_five_folds",
        "cnn_vit/9_confusion_cnn_vit",
    } <= files
    assert "neurallnet/4_external_confusion_hosseini_image" in files and len(files) == len([e for e in shown if e.file])
    listed = {(entry.paper.paper, entry.figure.number, entry.figure.what) for entry in shown}
    assert listed == {
        (paper.paper, figure.number, figure.what) for paper in papers().values() for figure in paper.figures
    }
    for entry in shown:
        assert bool(entry.file) != bool(entry.reason)
        assert (entry.reason == NO_RESULT) == (entry.figure.family is None)


def test_only_the_models_that_stand_for_a_system_are_in_its_figures() -> None:
    shown = {entry.file: entry for entry in paper_figures(STUDY, [])}
    assert {run.model for run in shown["neurallnet/3_confusion_neurallnet"].runs} == {"neurallnet"}
    assert {run.seed for run in shown["neurallnet/3_confusion_neurallnet"].runs} == {0, 1, 2, 3, 4}
    confusion = shown["cnn_vit/9_confusion_cnn_vit"]
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
    have = [
        "samples.taleqani.subtype",
        "samples.pbc.cell8",
        "embedding.taleqani.subtype.hybridcn_nas.hybridcn_nas",
        "leaderboard",
    ]
    shown = {entry.source: entry for entry in paper_figures(STUDY, have) if entry.source}
    assert "leaderboard" not in shown and shown["samples.pbc.cell8"].file == "cnn_vit/2_samples"
    # From normalised, segmented pictures, not from the plain ones of its control.
    embedding = shown["embedding.taleqani.subtype.hybridcn_nas.hybridcn_nas"]
    assert embedding.file == "hybridcn_nas/E_embedding_hybridcn_nas_hybridcn_nas"
    curves = paper_figures(STUDY, ["roc.pbc.cell8.plain.cnn_vit", "roc.taleqani.subtype.grey.image"])
    assert [curve.file for curve in curves if curve.source] == ["cnn_vit/5_roc_plain_cnn_vit"]
    assert any(entry.file == "hmscam/2_samples_subtype" for entry in paper_figures(STUDY, have))


def test_the_own_cohort_of_a_paper_comes_first_though_more_models_are_elsewhere() -> None:
    shown = [entry for entry in paper_figures(STUDY, []) if entry.paper.paper == "vgg19_mhsa" and entry.file]
    assert {run.cohort for entry in shown for run in entry.runs} == {"hosseini"}
    assert not any("another cohort" in entry.differs for entry in shown)
    rest = {name: experiment for name, experiment in STUDY.experiments.items() if not name.startswith("mhsa_")}
    without = paper_figures(STUDY.model_copy(update={"experiments": rest}), [])
    for entry in without:
        if entry.paper.paper == "vgg19_mhsa" and entry.file:
            assert "another cohort: taleqani (the paper's: Hosseini ALL, 3,242 images)" in entry.differs


def test_an_ablation_leaves_out_parts_and_nothing_else() -> None:
    shown = {(entry.paper.paper, entry.figure.what): entry for entry in paper_figures(STUDY, []) if entry.file}
    models = {run.model for run in shown["hybridcn_nas", "ablation"].runs}
    full = {f"hybridcn_nas_{suffix}" for suffix in ("2000", "no_attention", "no_ffn", "no_dropout")}
    assert models == full  # no numbers of features, no other stack
    models = {run.model for run in shown["neurallnet", "ablation"].runs}
    parts = ("no_se", "no_refinement", "hidden_64", "no_hidden", "no_batch_norm")
    assert models == {"neurallnet", *(f"neurallnet_{part}" for part in parts)}  # no time steps, no twin without spikes
    demo = load_study(ROOT / "config.yaml")
    without = next(e for e in paper_figures(demo, []) if (e.paper.paper, e.figure.what) == ("hybridcn_nas", "ablation"))
    assert not without.file and "differ in nothing but attention, ffn" in without.reason
    taleqani = load_study(ROOT / "workflow/studies/taleqani.yaml")
    other = {(entry.paper.paper, entry.figure.what): entry for entry in paper_figures(taleqani, []) if entry.file}
    shown_there = other["hybridcn_nas", "ablation"]
    assert {run.model for run in shown_there.runs} >= {"hybridcn_nas_1000", "hybridcn_nas_no_attention"}
    assert not {"morphology", "hybridcn_nas"} & {run.model for run in shown_there.runs}
    assert "not of the published options" in shown_there.differs


def fake(paper: Paper, cohort: str = "") -> Study:
    """A study of a paper's systems in which experiments, views and models are called as tasks and protocols are."""
    architecture = paper.architectures[0]
    features = {"features": "hybrid"} if architecture == "hybridcn_nas" else {}
    folder = {"kind": "folder", "root": "/data"}
    cohorts: dict[str, dict] = {
        name: {"kind": "download", "url": dataset.url} if dataset.url else folder
        for name, dataset in paper.datasets.items()
    }
    cohorts["elsewhere"] = {"kind": "synthetic"}
    tasks = {name: {"classes": [f"class {number}" for number in range(count)]} for name, count in paper.tasks.items()}
    tasks.setdefault("binary", {"classes": ["class 0", "class 1"]})
    options = {key: value for number in paper.numbers[:1] for key, value in number.options.items()}
    net = {"architecture": architecture, "options": options, **features}
    shares = {"shares": [0.25, 0.5]} if not features else {}
    models: dict[str, dict] = {"net": net, "subtype": net, "other": {**net, "training": {"epochs": 3}}}
    home = cohort or paper.trained_on[0]
    experiments: dict[str, dict] = {}
    for task in tasks:
        base = {"task": task, "views": ["plain"], "protocols": ["image", "acquisition"]}
        outside = [name for name in cohorts if name != home]
        experiments[task] = {**base, "cohort": home, "models": ["net"], "external": outside, **shares}
        experiments["image" + task] = {**base, "cohort": "elsewhere", "models": [*models], "views": ["binary"]}
    return parse_study(
        {
            "study": "s", "cohorts": cohorts, "tasks": tasks, "models": models, "experiments": experiments,
            "features": {"hybrid": {"kind": "deep", "backbones": [{"name": "a"}, {"name": "b"}], "grid": 7}},
            "views": {"plain": {"kind": "plain"}, "binary": {"kind": "grey"}},
        }
    )  # fmt: skip


def everything(study: Study) -> list[str]:
    """Names of every figure that a study could have, and of some that no place has."""
    axes = {"cohort": study.cohorts, "task": study.tasks, "view": study.views, "protocol": ("image", "acquisition")}
    axes["model"] = study.models
    names = [
        ".".join([family, *values]) for family, parts in PARTS.items() for values in product(*(axes[p] for p in parts))
    ]
    return [*names, *(f"comparison.{name}" for name in study.experiments), "roc.binary", "samples.net.subtype"]


@pytest.mark.parametrize("name", papers())
def test_every_entry_is_of_its_own_place(name: str) -> None:
    paper = papers()[name]
    study = fake(paper)
    whole = paper_figures(study, everything(study))
    # The step is told of these names alone, and must come to the same figures.
    assert paper_figures(study, [text for entry in whole for text in (entry.source, entry.beside) if text]) == whole
    shown = [entry for entry in whole if entry.paper.paper == name]
    assert len({entry.file for entry in shown if entry.file}) == len([entry for entry in shown if entry.file])
    contents = set()
    for figure in paper.figures:
        entries = [entry for entry in shown if entry.figure == figure]
        assert entries, figure.number
        if figure.family == "ablation" or not figure.family:
            assert len(entries) == 1 and not entries[0].file and entries[0].reason
            continue
        tasks = figure.tasks or tuple(paper.tasks)
        assert {run.task for entry in entries for run in entry.runs} == set(tasks), figure.number
        for entry in entries:
            assert entry.file and {run.model for run in entry.runs} == {"net"} and "another" not in entry.differs
            assert {run.cohort for run in entry.runs} == {paper.trained_on[0]}
            assert {run.view for run in entry.runs} == {"plain"}
            if entry.source:
                family, *parts = entry.source.split(".")
                assert family == figure.family
                for run in entry.runs:
                    assert parts == [getattr(run, key) for key in PARTS[family]]
            if figure.family == "external_confusion":
                assert entry.target == "hosseini"
            if figure.family == "robustness":
                assert entry.perturbations == figure.perturbations
                assert {run.protocol for run in entry.runs} == {"acquisition"}
            content = (figure.family, entry.source, entry.runs, entry.target, entry.perturbations, figure.metrics)
            assert content not in contents, f"{figure.number} shows what another figure shows"
            contents.add(content)
        assert all(bool(entry.source) != (figure.family in DRAWN) for entry in entries)


@pytest.mark.parametrize("name", papers())
def test_another_cohort_is_named(name: str) -> None:
    paper = papers()[name]
    study = fake(paper, "elsewhere")
    shown = [entry for entry in paper_figures(study, everything(study)) if entry.paper.paper == name and entry.file]
    assert shown and all("another cohort: elsewhere" in entry.differs for entry in shown)


def test_a_task_of_the_papers_name_with_other_classes_is_another_task() -> None:
    paper = papers()["hmscam"]
    study = fake(paper)
    tasks = {name: task.model_copy(update={"classes": ("a", "b", "c")}) for name, task in study.tasks.items()}
    odd = study.model_copy(update={"tasks": tasks})
    shown = [entry for entry in paper_figures(odd, everything(odd)) if entry.paper.paper == "hmscam" and entry.file]
    assert shown and all(": subtype, 3 classes" in e.differs or ": binary, 3 classes" in e.differs for e in shown)


def test_a_figure_of_a_task_that_the_study_has_not_says_which() -> None:
    study = fake(papers()["hmscam"])
    binary = {name: experiment for name, experiment in study.experiments.items() if experiment.task == "binary"}
    only = study.model_copy(update={"experiments": binary})
    shown = {entry.figure.what: entry for entry in paper_figures(only, everything(only)) if entry.figure.number in "47"}
    assert shown["roc"].reason == "this study has no run of the paper's task (subtype)" and not shown["roc"].file
    assert shown["blur"].file


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
    assert {entry.paper.paper for entry in shown} == {"cnn_vit"}
    drawn = next(entry for entry in shown if entry.file == "cnn_vit/9_confusion_image")
    assert drawn.differs.startswith("another task: kind, 2 classes; another cohort: home (the paper's: Barcelona PBC")
    assert next(entry for entry in shown if entry.figure.what == "reliability").reason == NOT_DRAWN
