"""Fingerprints of code: what a step would run, as one short text that changes when the behaviour can change.

The fingerprint of a module covers the syntax trees of the module and of everything it imports from this package,
comments, formatting and docstrings left out. Snakemake keeps it as a parameter, so editing a module reruns exactly the
rules that use it, and rewording a comment reruns none.
"""

import ast
import hashlib
import platform
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.files import read_json, write_json

PACKAGE = "leukoflow"
ROOT = Path(__file__).resolve().parents[1]


def fingerprint(*modules: str) -> str:
    """Digest (16 hex digits) over the import closure of the named modules, such as "leukoflow.steps.train".

    Raises ModuleNotFoundError for a name that is no module of the package.
    """
    digest = hashlib.sha256()
    for name in sorted(closure(*modules)):
        digest.update(f"{name}:{_facts(name)['tree']}\n".encode())
    return digest.hexdigest()[:16]


def closure(*modules: str) -> frozenset[str]:
    """Names of all package modules that the named ones import, directly or not, themselves included."""
    seen: set[str] = set()
    pending = list(modules)
    while pending:
        name = pending.pop()
        if name not in seen:
            seen.add(name)
            pending.extend(_imports(name))
    return frozenset(seen)


def libraries(*modules: str) -> frozenset[str]:
    """Names of the other packages that the named modules import, directly or not, other than for types alone."""
    return frozenset(name for module in closure(*modules) for name in _facts(module)["libraries"])


def use_memory(path: Path) -> None:
    """Take what is known of every module from a file, by the module's text, and keep there what is new.

    Parsing the package takes seconds, and every start of Snakemake, each job on a cluster included, waits for it.
    """
    known = _read_memory(path)
    _memory.update(known)
    _facts.cache_clear()
    modules = {}
    for file in sorted(ROOT.rglob("*.py")):
        text = file.read_text(encoding="utf-8")
        modules[_key(text)] = _read(text, str(file))
    if modules != known:
        write_json(path, modules)


_memory: dict[str, dict[str, Any]] = {}


def _read_memory(path: Path) -> dict[str, dict[str, Any]]:
    try:
        known = read_json(path)
        lists = ("imports", "libraries")
        return {
            key: {"tree": str(facts["tree"]), **{name: list(facts[name]) for name in lists}}
            for key, facts in known.items()
        }
    except (LeukoFlowError, AttributeError, TypeError, KeyError):  # none yet, or not whole: it is made again
        return {}


@cache
def _facts(module: str) -> dict[str, Any]:
    """What a module's text says: `tree`, the digest of its syntax tree; `imports`, what it imports of this package;
    `libraries`, the other packages."""
    path = _path(module)
    if path is None:
        raise ModuleNotFoundError(f"{module} is not a module of {PACKAGE}")
    return _read(path.read_text(encoding="utf-8"), str(path))


def _read(text: str, name: str) -> dict[str, Any]:
    key = _key(text)
    if key not in _memory:
        tree = _tree(text, name)
        dumped = ast.dump(tree, include_attributes=False)
        names = set(_names(tree))
        own = {name for name in names if name.split(".")[0] == PACKAGE}
        blocks = (node for node in _statements(tree) if isinstance(node, ast.If))
        typed = {name for node in blocks if ast.unparse(node.test) == "TYPE_CHECKING" for name in _names(node)}
        others = {name.split(".")[0] for name in names - own - typed}
        digest = hashlib.sha256(dumped.encode()).hexdigest()
        _memory[key] = {"tree": digest, "imports": sorted(own), "libraries": sorted(others)}
    return _memory[key]


def _key(text: str) -> str:
    """What facts depend on: the text, this module and Python, whose syntax trees differ between versions."""
    return hashlib.sha256(f"{_own_text()}\0{platform.python_version()}\0{text}".encode()).hexdigest()


@cache
def _own_text() -> str:
    return Path(__file__).read_text(encoding="utf-8")


@cache
def _path(module: str) -> Path | None:
    parts = module.split(".")
    if parts[0] != PACKAGE:
        return None
    base = ROOT.joinpath(*parts[1:])
    for candidate in (base.with_suffix(".py"), base / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


def _tree(text: str, name: str) -> ast.Module:
    """The syntax tree without docstrings."""
    tree = ast.parse(text, filename=name)
    for node in [tree, *_statements(tree)]:
        if not isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        if ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return tree


def _statements(node: ast.AST) -> Iterator[ast.stmt]:
    """All statements below a node. Expressions hold none, and are most of a tree."""
    for name in ("body", "orelse", "handlers", "finalbody", "cases"):
        held = getattr(node, name, None)
        for child in held if isinstance(held, list) else ():  # a lambda's body is an expression
            if isinstance(child, ast.stmt):
                yield child
            yield from _statements(child)


def _names(tree: ast.AST) -> Iterator[str]:
    """Names that are imported anywhere in a module, or in a statement: of modules, or of what modules hold."""
    for node in _statements(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield from (node.module, *(f"{node.module}.{alias.name}" for alias in node.names))


@cache
def _imports(module: str) -> frozenset[str]:
    """Package modules that the module imports itself; a package on the way to a module counts as imported."""
    imported: set[str] = set()
    for name in _facts(module)["imports"]:
        parts = name.split(".")
        prefixes = (".".join(parts[:count]) for count in range(1, len(parts) + 1))
        imported.update(prefix for prefix in prefixes if _path(prefix) is not None)
    return frozenset(imported)
