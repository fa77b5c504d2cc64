"""Fingerprints: over what a step imports, blind to comments, awake to everything else."""

import json
import shutil
from pathlib import Path

import pytest

from leukoflow.core import fingerprint as module
from leukoflow.core.fingerprint import closure, fingerprint, libraries


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the package that fingerprints are taken of."""
    copy = tmp_path / "leukoflow"
    shutil.copytree(module.ROOT, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(module, "ROOT", copy)
    forget()
    yield copy
    forget()


def forget() -> None:
    for function in (module._facts, module._imports, module._path):
        function.cache_clear()


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    forget()


def test_closures_follow_imports_and_stay_small() -> None:
    train = closure("leukoflow.steps.train")
    assert {"leukoflow.training.loop", "leukoflow.models.registry", "leukoflow.core.files"} <= train
    assert not any(module.startswith("leukoflow.models.neurallnet") for module in train)
    assert "leukoflow.stats.metrics" not in train
    assert "leukoflow.training.loop" not in closure("leukoflow.steps.predict")
    assert "leukoflow.models.layers.lif" in closure("leukoflow.models.neurallnet")
    assert "leukoflow.models.layers.lif" not in closure("leukoflow.models.resnet50_hmscam")


def test_a_comment_a_docstring_and_spacing_change_nothing(source: Path) -> None:
    before = fingerprint("leukoflow.steps.train")
    file = source / "training/recipe.py"
    edit(file, "import math", "import math  # the standard one\n\n")
    edit(file, '"""Whether all epochs are done', '"""If all epochs are done')
    assert fingerprint("leukoflow.steps.train") == before


def test_a_change_deep_in_the_closure_is_seen_and_others_are_not(source: Path) -> None:
    before = {name: fingerprint(f"leukoflow.{name}") for name in ("steps.train", "steps.predict", "steps.score")}
    edit(source / "training/recipe.py", "best, waited, plateaus = math.inf", "best, waited, plateaus = 1e9")
    after = {name: fingerprint(f"leukoflow.{name}") for name in before}
    assert after["steps.train"] != before["steps.train"]
    assert after["steps.predict"] == before["steps.predict"]
    assert after["steps.score"] == before["steps.score"]


def test_imports_inside_functions_count(source: Path) -> None:
    before = fingerprint("leukoflow.steps.study")
    file = source / "steps/study.py"
    edit(
        file,
        "    args = arguments.parse_args(argv)",
        "    import leukoflow.core.shards\n    args = arguments.parse_args(argv)",
    )
    assert "leukoflow.core.shards" in closure("leukoflow.steps.study")
    assert fingerprint("leukoflow.steps.study") != before


def test_what_is_remembered_gives_the_same_and_no_module_is_parsed_again(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory, names = tmp_path / "deep/modules.json", ("leukoflow.steps.train", "leukoflow.models.neurallnet")
    before = [fingerprint(name) for name in names]
    for text in (None, "{", "[1]", '{"a": 1}'):  # none yet, and files that are not whole or another's
        if text is not None:
            memory.write_text(text)
        module.use_memory(memory)
        assert [fingerprint(name) for name in names] == before and len(json.loads(memory.read_text())) > 100
    parsed: list[str] = []
    parse = module._tree
    monkeypatch.setattr(module, "_tree", lambda text, name: parsed.append(name) or parse(text, name))
    for change in (None, "x = 1\n"):
        if change:
            (source / "training/recipe.py").write_text((source / "training/recipe.py").read_text() + change)
        module._memory.clear()
        forget()
        module.use_memory(memory)
        assert (fingerprint(names[0]) != before[0]) == bool(change) and fingerprint(names[1]) == before[1]
        assert parsed == ([str(source / "training/recipe.py")] if change else [])
    written = memory.stat().st_mtime_ns
    module.use_memory(memory)
    assert memory.stat().st_mtime_ns == written


def test_unknown_modules_are_an_error() -> None:
    with pytest.raises(ModuleNotFoundError, match=r"leukoflow\.steps\.trian"):
        fingerprint("leukoflow.steps.trian")


def test_libraries_are_those_that_run(source: Path) -> None:
    """The environment of a rule follows from them; what is imported for types alone is not loaded."""
    assert {"torch", "numpy", "pandas"} <= libraries("leukoflow.steps.train")
    assert "pandas" in libraries("leukoflow.steps.report") and "torch" not in libraries("leukoflow.steps.report")
    edit(source / "core/words.py", "import", "import torch\nimport")
    assert "torch" in libraries("leukoflow.steps.report")
