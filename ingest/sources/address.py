"""Camera addresses and the credentials in them, which no log and no message may show."""

from __future__ import annotations

import os
import re
from urllib.parse import quote

#: user=, password= and the like, which many cameras take in the path or the query.
_SECRET_PARAMETER = re.compile(
    r"\b(user|username|usr|login|password|passwd|pwd|pass|token|key|auth|secret|sig|signature)"
    r"=[^&;/\s]*",
    re.IGNORECASE,
)


def is_network_address(address: str) -> bool:
    """True for rtsp://, http:// and the like."""
    return re.match(r"[a-z][a-z0-9+.-]*://", address, re.IGNORECASE) is not None


def masked(address: str) -> str:
    """The address as it may be shown: everything up to the last @ and secret parameters starred.

    A password may itself hold @ and /, so it is rather too much that is hidden than too little.
    """
    scheme, separator, rest = address.partition("://")
    if not separator:
        return address
    credentials, at, place = rest.rpartition("@")
    shown = f"***@{place}" if at and credentials else rest
    return f"{scheme}://" + _SECRET_PARAMETER.sub(r"\1=***", shown)


def with_credentials(address: str, username_env: str | None, password_env: str | None) -> str:
    """Put user and password from the named environment variables into an address.

    Raises:
        ValueError: if a variable is not set, or the address has credentials already.
    """
    if username_env is None and password_env is None:
        return address
    scheme, _, rest = address.partition("://")
    if "@" in rest.partition("/")[0]:
        raise ValueError(
            f"{masked(address)} has credentials, and environment variables name others: "
            "leave one of them out"
        )
    username = quote(_read(username_env), safe="") if username_env else ""
    password = ":" + quote(_read(password_env), safe="") if password_env else ""
    return f"{scheme}://{username}{password}@{rest}"


def _read(variable: str) -> str:
    value = os.environ.get(variable)
    if not value:
        raise ValueError(f"environment variable {variable} is not set: it must hold the credential")
    return value
