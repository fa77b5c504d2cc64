"""Fingerprints of code: what a step would run, as one short text that changes when the behaviour can change.

The fingerprint of a module covers the syntax trees of the module and of everything it imports from this package,
comments, formatting and docstrings left out. Snakemake keeps it as a parameter, so editing a module reruns exactly the
rules that use it, and rewording a comment reruns none.
"""

import ast
import hashlib
from functools import cache
from pathlib import Path

PACKAGE = "leukoflow"
ROOT = Path(__file__).resolve().parents[1]


def fingerprint(*modules: str) -> str:
    """Digest (16 hex digits) over the import closure of the named modules, such as "leukoflow.steps.train".

    Raises ModuleNotFoundError for a name that is no module of the package.
    """
    digest = hashlib.sha256()
    for name in sorted(closure(*modules)):
        digest.update(f"{name}:{_tree_digest(name)}\n".encode())
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


def _path(module: str) -> Path | None:
    parts = module.split(".")
    if parts[0] != PACKAGE:
        return None
    base = ROOT.joinpath(*parts[1:])
    for candidate in (base.with_suffix(".py"), base / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


@cache
def _tree(module: str) -> ast.Module:
    path = _path(module)
    if path is None:
        raise ModuleNotFoundError(f"{module} is not a module of {PACKAGE}")
    tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    for node in ast.walk(tree):
        if not isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        if ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return tree


@cache
def _tree_digest(module: str) -> str:
    return hashlib.sha256(ast.dump(_tree(module), include_attributes=False).encode()).hexdigest()


@cache
def _imports(module: str) -> frozenset[str]:
    """Package modules that the module imports itself; a package on the way to a module counts as imported."""
    names: set[str] = set()
    for node in ast.walk(_tree(module)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    found: set[str] = set()
    for name in names:
        parts = name.split(".")
        if parts[0] == PACKAGE:
            prefixes = (".".join(parts[:count]) for count in range(1, len(parts) + 1))
            found.update(prefix for prefix in prefixes if _path(prefix) is not None)
    return frozenset(found)
