from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import pytest

from bench import code_digest as module
from bench.code_digest import REFERENCE, code_digest
from models.runtime import Engine

if TYPE_CHECKING:
    from pathlib import Path

MAIN = '''"""What it does."""
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from models.hints import Hint


def fit():
    """Fit."""
    from models.used import factor

    return factor  # why
'''


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small program of which `reference` is the method."""
    monkeypatch.setattr(module, "ROOT", tmp_path)
    for folder in ("bench", "models"):
        (tmp_path / folder).mkdir()
    (tmp_path / "bench" / "reference_patchcore.py").write_text(MAIN)
    (tmp_path / "models" / "used.py").write_text("factor = 1\n")
    (tmp_path / "models" / "unused.py").write_text("factor = 1\n")
    (tmp_path / "models" / "hints.py").write_text("Hint = int\n")
    (tmp_path / "models" / "errors.py").write_text("text = 'no'\n")
    return tmp_path


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("bench/reference_patchcore.py", "return factor", "return 2 * factor"),
        ("models/used.py", "1", "10"),
        ("models/used.py", "factor = 1", "from models.unused import factor"),
    ],
)
def test_code_that_is_used_counts(root: Path, file: str, old: str, new: str) -> None:
    before = code_digest(REFERENCE)
    source = (root / file).read_text()
    (root / file).write_text(source.replace(old, new))

    assert code_digest(REFERENCE) != before


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("bench/reference_patchcore.py", "Fit.", "Fit it."),
        ("bench/reference_patchcore.py", "# why", "# since"),
        ("models/unused.py", "1", "10"),
        ("models/hints.py", "int", "float"),
        ("models/errors.py", "no", "nothing"),
    ],
)
def test_words_hints_and_other_methods_do_not_count(
    root: Path, file: str, old: str, new: str
) -> None:
    before = code_digest(REFERENCE)
    source = (root / file).read_text()
    (root / file).write_text(source.replace(old, new) + "\n")

    assert code_digest(REFERENCE) == before


@pytest.mark.parametrize(("runtime", "counts"), [("torch", True), ("openvino", False)])
def test_the_runtime_that_runs_here_counts(
    root: Path, monkeypatch: pytest.MonkeyPatch, runtime: Literal["torch", "openvino"], counts: bool
) -> None:
    monkeypatch.setattr(module, "choose_engine", lambda: Engine("cpu", runtime))
    (root / "models" / "used.py").write_text("import models.runtime.torch_runtime\n")
    (root / "models" / "runtime").mkdir()
    file = root / "models" / "runtime" / "torch_runtime.py"
    file.write_text("half = True\n")
    before = code_digest(REFERENCE)
    file.write_text("half = False\n")

    assert (code_digest(REFERENCE) != before) is counts


def test_the_programs_own_detector_is_found() -> None:
    assert code_digest("patchcore") != code_digest(REFERENCE)
