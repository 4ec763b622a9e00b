"""Models on disk."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from models.artifact import (
    FORMAT,
    Manifest,
    check_free,
    file_sha256,
    load_manifest,
    manifest_sha256,
    save_artifact,
    verify,
)
from models.calibration import Calibration, Thresholds
from models.errors import ArtifactError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MANIFEST = Manifest(
    format=FORMAT,
    detector="patchcore",
    backbone="tf_efficientnet_lite0",
    weights_sha256="ab" * 32,
    input_height=256,
    input_width=320,
    hyperparameters={"coreset_fraction": 0.01, "strides": [8, 16]},
    seed=7,
    calibration=Calibration(Thresholds(1.25, 2.5), review_rate=0.05, reject_rate=0.01, count=99),
    train_images=470,
    known_anomalies=["test/crack/3.png"],
    files={},
    code_version="0.1.0",
    map_thresholds=Thresholds(0.5, 1.5),
    findings={},
)


def write_two_files(folder: Path) -> None:
    (folder / "bank.safetensors").write_bytes(b"bank" * 1000)
    (folder / "graph.xml").write_bytes(b"<net/>")


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    save_artifact(tmp_path / "model", MANIFEST, write_two_files)
    return tmp_path / "model"


def test_a_manifest_is_read_as_it_was_written(tmp_path: Path) -> None:
    written = save_artifact(tmp_path / "model", MANIFEST, write_two_files)

    read = verify(tmp_path / "model")

    assert read == written
    assert read.files["graph.xml"] == file_sha256(tmp_path / "model" / "graph.xml")
    assert sorted(read.files) == ["bank.safetensors", "graph.xml"]
    assert read.thresholds == Thresholds(1.25, 2.5)


def test_the_manifest_is_plain_json_with_thresholds_and_their_rates(saved: Path) -> None:
    stored = json.loads((saved / "manifest.json").read_text())

    assert stored["thresholds"] == {
        "review": 1.25,
        "reject": 2.5,
        "review_rate": 0.05,
        "reject_rate": 0.01,
        "count": 99,
    }
    assert stored["known_anomalies"] == ["test/crack/3.png"]


def test_a_hash_is_the_one_other_tools_compute(saved: Path) -> None:
    done = subprocess.run(["sha256sum", saved / "manifest.json"], capture_output=True, check=True)

    assert manifest_sha256(saved) == done.stdout.split()[0].decode()


@pytest.mark.parametrize("name", ["bank.safetensors", "graph.xml", "manifest.json"])
def test_a_changed_byte_is_noticed_and_named(name: str, saved: Path) -> None:
    content = bytearray((saved / name).read_bytes())
    content[len(content) // 2] ^= 1
    (saved / name).write_bytes(content)

    with pytest.raises(ArtifactError, match=f"{name} was changed"):
        verify(saved)


def test_a_missing_file_is_noticed_and_named(saved: Path) -> None:
    (saved / "graph.xml").unlink()

    with pytest.raises(ArtifactError, match=r"lacks its file graph\.xml"):
        verify(saved)


@pytest.mark.parametrize("missing", ["manifest.json", "manifest.sha256"])
def test_a_folder_without_a_manifest_is_no_model(missing: str, saved: Path) -> None:
    (saved / missing).unlink()

    with pytest.raises(ArtifactError, match="is no trained model"):
        load_manifest(saved)
    with pytest.raises(ArtifactError, match="is no trained model"):
        manifest_sha256(saved)


def rewrite_manifest(folder: Path, **changes: object) -> None:
    stored = json.loads((folder / "manifest.json").read_text()) | changes
    (folder / "manifest.json").write_text(json.dumps(stored))
    (folder / "manifest.sha256").write_text(file_sha256(folder / "manifest.json"))


def test_a_newer_format_is_refused(saved: Path) -> None:
    rewrite_manifest(saved, format=FORMAT + 1)

    with pytest.raises(
        ArtifactError, match=f"has format {FORMAT + 1}, this program reads {FORMAT}"
    ):
        load_manifest(saved)


def test_a_manifest_with_fields_missing_is_refused(saved: Path) -> None:
    rewrite_manifest(saved, thresholds={"review": 1})

    with pytest.raises(ArtifactError, match="is no model manifest"):
        load_manifest(saved)


def test_a_manifest_cannot_point_outside_its_folder(saved: Path) -> None:
    rewrite_manifest(saved, files={"../../secret": "00"})

    with pytest.raises(ArtifactError, match="outside its folder"):
        verify(saved)


def test_a_failure_while_writing_leaves_nothing(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        write_two_files(folder)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        save_artifact(tmp_path / "model", MANIFEST, fail)

    assert list(tmp_path.iterdir()) == []


@contextmanager
def little_room() -> Iterator[None]:
    """No file may grow beyond 1,000 bytes: writing fails as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_is_one_clear_error_and_leaves_nothing(tmp_path: Path) -> None:
    refused = pytest.raises(ArtifactError, match=r"cannot write the model to .*model: .*free space")
    # Only while writing: pytest's own output may go to a file, too.
    with refused, little_room():
        save_artifact(tmp_path / "model", MANIFEST, write_two_files)

    assert list(tmp_path.iterdir()) == []


def test_a_model_is_never_overwritten(saved: Path) -> None:
    before = manifest_sha256(saved)

    with pytest.raises(ArtifactError, match="exists already"):
        save_artifact(saved, MANIFEST, write_two_files)

    assert manifest_sha256(saved) == before


def test_an_empty_folder_may_become_the_model(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()

    save_artifact(tmp_path / "model", MANIFEST, write_two_files)

    assert verify(tmp_path / "model").seed == 7


def test_a_place_that_cannot_be_written_to_is_found_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(ArtifactError, match="cannot write the model"):
        check_free(tmp_path / "file" / "model")


def test_other_accounts_may_read_a_model(saved: Path) -> None:
    modes = {path.name: path.stat().st_mode & 0o777 for path in [saved, *saved.iterdir()]}

    assert modes.pop("model") == 0o755
    assert set(modes.values()) == {0o644}


def test_reading_a_manifest_loads_no_torch(saved: Path) -> None:
    code = (
        "import sys; from models.artifact import verify; from pathlib import Path; "
        f"verify(Path({os.fspath(saved)!r})); print('torch' in sys.modules)"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "False"
