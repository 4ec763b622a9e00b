"""The image store: pictures, maps and masks under the sha256 of their bytes, in a folder or S3.

S3's credentials and endpoint come from its own environment variables (AWS_ACCESS_KEY_ID,
AWS_SECRET_ACCESS_KEY, AWS_ENDPOINT_URL) or configuration files.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import secrets
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

from db.errors import ImageDamaged, ImageMissing, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Two letters as folder, sha256, ending.
KEY = re.compile(r"(?P<folder>[0-9a-f]{2})/(?P<sha256>(?P=folder)[0-9a-f]{62})\.[a-z0-9]{1,8}")
SUFFIX = re.compile(r"\.[a-z0-9]{1,8}")
PROBE = b"linewatch writes this to see whether it can\n"

FORBIDDEN = "this user may not do that there: change the permissions or the credentials"
ADVICE = {
    errno.ENOSPC: "the disk is full: free some space, or keep images for a shorter time",
    errno.EDQUOT: "the disk quota is used up: raise it, or keep images for a shorter time",
    errno.EROFS: "it is mounted read-only: mount it for writing",
    errno.EACCES: FORBIDDEN,
    errno.EPERM: FORBIDDEN,
    errno.ENOENT: "there is no such folder or bucket: create it, or correct the address",
    errno.ENOTDIR: "a part of its path is a file: correct the address",
}


class ImageStore:
    """Content-addressed images: the same bytes are stored once, and what is read is verified."""

    def __init__(self, url: str, *, create: bool = False) -> None:
        """Open the store at `url`: a folder, `s3://bucket/prefix`, or another fsspec address.

        Args:
            create: make the folder if it is missing. Not the default, because a missing folder
                mostly is a disk that was not mounted.

        Raises:
            StoreError: if the address cannot be used.
        """
        self.url = url
        if not url:
            raise StoreError("the image store has no address: give a folder or s3://bucket/prefix")
        try:
            self._fs, root = url_to_fs(url)
        except (ImportError, ValueError) as exc:
            raise StoreError(
                f"the image store {self.place} cannot be opened: {exc}: give a folder or "
                "s3://bucket/prefix (S3 needs linewatch with the extra 's3')"
            ) from exc
        self._root = root.rstrip("/")
        self._is_local = isinstance(self._fs, LocalFileSystem)
        if create and self._is_local:
            with self._explained("be created"):
                Path(self._root).mkdir(parents=True, exist_ok=True)

    @property
    def place(self) -> str:
        """The address without its password, for messages."""
        return re.sub(r"://[^/@]*@", "://***@", self.url)

    def put(self, data: bytes, suffix: str) -> str:
        """Store `data` and return its key; a reader never sees half an image.

        Args:
            suffix: the ending, such as ".png".

        Raises:
            StoreError: if it cannot be stored.
        """
        if not SUFFIX.fullmatch(suffix):
            raise ValueError(f"suffix {suffix!r}: use a dot and 1 to 8 small letters or digits")
        digest = hashlib.sha256(data).hexdigest()
        key = f"{digest[:2]}/{digest}{suffix}"
        with self._explained("take an image"):
            if self._is_local:
                _put_file(Path(self._path(key)), data)
            else:
                # An object appears whole or not at all; asking first would take longer.
                self._fs.pipe_file(self._path(key), data)
        return key

    def get(self, key: str) -> bytes:
        """The image stored under `key`.

        Raises:
            ImageMissing: if there is none.
            ImageDamaged: if its bytes are no longer those that were stored.
            StoreError: if it cannot be read.
        """
        path = self._path(key)
        with self._explained("give an image"):
            try:
                data: bytes = self._fs.cat_file(path)
            except FileNotFoundError as exc:
                raise ImageMissing(
                    f"the image store {self.place} holds no image {key}: it was not kept, or the "
                    "address names another store"
                ) from exc
        if hashlib.sha256(data).hexdigest() != Path(key).stem:
            raise ImageDamaged(
                f"image {key} in {self.place} is damaged, its bytes have another sha256: "
                "restore it from a backup"
            )
        return data

    def delete(self, key: str, *, younger_than_s: float) -> int | None:
        """Delete the image under `key`, unless it was put there again only just now.

        Whoever puts an image that is there already makes it young again, so a row about to name it
        does not lose it. In a folder that holds at any moment; in S3 for all but the milliseconds
        between looking and deleting.

        Args:
            younger_than_s: age in seconds below which it stays.

        Returns:
            Its size in bytes; 0 if it was gone already; None if it stays.

        Raises:
            StoreError: if it cannot be deleted.
        """
        path = self._path(key)
        with self._explained("delete an image"):
            if self._is_local:
                return _delete_file(Path(path), younger_than_s)
            try:
                size, modified = int(self._fs.size(path) or 0), self._fs.modified(path)
            except FileNotFoundError:
                return 0
            if time.time() - modified.timestamp() < younger_than_s:
                return None
            self._fs.rm_file(path)
            return size

    def size_bytes(self) -> int:
        """How much all images take; looks at every one of them.

        Raises:
            StoreError: if they cannot be listed.
        """
        with self._explained("be listed"):
            if self._is_local:
                return _folder_size(self._root)
            return int(self._fs.du(self._root)) if self._fs.exists(self._root) else 0

    def check(self) -> None:
        """Write, read and remove a small file; raises StoreError with what to do if that fails."""
        path = f"{self._root}/check-{secrets.token_hex(8)}"
        with self._explained("be used"):
            self._fs.pipe_file(path, PROBE)
            try:
                found = self._fs.cat_file(path)
            finally:
                self._fs.rm_file(path)
        if found != PROBE:
            raise StoreError(f"the image store {self.place} gives back other bytes than it got")

    def _path(self, key: str) -> str:
        if not KEY.fullmatch(key):
            raise StoreError(f"{key!r} is no key of an image: expected ab/abcdef….png")
        return f"{self._root}/{key}"

    @contextmanager
    def _explained(self, doing: str) -> Iterator[None]:
        """Translate whatever a file system raises: S3's client has errors of its own making."""
        try:
            yield
        except StoreError:
            raise
        except Exception as exc:
            reason = " ".join(str(exc).split())
            raise StoreError(
                f"the image store {self.place} cannot {doing}: {reason}: {_advice(exc)}"
            ) from exc


