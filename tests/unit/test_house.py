"""The house rules: imports go one way, no pickle, pins agree."""

import ast
import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src/leukoflow"
MODULES = sorted(SOURCE.rglob("*.py"))

ALLOWED = {
    "core": set(),
    "config": {"core"},
    "cohorts": {"core", "config"},
    "quality": {"core", "config"},
    "images": {"core", "config"},
    "cells": {"core", "config", "models", "images"},
    "features": {"core", "config", "models"},
    "models": {"core", "config"},
    "training": {"core", "config", "models", "images", "cells", "features"},
    "stats": {"core", "config"},
    "audits": {"core", "config", "stats", "images", "cells"},
    "papers": {"core", "config", "stats"},
    "cost": {"core", "config", "models", "stats"},
    "explain": {"core", "config", "models", "stats"},
    "runtime": {"core", "config", "images", "quality", "cells", "audits"},
    "export": {"core", "config", "models", "cells", "explain", "stats", "audits", "runtime"},
    "figures": {"core", "config", "images", "cells", "features"},
    "outputs": {"core", "config", "models"},
    "report": {"core", "config", "outputs", "audits"},
    "serve": {"core", "runtime"},
}


def imports(path: Path) -> set[str]:
    """Dotted names that a module imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    return names


@pytest.mark.parametrize("package", ALLOWED)
def test_imports_go_one_way(package: str) -> None:
    for path in (SOURCE / package).rglob("*.py"):
        used = {name.split(".")[1] for name in imports(path) if name.startswith("leukoflow.")}
        assert used <= ALLOWED[package] | {package}, path


def test_nobody_imports_a_step_and_every_package_has_its_rule() -> None:
    packages = {path.name for path in SOURCE.iterdir() if (path / "__init__.py").exists()}
    assert packages == set(ALLOWED) | {"steps"}
    for path in MODULES:
        if path.parent.name != "steps":
            assert not any(name.startswith("leukoflow.steps") for name in imports(path)), path


def test_light_modules_stay_light() -> None:
    """What the workflow reads at every start, and what figures need, imports no deep learning."""
    from leukoflow.core.fingerprint import closure

    heavy = {"torch", "timm", "spikingjelly", "lightning_fabric", "sklearn", "scipy", "cv2", "matplotlib"}
    for name in ("config.load", "config.plan", "models.registry", "cohorts.roots", "core.fingerprint"):
        for module in closure(f"leukoflow.{name}"):
            path = SOURCE.joinpath(*module.split(".")[1:])
            file = path.with_suffix(".py") if path.with_suffix(".py").exists() else path / "__init__.py"
            tops = {imported.split(".")[0] for imported in imports(file)}
            if module == "leukoflow.models.registry":
                tops.discard("torch")  # for type checkers only
            assert not tops & heavy, (name, module)


def test_every_public_thing_says_what_it_does() -> None:
    for path in MODULES:
        tree = ast.parse(path.read_text())
        assert ast.get_docstring(tree) or path.name == "__init__.py", path
        for node in tree.body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
                assert ast.get_docstring(node) or (path.parent.name == "steps" and node.name == "main"), (
                    path,
                    node.name,
                )


def pins() -> dict[str, str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    listed = project["dependencies"] + sum(project["optional-dependencies"].values(), [])
    return dict(pin.lower().split("==") for pin in listed)


def test_environments_have_the_pins_of_the_project() -> None:
    project = pins()
    for path in (ROOT / "envs").glob("*.yaml"):
        parts = yaml.safe_load(path.read_text())["dependencies"]
        listed = next(part["pip"] for part in parts if isinstance(part, dict))
        assert listed == sorted(listed)
        for pin in listed:
            name, version = pin.split("==")
            assert project[name] == version, (path, name)


def test_constraints_agree_with_the_project_and_name_no_address() -> None:
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+", line) for line in lines)
    fixed = {re.sub(r"[-_.]+", "-", name.lower()): version for name, version in (line.split("==") for line in lines)}
    for name, version in pins().items():
        assert fixed[name] == version, name


@pytest.mark.parametrize("environment", ["core", "torch"])
def test_environments_hold_what_their_steps_import(environment: str) -> None:
    """Every third-party package in the closure of a rule's step is in the rule's environment."""
    import sys

    from leukoflow.core.fingerprint import closure
    from leukoflow.models import registry

    renamed = {
        "cv2": "opencv-python-headless",
        "PIL": "pillow",
        "yaml": "pyyaml",
        "skimage": "scikit-image",
        "sklearn": "scikit-learn",
    }
    parts = yaml.safe_load((ROOT / f"envs/{environment}.yaml").read_text())["dependencies"]
    listed = {pin.split("==")[0] for pin in next(part["pip"] for part in parts if isinstance(part, dict))}
    rules = "".join(path.read_text() for path in (ROOT / "workflow/rules").glob("*.smk"))
    for text in re.split(r"\nrule ", rules)[1:]:
        match = re.search(r"python -m leukoflow\.(steps\.\w+)", text)
        if match is None or f"envs/{environment}.yaml" not in text:
            continue
        step = match.group(1)
        modules = [f"leukoflow.{step}"]
        built = ("pretrain", "train", "predict", "profile", "explain", "export", "feature_attention", "attention_maps")
        if step.removeprefix("steps.") in built:
            modules += [registry.module_name(name) for name in registry.names()]
        for module in closure(*modules):
            path = SOURCE.joinpath(*module.split(".")[1:])
            file = path.with_suffix(".py") if path.with_suffix(".py").exists() else path / "__init__.py"
            tops = {name.split(".")[0] for name in imports(file)} - set(sys.stdlib_module_names) - {"leukoflow", ""}
            if module == "leukoflow.models.registry":
                tops.discard("torch")  # for type checkers only
            missing = {renamed.get(package, package.replace("_", "-")) for package in tops} - listed
            assert not missing, (step, module, missing)


def test_words_of_the_style_sheet_are_kept() -> None:
    """What people read has none of the words that docs/style.md replaces and that were replaced everywhere."""
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]
    texts = [*MODULES, *SOURCE.rglob("*.j2"), *SOURCE.rglob("*.js"), *SOURCE.rglob("*.html"), *pages]
    forbidden = re.compile(r"\banew\b|\blearnt from\b|\bbeside\b(?!\s*[=:.\"\[])")
    for path in texts:
        if path.name != "style.md":
            found = forbidden.search(path.read_text(encoding="utf-8"))
            assert found is None, f"{path}: {found[0]}"
