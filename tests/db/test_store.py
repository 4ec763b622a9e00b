"""The image store: whole, verified, and clear about what is wrong."""

from __future__ import annotations

import errno
import hashlib
import os
import subprocess
import sys
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from db.errors import ImageMissing, StoreError
from db.store import ImageStore

IMAGE = b"\x89PNG made of bytes"
DIGEST = hashlib.sha256(IMAGE).hexdigest()
KEY = f"{DIGEST[:2]}/{DIGEST}.png"


@pytest.fixture(params=["folder", "file://", "memory://"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ImageStore:
    """A store of each kind that needs no server."""
    urls = {
        "folder": str(tmp_path),
        "file://": f"file://{tmp_path}",
        "memory://": f"memory://{uuid.uuid4().hex}",
    }
    return ImageStore(urls[request.param])


@pytest.fixture
def folder_store(tmp_path: Path) -> ImageStore:
    return ImageStore(str(tmp_path))


def files(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def test_an_image_is_stored_under_the_hash_of_its_bytes(store: ImageStore) -> None:
    key = store.put(IMAGE, ".png")

    assert key == KEY
    assert store.get(key) == IMAGE


def test_storing_twice_is_storing_once(folder_store: ImageStore, tmp_path: Path) -> None:
    folder_store.put(IMAGE, ".png")
    written = (tmp_path / KEY).stat().st_ino

    folder_store.put(IMAGE, ".png")

    assert files(tmp_path) == [KEY]
    assert (tmp_path / KEY).stat().st_ino == written


def test_the_check_passes_and_leaves_nothing(store: ImageStore) -> None:
    store.check()

    if Path(store.url).is_dir():
        assert files(Path(store.url)) == []


def test_a_name_without_its_bytes_is_written_again(
    folder_store: ImageStore, tmp_path: Path
) -> None:
    folder_store.put(IMAGE, ".png")
    (tmp_path / KEY).write_bytes(b"")  # as after a power cut

    folder_store.put(IMAGE, ".png")

    assert folder_store.get(KEY) == IMAGE


def test_an_image_that_is_not_there_says_so(store: ImageStore) -> None:
    with pytest.raises(ImageMissing, match=f"holds no image {KEY}"):
        store.get(KEY)


def test_a_changed_byte_is_noticed(folder_store: ImageStore, tmp_path: Path) -> None:
    folder_store.put(IMAGE, ".png")
    (tmp_path / KEY).write_bytes(IMAGE[:-1] + b"?")

    with pytest.raises(StoreError, match="is damaged, its bytes have another sha256"):
        folder_store.get(KEY)


@pytest.mark.parametrize(
    "key",
    [
        "",
        "../../etc/passwd",
        f"{DIGEST[:2]}/../{DIGEST}.png",
        f"/{KEY}",
        f"{KEY}/..",
        f"{KEY}\n",
        f"00/{DIGEST}.png",
        f"{DIGEST[:2]}/{DIGEST}.p/g",
        f"{DIGEST[:2]}/{DIGEST}",
        f"{DIGEST[:2]}/{DIGEST.upper()}.png",
        f"file:///{KEY}",
    ],
)
def test_a_key_that_is_none_is_refused(store: ImageStore, key: str) -> None:
    store.put(IMAGE, ".png")

    with pytest.raises(StoreError, match="is no key of an image"):
        store.get(key)


@pytest.mark.parametrize("suffix", ["png", "", ".", "./x", ".PNG", ".a/b", ".muchtoolong"])
def test_a_suffix_that_is_none_is_refused(store: ImageStore, suffix: str) -> None:
    with pytest.raises(ValueError, match="use a dot and 1 to 8"):
        store.put(IMAGE, suffix)


def test_writers_at_once_leave_one_whole_image(folder_store: ImageStore, tmp_path: Path) -> None:
    data = os.urandom(500_000)

    with ThreadPoolExecutor(8) as writers:
        keys = set(writers.map(lambda _: folder_store.put(data, ".jpg"), range(32)))

    assert files(tmp_path) == sorted(keys)
    assert folder_store.get(keys.pop()) == data


def test_a_missing_folder_is_refused_and_not_made(tmp_path: Path) -> None:
    store = ImageStore(str(tmp_path / "missing"))

    for use in (lambda: store.put(IMAGE, ".png"), store.check):
        with pytest.raises(StoreError, match="no such folder or bucket: create it, or correct"):
            use()

    assert not (tmp_path / "missing").exists()


def test_a_missing_folder_is_made_where_that_is_asked_for(tmp_path: Path) -> None:
    store = ImageStore(str(tmp_path / "deep" / "images"), create=True)

    assert store.get(store.put(IMAGE, ".png")) == IMAGE


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(StoreError, match="a part of its path is a file"):
        ImageStore(str(tmp_path / "file")).put(IMAGE, ".png")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_is_refused(
    folder_store: ImageStore, tmp_path: Path
) -> None:
    tmp_path.chmod(0o500)

    with pytest.raises(StoreError, match="change the permissions"):
        folder_store.put(IMAGE, ".png")


FILL = """
import resource, signal, sys
from db.errors import StoreError
from db.store import ImageStore

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a write beyond the limit fails instead
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    ImageStore(sys.argv[1]).put(bytes(5000), ".png")
except StoreError as exc:
    print(exc)
"""


def test_a_write_that_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FILL, str(tmp_path)], capture_output=True, text=True, timeout=60
    )

    assert "cannot take an image: [Errno 27] File too large" in done.stdout, done.stderr
    assert files(tmp_path) == []


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "the disk is full: free some space"),
        (errno.EDQUOT, "the disk quota is used up"),
        (errno.EROFS, "mounted read-only"),
        (errno.EACCES, "change the permissions or the credentials"),
    ],
)
def test_what_the_system_refuses_is_said_in_words(
    folder_store: ImageStore,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    words: str,
) -> None:
    def refuse(self: Path, data: bytes) -> int:
        raise OSError(number, os.strerror(number), str(self))

    monkeypatch.setattr(Path, "write_bytes", refuse)

    with pytest.raises(StoreError, match=words):
        folder_store.put(IMAGE, ".png")

    assert files(tmp_path) == []