def _advice(error: Exception) -> str:
    number = error.errno if isinstance(error, OSError) else None
    if number is None:  # S3's client sets none
        if isinstance(error, PermissionError):
            number = errno.EACCES
        elif isinstance(error, FileNotFoundError):
            number = errno.ENOENT
    return ADVICE.get(number or 0, "check the address, the credentials and that it can be reached")


def _put_file(path: Path, data: bytes) -> None:
    """Write under another name in the same folder, then rename: nobody sees half a file."""
    # The size too: a power cut can leave a name without its bytes.
    if path.is_file() and path.stat().st_size == len(data):
        with suppress(OSError):  # deleted just now, or another user's: written anew
            os.utime(path)
            return
    path.parent.mkdir(exist_ok=True)
    partial = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
    try:
        partial.write_bytes(data)
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def _delete_file(path: Path, younger_than_s: float) -> int | None:
    """Move away, look at its age, then delete or move back: a put in between is never lost.

    It either finds the file and makes it young, which is seen here, or finds none and writes one.
    """
    away = path.with_name(f"{path.name}.gone")
    with suppress(FileNotFoundError):  # then an earlier run may have died with it moved away
        path.rename(away)
    try:
        stat = away.stat()
    except FileNotFoundError:
        return 0
    if time.time() - stat.st_mtime < younger_than_s:
        away.rename(path)
        return None
    away.unlink(missing_ok=True)
    return stat.st_size


def _folder_size(root: str) -> int:
    total = 0
    for folder, _, names in os.walk(root):
        for name in names:
            with suppress(FileNotFoundError):  # deleted meanwhile
                total += Path(folder, name).stat().st_size
    return total
