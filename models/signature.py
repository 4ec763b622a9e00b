"""Signed models: an Ed25519 signature of the manifest, which holds the hash of every other file.

Optional. It shows who trained a model to those who know that key, also where somebody else may
write both into the models' folder and into the database. Keys are PEM files, as OpenSSL writes
them. Needs the extra `sign`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from models.artifact import MANIFEST_FILE, verify
from models.errors import ArtifactError, SignatureInvalid

if TYPE_CHECKING:
    from pathlib import Path

SIGNATURE_FILE = "manifest.sig"
_PEM = re.compile(rb"-----BEGIN PUBLIC KEY-----.+?-----END PUBLIC KEY-----", re.DOTALL)


def sign(folder: Path, key_file: Path) -> None:
    """Sign the model in `folder`, after checking every file's hash.

    Raises:
        ArtifactError: if it is no whole model, or the key cannot be used.
    """
    verify(folder)
    key = _private_key(key_file)
    signature: bytes = key.sign((folder / MANIFEST_FILE).read_bytes())
    try:
        (folder / SIGNATURE_FILE).write_text(signature.hex() + "\n", encoding="ascii")
    except OSError as exc:
        raise ArtifactError(f"{folder} cannot take its signature: {exc.strerror}") from exc


def check_signature(folder: Path, keys_file: Path) -> None:
    """Make sure that one of the keys in `keys_file` signed the manifest in `folder`.

    Raises:
        SignatureInvalid: if none did.
        ArtifactError: if a file cannot be read.
    """
    from cryptography.exceptions import InvalidSignature

    keys = _public_keys(keys_file)
    advice = "sign it (linewatch model sign), or train it again where the key is"
    try:
        signature = bytes.fromhex((folder / SIGNATURE_FILE).read_text(encoding="ascii"))
    except FileNotFoundError as exc:
        raise SignatureInvalid(f"{folder} is not signed: {advice}") from exc
    except (OSError, ValueError) as exc:
        raise SignatureInvalid(f"{folder / SIGNATURE_FILE} cannot be read: {advice}") from exc
    manifest = (folder / MANIFEST_FILE).read_bytes()
    for key in keys:
        try:
            key.verify(signature, manifest)
        except InvalidSignature:
            continue
        return
    raise SignatureInvalid(f"{folder} is signed by none of the keys in {keys_file}: {advice}")


def _private_key(file: Path) -> Any:
    serialization, ed25519 = _cryptography()
    try:
        key = serialization.load_pem_private_key(file.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as exc:
        raise ArtifactError(f"{file} gives no key to sign with: {exc}") from exc
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        raise ArtifactError(f"{file} holds no Ed25519 key: openssl genpkey -algorithm ed25519")
    return key


def _public_keys(file: Path) -> list[Any]:
    serialization, ed25519 = _cryptography()
    try:
        found = [serialization.load_pem_public_key(pem) for pem in _PEM.findall(file.read_bytes())]
    except (OSError, ValueError) as exc:
        raise ArtifactError(f"{file} gives no keys to trust: {exc}") from exc
    if not found or not all(isinstance(key, ed25519.Ed25519PublicKey) for key in found):
        raise ArtifactError(f"{file} must hold Ed25519 public keys (openssl pkey -pubout)")
    return found


def _cryptography() -> tuple[Any, Any]:
    try:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError as exc:
        raise ArtifactError(
            "signatures need the package cryptography: install linewatch with the extra 'sign'"
        ) from exc
    return serialization, ed25519
