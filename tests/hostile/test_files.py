"""Folders, settings and masks that are not what they should be: one clear error each."""

from __future__ import annotations

import json
import resource
import shutil
from contextlib import suppress
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest

from db.errors import BadMask
from db.masks import read_mask
from linewatch.errors import SettingsError
from linewatch.loading import load_settings
from models.artifact import MANIFEST_FILE, MANIFEST_HASH_FILE, save_artifact, verify
from models.errors import ArtifactError
from tests.hostile.pictures import HEIGHT, WIDTH, pictures
from tests.models.test_artifact import MANIFEST, write_two_files

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "model"
    save_artifact(folder, MANIFEST, write_two_files)
    return folder


@pytest.fixture
def model(whole: Path, tmp_path: Path) -> Path:
    return shutil.copytree(whole, tmp_path / "model")


def write_manifest(model: Path, raw: bytes) -> None:
    """A manifest whose own hash is right: written by somebody who knows how."""
    (model / MANIFEST_FILE).write_bytes(raw)
    (model / MANIFEST_HASH_FILE).write_text(sha256(raw).hexdigest())


@pytest.mark.parametrize("name", ["bank.safetensors", "graph.xml", MANIFEST_FILE])
@pytest.mark.parametrize("where", [0.0, 0.3, 0.7, 0.999])
def test_a_changed_byte_of_a_model(model: Path, name: str, where: float) -> None:
    data = bytearray((model / name).read_bytes())
    data[int(where * len(data))] ^= 1
    (model / name).write_bytes(data)

    with pytest.raises(ArtifactError, match="was changed"):
        verify(model)


@pytest.mark.parametrize(
    "name",
    ["../outside", "/etc/passwd", "a/b", "..", ".", "", "sub/../x", "./bank.safetensors", "a\0b"],
)
def test_a_manifest_that_names_what_is_not_in_its_folder(model: Path, name: str) -> None:
    stored = json.loads((model / MANIFEST_FILE).read_text())
    stored["files"] = {name: "0" * 64}
    write_manifest(model, json.dumps(stored).encode())

    with pytest.raises(ArtifactError):
        verify(model)


@pytest.mark.parametrize("key", [*json.loads(json.dumps(MANIFEST.to_json()))])
@pytest.mark.parametrize("value", [None, [], "x" * 10, -1, {"a": {}}], ids=str)
def test_a_manifest_with_a_wrong_value(model: Path, key: str, value: Any) -> None:
    stored = json.loads((model / MANIFEST_FILE).read_text())
    stored[key] = value
    write_manifest(model, json.dumps(stored).encode())

    known = MANIFEST.to_json()[key]
    if type(value) is type(known) and key != "files":
        return  # as good as what was there

    with pytest.raises(ArtifactError, match=r"no model manifest|has format|names a file"):
        verify(model)


@pytest.mark.parametrize(
    "raw",
    [b"", b"{", b"[]", b"null", b"1", b'"x"', b"\xff\xfe", b"{}" * 2, b'{"format": 2}',
     b"[" * 100_000, b'{"format": 1e999}', b'{"a":' * 5_000],
    ids=range(12),
)  # fmt: skip
def test_a_manifest_that_is_none(model: Path, raw: bytes) -> None:
    write_manifest(model, raw)

    with pytest.raises(ArtifactError):
        verify(model)


def test_a_model_whose_files_are_others(model: Path, tmp_path: Path) -> None:
    (model / "graph.xml").unlink()
    (model / "graph.xml").symlink_to("/etc/hostname")
    with pytest.raises(ArtifactError):
        verify(model)
    with pytest.raises(ArtifactError):
        verify(tmp_path / "nowhere")


SETTINGS = (
    "redis_url = 7", "redis_url = []", "redis_url = {a = 1}", "worker_processes = 'many'",
    "worker_processes = -1", "worker_processes = 1.5", "worker_processes = true", "max_batch = 0",
    "max_batch = 99999999999999999999", "drain_budget_s = nan", "drain_budget_s = inf",
    "visibility_timeout_s = -5", "login = 'nobody'", "login = 1", "home = []", "cameras = 1",
    "cameras = ['a']", "[cameras]\nline = 'a'", "[[cameras]]", "[[cameras]]\nline = 'a'",
    "[[cameras]]\nline = 'a'\nname = 'b'\nsource = 1",
    "[[cameras]]\nline = '../x'\nname = 'b'\nsource = 'c'\nquality = 900",
    "[[cameras]]\nline = 'a'\nname = 'b'\nsource = 'c'\npolicy = 'maybe'",
    "[[cameras]]\nline = 'a'\nname = 'b'\nsource = 'c'\nmax_fps = 0",
    "[[cameras]]\nline = 'a'\nname = 'b'\nsource = 'c'\nnonsense = 1",
    "nonsense = 1", "redis_password = 'secret'", "database_password = 'secret'", "a.b.c = 1",
    "log_level = 'loud'", "log_format = 7", "golden_share = 2.0", "golden_share = 'half'",
    "retain_pass_days = 1979-05-27", "store_url = 1", "dashboard_port = 99999",
    "dashboard_port = 'http'", "metrics_port = -1", "=", "a", "a = ", "[", "[[", '"', "a = 'b",
    "a = 1\na = 2", "\x00", "\ufeff\ufeff", "a = 0x", "a = [1,", "[a]\n[a]", "'''",
)  # fmt: skip


@pytest.mark.parametrize("text", SETTINGS)
def test_settings_that_are_wrong(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "linewatch.toml"
    file.write_text(text)

    with pytest.raises(SettingsError) as caught:
        load_settings(config=file)

    assert "secret'" not in str(caught.value)
    assert "Traceback" not in str(caught.value)


@pytest.mark.parametrize(
    "raw", [b"\xff\xfea = 1", b"a = '\xff'", b"\x80", b"[" * 50_000, b"a=" + b"[" * 50_000],
    ids=range(5),
)  # fmt: skip
def test_settings_that_are_no_text(raw: bytes, tmp_path: Path) -> None:
    file = tmp_path / "linewatch.toml"
    file.write_bytes(raw)

    with pytest.raises(SettingsError):
        load_settings(config=file)


def mask(height: int = 8, width: int = 8, level: int = 255) -> bytes:
    return cv2.imencode(".png", np.full((height, width), level, np.uint8))[1].tobytes()


MASKS = {
    "of another size": lambda: mask(9, 8),
    "turned": lambda: mask(4, 16),
    "black": lambda: mask(level=0),
    "huge": lambda: mask(1, 1)[:16] + b"\x7f\xff\xff\xff" * 2 + mask(1, 1)[24:],
    "a JPEG": lambda: cv2.imencode(".jpg", np.full((8, 8), 255, np.uint8))[1].tobytes(),
    **{f"cut off at {n}": (lambda n=n: mask()[:n]) for n in range(0, len(mask()) - 12, 3)},
}


@pytest.mark.parametrize("make", MASKS.values(), ids=MASKS)
def test_masks_that_do_not_fit(make: Callable[[], bytes]) -> None:
    with pytest.raises(BadMask):
        read_mask(make(), height_px=8, width_px=8)


@pytest.mark.parametrize("size", [(8, 8), (HEIGHT, WIDTH)])
def test_no_hostile_picture_takes_much_memory_as_a_mask(size: tuple[int, int]) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for case in pictures():
        with suppress(BadMask):
            marked = read_mask(case.data, height_px=size[0], width_px=size[1])
            assert marked.shape == size == (HEIGHT, WIDTH)
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024 < 400