@pytest.mark.parametrize("url", ["", "nosuch://bucket/images"])
def test_an_address_that_cannot_be_used_is_refused(url: str) -> None:
    with pytest.raises(StoreError, match="give a folder or s3://bucket/prefix"):
        ImageStore(url)


def test_a_client_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)

    with pytest.raises(StoreError, match="S3 needs linewatch with the extra 's3'"):
        ImageStore(f"s3://bucket-{uuid.uuid4().hex}/images")


def test_a_password_in_the_address_is_not_repeated() -> None:
    store = ImageStore("memory://linewatch:secret@host/images")

    with pytest.raises(ImageMissing) as caught:
        store.get(KEY)

    assert "secret" not in str(caught.value)
    assert "memory://***@host/images" in str(caught.value)


def test_a_deleted_image_is_gone_and_its_size_is_told(store: ImageStore) -> None:
    key = store.put(IMAGE, ".png")

    assert store.size_bytes() == len(IMAGE)
    assert store.delete(key, younger_than_s=0) == len(IMAGE)

    assert store.size_bytes() == 0
    assert store.delete(key, younger_than_s=0) == 0
    with pytest.raises(ImageMissing):
        store.get(key)


def test_an_image_put_there_again_is_young_and_stays(folder_store: ImageStore) -> None:
    key = folder_store.put(IMAGE, ".png")
    path = Path(folder_store.url) / key
    os.utime(path, (0, 0))
    folder_store.put(IMAGE, ".png")

    assert folder_store.delete(key, younger_than_s=60) is None

    assert folder_store.get(key) == IMAGE
    os.utime(path, (0, 0))
    assert folder_store.delete(key, younger_than_s=60) == len(IMAGE)


def test_a_young_image_stays_in_other_stores_too(store: ImageStore) -> None:
    key = store.put(IMAGE, ".png")

    assert store.delete(key, younger_than_s=60) is None
    assert store.get(key) == IMAGE


def test_a_deletion_that_died_halfway_is_finished_by_the_next(folder_store: ImageStore) -> None:
    key = folder_store.put(IMAGE, ".png")
    path = Path(folder_store.url) / key
    path.rename(f"{path}.gone")

    assert folder_store.delete(key, younger_than_s=0) == len(IMAGE)

    assert files(Path(folder_store.url)) == []


@pytest.mark.parametrize("moment", ["before", "after"])
def test_no_put_is_lost_to_a_deletion_at_the_same_time(
    folder_store: ImageStore, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    key = folder_store.put(IMAGE, ".png")
    path = Path(folder_store.url) / key
    os.utime(path, (0, 0))
    rename = Path.rename

    def rename_beside_a_put(self: Path, target: Path) -> Path:
        monkeypatch.undo()
        if moment == "before":
            folder_store.put(IMAGE, ".png")
        moved = rename(self, target)
        if moment == "after":
            folder_store.put(IMAGE, ".png")
        return moved

    monkeypatch.setattr(Path, "rename", rename_beside_a_put)

    folder_store.delete(key, younger_than_s=60)

    assert folder_store.get(key) == IMAGE
    assert files(Path(folder_store.url)) == [key]
