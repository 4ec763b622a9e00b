"""The image store on S3's protocol: the real client against a small server of our own."""

from __future__ import annotations

import importlib.util
import os
import socket
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, ClassVar

import pytest

from db.errors import ImageMissing, StoreError
from db.store import ImageStore

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow

IMAGE = b"\x89PNG made of bytes"


class Handler(BaseHTTPRequestHandler):
    """As much of S3 as the store needs: bucket `images` takes all, `private` refuses all."""

    protocol_version = "HTTP/1.1"
    objects: ClassVar[dict[str, bytes]] = {}

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _answer(self, status: int, body: bytes = b"") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _serve(self) -> None:
        path = self.path.split("?")[0]
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        bucket = path.split("/")[1]
        if bucket == "private":
            self._refuse(403, "AccessDenied", "Access Denied")
        elif bucket != "images":
            self._refuse(404, "NoSuchBucket", "The specified bucket does not exist")
        elif self.command == "PUT":
            self.objects[path] = body
            self._answer(200)
        elif self.command == "DELETE":
            self.objects.pop(path, None)
            self._answer(204)
        elif path in self.objects:
            self._answer(200, self.objects[path])
        else:
            self._refuse(404, "NoSuchKey", "The specified key does not exist.")

    def _refuse(self, status: int, code: str, message: str) -> None:
        xml = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
        self._answer(status, xml.encode())

    do_GET = do_HEAD = do_PUT = do_DELETE = _serve  # noqa: N815 - names the base class calls


@pytest.fixture(autouse=True)
def _client(monkeypatch: pytest.MonkeyPatch) -> None:
    if importlib.util.find_spec("s3fs") is None:
        if os.environ.get("CI"):
            pytest.fail("s3fs is missing: install linewatch with the extra 's3'")
        pytest.skip("s3fs is not installed")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "anna")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")


@pytest.fixture
def objects(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, bytes]]:
    """What the server holds, by path."""
    Handler.objects.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
    _forget_clients()
    yield Handler.objects
    server.shutdown()
    thread.join()
    server.server_close()
    _forget_clients()


def _forget_clients() -> None:
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()


def test_an_image_goes_to_the_bucket_and_comes_back(objects: dict[str, bytes]) -> None:
    store = ImageStore("s3://images/line-4")

    key = store.put(IMAGE, ".png")
    again = store.put(IMAGE, ".png")

    assert key == again
    assert objects == {f"/images/line-4/{key}": IMAGE}
    assert store.get(key) == IMAGE


def test_the_check_leaves_nothing_behind(objects: dict[str, bytes]) -> None:
    ImageStore("s3://images/line-4").check()

    assert objects == {}


def test_an_image_that_is_not_there_says_so(objects: dict[str, bytes]) -> None:
    store = ImageStore("s3://images/line-4")
    key = store.put(IMAGE, ".png")
    objects.clear()

    with pytest.raises(ImageMissing, match="holds no image"):
        store.get(key)


@pytest.mark.usefixtures("objects")
def test_a_missing_bucket_is_named() -> None:
    with pytest.raises(StoreError, match="does not exist: there is no such folder or bucket"):
        ImageStore("s3://absent/line-4").check()


@pytest.mark.usefixtures("objects")
def test_a_missing_permission_is_named() -> None:
    with pytest.raises(StoreError, match=r"Access Denied.*change the permissions or the cred"):
        ImageStore("s3://private/line-4").put(IMAGE, ".png")


def test_a_server_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    _forget_clients()

    with pytest.raises(StoreError, match="check the address, the credentials and that it can"):
        ImageStore("s3://images/line-4").check()
