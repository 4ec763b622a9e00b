"""What `make audit` says of pip-audit's findings."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

FILE = Path(__file__).parents[1] / ".ci" / "audit.py"
SPEC = importlib.util.spec_from_file_location("dependency_audit", FILE)
assert SPEC is not None
assert SPEC.loader is not None
audit: Any = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(audit)

FOUND = {"id": "PYSEC-1", "aliases": ["CVE-9"], "fix_versions": ["2.0"], "description": ""}
CLEAN = {"name": "a", "version": "1.0", "vulns": []}


def test_a_known_vulnerability_fails_and_names_what_mends_it() -> None:
    report = {"dependencies": [CLEAN, {"name": "b", "version": "1.5", "vulns": [FOUND]}]}

    lines, failed = audit.judge(report, {})

    assert failed
    assert lines == ["vulnerabilities: looked for in 2 packages", "  b 1.5: PYSEC-1: mended in 2.0"]


@pytest.mark.parametrize("known", ["PYSEC-1", "CVE-9"])
def test_one_that_was_accepted_is_told_with_its_reason(known: str) -> None:
    report = {"dependencies": [{"name": "b", "version": "1.5", "vulns": [FOUND]}]}

    lines, failed = audit.judge(report, {known: "never called"})

    assert not failed
    assert lines[1].endswith("accepted: never called")


def test_a_list_that_could_not_be_asked_is_not_called_clean() -> None:
    skipped = {"name": "a", "skip_reason": "not found"}

    lines, failed = audit.judge({"dependencies": [skipped]}, {})

    assert not failed
    assert "NOT looked for" in lines[0]
