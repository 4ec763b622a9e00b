"""Identifies the code that a run's figures come from, so that figures of other code are not mixed.

Comments, docstrings, formatting and type hints that are only read by checkers do not count; nor do
modules that could not change a figure.
"""

from __future__ import annotations

import ast
import hashlib
from functools import cache
from pathlib import Path

from models.detector import detector_class
from models.runtime import choose_engine

ROOT = Path(__file__).parents[1]
#: What every run uses besides its detector.
_SHARED = ("models.training_data", "models.splitting", "models.preprocessing", "models.metrics")
#: Names, files and messages; the images of a set are identified by themselves.
_DECIDES_NOTHING = (
    "models.artifact",
    "models.checkpoint",
    "models.datasets",
    "models.detector",
    "models.errors",
    "models.hyperparameters",
)
#: The independent PatchCore is no detector of the program.
REFERENCE = "reference"


def code_digest(detector: str) -> str:
    """The digest of all modules that compute `detector` and its measures on this machine."""
    own = (
        "bench.reference_patchcore"
        if detector == REFERENCE
        else detector_class(detector).__module__
    )
    other = "torch" if choose_engine().runtime == "openvino" else "openvino"
    unused = (*_DECIDES_NOTHING, f"models.runtime.{other}_runtime")
    waiting, digests = {own, *_SHARED}, {}
    while waiting:
        name = waiting.pop()
        file = _file_of(name)
        if file is None or name.startswith(unused):
            continue
        digests[name], imported = _read(file, file.stat().st_mtime_ns)
        waiting |= imported - digests.keys()
    return hashlib.sha256(repr(sorted(digests.items())).encode()).hexdigest()


def _file_of(module: str) -> Path | None:
    place = ROOT.joinpath(*module.split("."))
    for file in (place.with_suffix(".py"), place / "__init__.py"):
        if module.startswith(("models.", "bench.")) and file.is_file():
            return file
    return None


@cache
def _read(file: Path, _changed_at: int) -> tuple[str, frozenset[str]]:
    """A module's digest and what it imports; read again when the file has changed."""
    tree = _Stripped().visit(ast.parse(file.read_text(encoding="utf-8")))
    imported: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            # What is imported may be a module itself.
            imported |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest(), frozenset(imported)


class _Stripped(ast.NodeTransformer):
    """Takes out docstrings and what only type checkers read."""

    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
        return None if isinstance(node.value, ast.Constant) else node

    def visit_If(self, node: ast.If) -> ast.AST | None:
        if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            return None
        return self.generic_visit(node)
