"""An identity provider for tests: it knows one person, who never has to type a password."""

from __future__ import annotations

import json
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

if TYPE_CHECKING:
    from types import TracebackType

CLIENT_ID = "linewatch"
KEY_ID = "test"


class IdentityProvider:
    """Speaks OpenID Connect on loopback while it is entered."""

    def __init__(self) -> None:
        #: Who logs in: claims of the identity token.
        self.claims: dict[str, Any] = {}
        self._key = RSAKey.generate_key(2048, {"kid": KEY_ID})
        self._nonces: dict[str, str] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.address = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> IdentityProvider:
        self._thread = Thread(target=self._server.serve_forever)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def metadata(self) -> dict[str, Any]:
        """What is published about it."""
        return {
            "issuer": self.address,
            "authorization_endpoint": f"{self.address}/authorize",
            "token_endpoint": f"{self.address}/token",
            "jwks_uri": f"{self.address}/keys",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "code_challenge_methods_supported": ["S256"],
        }

    def come_back(self, query: dict[str, str]) -> str:
        """Where the browser goes with its code."""
        code = f"code-{len(self._nonces)}"
        self._nonces[code] = query["nonce"]
        answer = urlencode({"code": code, "state": query["state"]})
        return f"{query['redirect_uri']}?{answer}"

    def token(self, form: dict[str, str]) -> dict[str, Any]:
        """The identity token for a code, which is good once."""
        now = int(time.time())
        claims = {
            "iss": self.address, "sub": "1", "aud": CLIENT_ID, "iat": now, "exp": now + 300,
            "nonce": self._nonces.pop(form["code"]),
        }  # fmt: skip
        header = {"alg": "RS256", "kid": KEY_ID}
        signed = jwt.encode(header, claims | self.claims, self._key)
        return {"access_token": "x", "token_type": "Bearer", "id_token": signed}

    def keys(self) -> dict[str, Any]:
        """What its signatures are checked with."""
        return {"keys": [self._key.as_dict(private=False)]}

    def _handler(provider) -> type[BaseHTTPRequestHandler]:  # noqa: N805 - self is the handler below
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                if parts.path == "/authorize":
                    query = {name: one[0] for name, one in parse_qs(parts.query).items()}
                    self.send_response(302)
                    self.send_header("Location", provider.come_back(query))
                    self.end_headers()
                elif parts.path == "/keys":
                    self._answer(provider.keys())
                else:
                    self._answer(provider.metadata())

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                self._answer(provider.token({n: one[0] for n, one in parse_qs(body).items()}))

            def _answer(self, value: dict[str, Any]) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(json.dumps(value).encode())

            def log_message(self, *_: object) -> None:
                """Nothing: tests are quiet."""

        return Handler
