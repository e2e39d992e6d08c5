"""What a request must pass before anything looks at its content: its size, its sender, and its page of origin."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

__all__ = ["Guard", "Tickets", "TooLargeError"]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

#: Paths that need no token: the empty page, whether the service lives, and how to talk to it.
OPEN = ("/", "/health", "/openapi.json")
_LOCAL = ("127.0.0.1", "localhost", "::1")
_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
)


class TooLargeError(Exception):
    """A request turned out to be larger than allowed while it was read."""


class Tickets:
    """Tickets for single pages, for a browser that opens them and shows no token.

    Parameters
    ----------
    seconds : float
        How long a ticket is good [s]; all end with the process.
    """

    def __init__(self, seconds: float = 3600.0) -> None:
        self.seconds, self._secret = seconds, secrets.token_bytes(32)

    def issue(self, path: str) -> str:
        """Return a ticket for a path."""
        end = str(int(time.time() + self.seconds))
        return f"{end}.{self._seal(path, end)}"

    def admits(self, path: str, ticket: str) -> bool:
        """Say whether a ticket is for this path, and still good."""
        end, _, seal = ticket.partition(".")
        genuine = hmac.compare_digest(seal.encode(), self._seal(path, end).encode())
        return genuine and time.time() < int(end)

    def _seal(self, path: str, end: str) -> str:
        return hmac.new(self._secret, f"{end} {path}".encode(), hashlib.sha256).hexdigest()


class Guard:
    """Stands before an ASGI application.

    Parameters
    ----------
    app : callable
        The application.
    tokens : iterable of str
        What clients must show as ``Authorization: Bearer TOKEN``; none for no authentication.
    max_upload : int
        Most bytes of a request's body.
    loopback_only : bool
        Whether the service must have been called by a name of this machine, so that no web page elsewhere can reach it
        under a name of its own.
    tickets : Tickets
        What stands for a token in the address of a single page.
    """

    def __init__(
        self, app: Any, *, tokens: Iterable[str], max_upload: int, loopback_only: bool, tickets: Tickets
    ) -> None:
        self.app, self.tokens, self.tickets = app, tuple(token.encode() for token in tokens), tickets
        self.max_upload, self.loopback_only = max_upload, loopback_only

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or hand it on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = {name.lower(): value for name, value in scope["headers"]}
        refusal = self._refusal(scope, headers)
        if refusal is not None:
            await _answer(send, *refusal)
            return
        limited = _Limited(receive, self.max_upload)

        async def sending(message: Message) -> None:
            if limited.exceeded:  # whatever the application makes of a body that was cut off
                return
            if message["type"] == "http.response.start":
                own = {name.lower() for name, _ in message.get("headers", [])}
                extra = [header for header in _HEADERS if header[0] not in own]
                message = {**message, "headers": [*message.get("headers", []), *extra]}
            await send(message)

        try:
            await self.app(scope, limited, sending)
        except TooLargeError:
            pass
        if limited.exceeded:
            await _answer(send, *self._too_large())

    def _refusal(self, scope: Scope, headers: dict[bytes, bytes]) -> tuple[int, str] | None:
        host = headers.get(b"host", b"").decode("latin-1")
        if self.loopback_only and _name(host) not in _LOCAL:
            return 421, "this service answers to the names of its own machine only"
        origin = headers.get(b"origin")
        if origin is not None and urlsplit(origin.decode("latin-1")).netloc != host:
            return 403, "requests from other pages are refused"
        if self.tokens and not self._admitted(scope, headers.get(b"authorization", b"")):
            return 401, "a token is required: Authorization: Bearer TOKEN"
        length = headers.get(b"content-length", b"0")
        if not length.isdigit():
            return 400, "the length of the request is no number"
        return self._too_large() if int(length) > self.max_upload else None

    def _too_large(self) -> tuple[int, str]:
        return 413, f"the request has more than {self.max_upload} bytes"

    def _admitted(self, scope: Scope, shown: bytes) -> bool:
        path = scope["path"]
        if path in OPEN or self._known(shown):
            return True
        tickets = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("ticket", [])
        return scope["method"] == "GET" and any(self.tickets.admits(path, ticket) for ticket in tickets)

    def _known(self, shown: bytes) -> bool:
        scheme, _, token = shown.partition(b" ")
        matches = [hmac.compare_digest(token.strip(), known) for known in self.tokens]  # all of them: equal times
        return scheme.lower() == b"bearer" and any(matches)


class _Limited:
    """Reads a request's body, and not more of it than is allowed."""

    def __init__(self, receive: Receive, limit: int) -> None:
        self._receive, self._left, self.exceeded = receive, limit, False

    async def __call__(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._left -= len(message.get("body", b""))
            if self._left < 0:
                self.exceeded = True
                raise TooLargeError
        return message


def _name(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


async def _answer(send: Send, status: int, detail: str) -> None:
    body = json.dumps({"detail": detail}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()), *_HEADERS]
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
