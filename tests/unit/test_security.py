"""What the source must not do, read from the source itself."""

import ast
from pathlib import Path

from leukoflow.core.fingerprint import closure

SOURCE = Path(__file__).resolve().parents[2] / "src/leukoflow"
STEPS = sorted(path.stem for path in (SOURCE / "steps").glob("*.py") if path.stem != "__init__")
NETWORK = {
    "requests", "urllib", "urllib3", "http", "socket", "ssl", "ftplib", "smtplib", "huggingface_hub", "kaggle",
    "aiohttp", "httpx", "websockets", "asyncio", "webbrowser",
}  # fmt: skip
PICKLES = {"pickle", "dill", "cloudpickle", "shelve", "marshal"}
ERROR = "UnpicklingError"
"""May be imported: it is what reading tensors alone raises."""
FORBIDDEN = {
    "eval", "exec", "compile", "__import__", "os.system", "os.popen", "torch.load", "yaml.load", "yaml.unsafe_load",
    "joblib.load", "joblib.dump", "torch.save", "pd.read_pickle",
}  # fmt: skip


def tree(module: str) -> ast.Module:
    path = SOURCE.joinpath(*module.split(".")[1:])
    file = path.with_suffix(".py") if path.with_suffix(".py").exists() else path / "__init__.py"
    return ast.parse(file.read_text())


def imported(parsed: ast.Module) -> set[str]:
    """Top names of what a module imports, anywhere in it."""
    names: set[str] = set()
    for node in ast.walk(parsed):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and [alias.name for alias in node.names] != [ERROR]:
            names.add(node.module.split(".")[0])
    return names


def faults(parsed: ast.Module) -> list[str]:
    """Calls that unpickle, evaluate text or hand a command to a shell."""
    names = sorted(imported(parsed) & PICKLES)
    for node in ast.walk(parsed):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            unsafe = [
                keyword.arg
                for keyword in node.keywords
                if keyword.arg in ("shell", "allow_pickle") and getattr(keyword.value, "value", None) is not False
            ]
            # PyTorch's restricted reader, for weights that come in no other form.
            tensors_alone = name == "torch.load" and "weights_only=True" in map(ast.unparse, node.keywords)
            names += [name] * ((name in FORBIDDEN and not tensors_alone) or bool(unsafe))
    return names


def test_only_fetching_knows_the_network() -> None:
    modules = {module for step in STEPS for module in closure(f"leukoflow.steps.{step}")}
    connected = {module for module in modules if imported(tree(module)) & NETWORK}
    steps = {step for step in STEPS if closure(f"leukoflow.steps.{step}") & connected}
    assert steps == {"fetch", "fetch_weights"}


def test_nothing_is_unpickled_evaluated_or_given_to_a_shell() -> None:
    for path in SOURCE.rglob("*.py"):
        assert not faults(ast.parse(path.read_text())), path


def test_the_test_finds_what_it_looks_for() -> None:
    planted = (
        "import pickle", "eval(x)", "torch.load(f)", "np.load(f, allow_pickle=True)", "yaml.load(f)",
        "subprocess.run(x, shell=True)", "from dill import loads", "pd.read_pickle(f)", "from pickle import loads",
        "torch.load(f, weights_only=False)",
    )  # fmt: skip
    assert all(faults(ast.parse(text)) for text in planted)
    assert not faults(ast.parse("from pickle import UnpicklingError; torch.load(f, weights_only=True)"))
    assert not faults(ast.parse("re.compile(x); np.load(f, allow_pickle=False); model.eval(); yaml.safe_load(f)"))
    assert imported(ast.parse("def f():\n    import urllib.request")) & NETWORK
