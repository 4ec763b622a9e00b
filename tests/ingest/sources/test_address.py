"""Camera addresses: what is shown never holds a credential."""

from __future__ import annotations

import pytest

from ingest.sources.address import masked, with_credentials


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("rtsp://host:554/1", "rtsp://host:554/1"),
        ("rtsp://user:SECRET@host/1", "rtsp://***@host/1"),
        ("rtsp://SECRET@host/1", "rtsp://***@host/1"),
        ("rtsp://user:SEC@RET/SEC?R@host/1", "rtsp://***@host/1"),
        (
            "rtsp://host/user=SECRET&password=SECRET&channel=1",
            "rtsp://host/user=***&password=***&channel=1",
        ),
        ("http://host/v?pwd=SECRET", "http://host/v?pwd=***"),
        ("HTTPS://host/v?Token=SECRET&x=1", "HTTPS://host/v?Token=***&x=1"),
        ("/images/user@plant", "/images/user@plant"),
    ],
)
def test_credentials_are_masked(address: str, shown: str) -> None:
    assert masked(address) == shown
    assert "SECRET" not in masked(address)


def test_credentials_come_from_the_environment_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAM_USER", "line 4")
    monkeypatch.setenv("CAM_PASSWORD", "a@b/c:d")

    address = with_credentials("rtsp://host/1", "CAM_USER", "CAM_PASSWORD")

    assert address == "rtsp://line%204:a%40b%2Fc%3Ad@host/1"


def test_an_unset_variable_is_named() -> None:
    with pytest.raises(ValueError, match="NO_SUCH_VARIABLE is not set"):
        with_credentials("rtsp://host/1", "NO_SUCH_VARIABLE", None)


def test_credentials_in_two_places_are_refused_without_showing_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CAM_USER", "x")

    with pytest.raises(ValueError, match=r"rtsp://\*\*\*@host/1 has credentials") as caught:
        with_credentials("rtsp://user:SECRET@host/1", "CAM_USER", None)

    assert "SECRET" not in str(caught.value)
