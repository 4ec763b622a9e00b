"""Signed models at the command line."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from models.artifact import save_artifact
from tests.models.test_artifact import MANIFEST, write_two_files

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest

    from tests.linewatch.conftest import Outcome


def test_a_line_gets_signed_models_only_where_keys_are_trusted(
    linewatch: Callable[..., Outcome], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, public, model = (tmp_path / name for name in ("model.key", "model.pub", "model"))
    for words in (
        ["genpkey", "-algorithm", "ed25519", "-out", key],
        ["pkey", "-in", key, "-pubout", "-out", public],
    ):
        subprocess.run(["openssl", *words], check=True, capture_output=True)
    save_artifact(model, MANIFEST, write_two_files)
    home = ("--home", tmp_path)
    linewatch("db", "upgrade", *home)
    linewatch("line", "add", "line-4", *home)
    add = ("model", "add", "line-4", model, "--activate", *home)
    monkeypatch.setenv("LINEWATCH_MODEL_TRUSTED_KEYS_FILE", str(public))

    unsigned = linewatch(*add)
    nothing_to_activate = linewatch("model", "activate", "line-4", 1, *home)
    signed = linewatch("model", "sign", model, "--key", key)
    added = linewatch(*add)
    (model / "manifest.sig").unlink()
    activated = linewatch("model", "activate", "line-4", 1, *home)

    assert (unsigned.code, nothing_to_activate.code) == (2, 2)
    assert "is not signed" in unsigned.err
    assert (signed.code, added.code) == (0, 0), signed.err + added.err
    assert activated.code == 2
    assert "is not signed" in activated.err
