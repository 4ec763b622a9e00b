"""Signed models."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from models.artifact import MANIFEST_FILE, MANIFEST_HASH_FILE, save_artifact, verify
from models.errors import ArtifactError, SignatureInvalid
from models.signature import SIGNATURE_FILE, check_signature, sign
from tests.hostile.test_files import write_manifest
from tests.models.test_artifact import MANIFEST, write_two_files

if TYPE_CHECKING:
    from pathlib import Path

PEM, RAW = Encoding.PEM, NoEncryption()


@pytest.fixture
def model(tmp_path: Path) -> Path:
    save_artifact(tmp_path / "model", MANIFEST, write_two_files)
    return tmp_path / "model"


@pytest.fixture
def keys(tmp_path: Path) -> dict[str, Path]:
    """Private keys ours.pem and theirs.pem, and ours.pub and theirs.pub with the public ones."""
    found = {}
    for name in ("ours", "theirs"):
        key = Ed25519PrivateKey.generate()
        found[name] = tmp_path / f"{name}.pem"
        found[name].write_bytes(key.private_bytes(PEM, PrivateFormat.PKCS8, RAW))
        public = key.public_key().public_bytes(PEM, PublicFormat.SubjectPublicKeyInfo)
        found[f"{name}.pub"] = tmp_path / f"{name}.pub"
        found[f"{name}.pub"].write_bytes(public)
    return found


def test_a_signed_model_is_taken_and_still_whole(model: Path, keys: dict[str, Path]) -> None:
    sign(model, keys["ours"])

    check_signature(model, keys["ours.pub"])
    verify(model)


def test_any_of_several_keys_will_do(model: Path, keys: dict[str, Path], tmp_path: Path) -> None:
    both = tmp_path / "both.pub"
    both.write_bytes(keys["theirs.pub"].read_bytes() + b"\n" + keys["ours.pub"].read_bytes())
    sign(model, keys["ours"])

    check_signature(model, both)


def test_one_that_is_not_signed_is_refused(model: Path, keys: dict[str, Path]) -> None:
    with pytest.raises(SignatureInvalid, match="is not signed"):
        check_signature(model, keys["ours.pub"])


def test_another_key_is_refused(model: Path, keys: dict[str, Path]) -> None:
    sign(model, keys["theirs"])

    with pytest.raises(SignatureInvalid, match="none of the keys"):
        check_signature(model, keys["ours.pub"])


def test_a_manifest_changed_with_its_hash_is_refused(model: Path, keys: dict[str, Path]) -> None:
    sign(model, keys["ours"])
    stored = json.loads((model / MANIFEST_FILE).read_text())
    stored["thresholds"]["reject"] = 1e9  # nothing is ever rejected
    write_manifest(model, json.dumps(stored).encode())
    verify(model)  # hashes alone do not tell

    with pytest.raises(SignatureInvalid, match="none of the keys"):
        check_signature(model, keys["ours.pub"])


@pytest.mark.parametrize("text", ["", "zz", "00", "ff" * 64, "0" * 127, "\xff"])
def test_nonsense_is_no_signature(model: Path, keys: dict[str, Path], text: str) -> None:
    (model / SIGNATURE_FILE).write_text(text)

    with pytest.raises(SignatureInvalid):
        check_signature(model, keys["ours.pub"])


def test_keys_that_are_none_are_named(model: Path, keys: dict[str, Path], tmp_path: Path) -> None:
    rsa = tmp_path / "rsa.pem"
    key = generate_private_key(65537, 2048)
    rsa.write_bytes(key.private_bytes(PEM, PrivateFormat.PKCS8, RAW))
    (tmp_path / "text").write_text("no key")
    for file in (rsa, tmp_path / "text", tmp_path / "absent", keys["ours.pub"]):
        with pytest.raises(ArtifactError, match=file.name):
            sign(model, file)
    for file in (keys["ours"], tmp_path / "text", tmp_path / "absent"):
        with pytest.raises(ArtifactError, match=file.name):
            check_signature(model, file)


def test_a_changed_model_is_not_signed(model: Path, keys: dict[str, Path]) -> None:
    (model / "graph.xml").write_bytes(b"<other/>")

    with pytest.raises(ArtifactError, match="was changed"):
        sign(model, keys["ours"])
    assert not (model / SIGNATURE_FILE).exists()
    assert (model / MANIFEST_HASH_FILE).exists()
