"""What the source must not do, read from the source itself."""

import ast
from pathlib import Path

import pytest

from leukoflow.core.fingerprint import closure

SOURCE = Path(__file__).resolve().parents[2] / "src/leukoflow"
STEPS = sorted(path.stem for path in (SOURCE / "steps").glob("*.py") if path.stem != "__init__")
NETWORK = {
    "requests", "urllib", "urllib3", "http", "socket", "ssl", "ftplib", "smtplib", "huggingface_hub", "kaggle", "aiohttp",
    "httpx", "websockets", "asyncio", "webbrowser",
}  # fmt: skip
SHELLS = {"system", "popen", "execv", "execve", "spawnv"}


def tree(module: str) -> ast.Module:
    path = SOURCE.joinpath(*module.split(".")[1:])
    return ast.parse(
        (path.with_suffix(".py") if path.with_suffix(".py").exists() else path / "__init__.py").read_text()
    )


def imported(module: str) -> set[str]:
    """Top names of what a module imports, anywhere in it."""
    names: set[str] = set()
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names


def test_only_fetching_knows_the_network() -> None:
    connected = {
        step for step in STEPS if any(imported(module) & NETWORK for module in closure(f"leukoflow.steps.{step}"))
    }
    assert connected == {"fetch", "fetch_weights"}


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=lambda path: path.relative_to(SOURCE).as_posix())
def test_no_module_unpickles_evaluates_or_calls_a_shell(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names = [alias.name for alias in node.names] + [getattr(node, "module", None) or ""]
            assert not {name.split(".")[0] for name in names} & {"pickle", "dill", "cloudpickle", "shelve", "marshal"}
        if not isinstance(node, ast.Call):
            continue
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        owner = (
            node.func.value.id if isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name) else ""
        )
        assert not (called in ("eval", "exec", "compile", "__import__") and isinstance(node.func, ast.Name))
        assert (owner, called) not in {("torch", "load"), ("yaml", "load"), ("yaml", "unsafe_load"), ("joblib", "load")}
        assert not (owner == "os" and called in SHELLS)
        given = {each.arg: each.value for each in node.keywords}
        for key in ("shell", "allow_pickle"):
            assert not (key in given and getattr(given[key], "value", None) is not False), (path, key)
