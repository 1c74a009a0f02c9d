"""The gate of the server: what is let in, for how long, and what is told of it.

A request with a body takes a place before any of the body is read, so that memory is bounded by the
number of places times the largest body. Without a free place the answer is 503 at once, and 413 for
a body that is too large, of which nothing is kept.
"""

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

LOG = logging.getLogger(__name__)
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]
Made = TypeVar("Made")

_LINGER = 1.0
"""Seconds in which what is left of a body is dropped before its connection is closed."""
HEADERS = ((b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff"))
"""Headers of every answer: no browser or proxy is to keep it."""


@dataclass(frozen=True)
class Limits:
    """Bounds of a server.

    Attributes:
        queue: Requests that wait, beside the one that is computed.
        megabytes: Size of the largest body.
        seconds: Time that a body may take to arrive.
    """

    queue: int = 16
    megabytes: float = 20.0
    seconds: float = 30.0

    @property
    def most_bytes(self) -> int:
        return int(self.megabytes * 1e6)


class Worker:
    """One thread that computes, and the places of those that it computes for."""

    def __init__(self, limits: Limits) -> None:
        self.limits, self.taken = limits, 0
        self.executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="myocard")

    @property
    def is_full(self) -> bool:
        return self.taken > self.limits.queue

    async def run(self, function: Callable[..., Made], *given: Any) -> Made:
        """Call a function in the thread, once all before it are done."""
        return await asyncio.get_running_loop().run_in_executor(self.executor, function, *given)


class Refused(Exception):
    """Refusal of a request: status, sentence, and further headers."""

    def __init__(self, status: int, detail: str, *headers: tuple[bytes, bytes]) -> None:
        super().__init__(detail)
        self.status, self.detail, self.headers = status, detail, headers


class Gate:
    """An ASGI application in front of another one.

    Args:
        app: The other one.
        worker: Its worker.
    """

    def __init__(self, app: App, worker: Worker) -> None:
        self.app, self.worker, self.limits = app, worker, worker.limits

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, answer = time.monotonic(), _Answer(send, receive)
        try:
            await self._let_in(scope, receive, answer)
        except Refused as refused:
            await answer.refuse(refused)
        # Answered by the application, which raises it again; it may name a file or a patient.
        except Exception as error:
            LOG.error("%s in a request: %s", type(error).__name__, scope["method"])
        taken = 1e3 * (time.monotonic() - began)
        LOG.info("%s %s in %.0f ms", scope["method"], answer.status, taken)

    async def _let_in(self, scope: Message, receive: Receive, answer: "_Answer") -> None:
        if scope["method"] != "POST":
            await self.app(scope, receive, answer)
            return
        answer.is_body_read = False
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if not declared.isdigit() or int(declared) > self.limits.most_bytes:
            raise self._too_large()
        if self.worker.is_full:
            waiting = f"{self.worker.taken} requests are before this one; try again"
            raise Refused(503, waiting, (b"retry-after", b"1"))
        self.worker.taken += 1
        try:
            await self.app(scope, self._bounded(receive, answer), answer)
        finally:
            self.worker.taken -= 1

    def _bounded(self, receive: Receive, answer: "_Answer") -> Receive:
        """Return ``receive`` for a body of bounded size and time."""
        arrived, deadline = 0, time.monotonic() + self.limits.seconds

        async def bounded() -> Message:
            nonlocal arrived
            if answer.is_body_read:
                return await receive()
            try:
                message = await asyncio.wait_for(receive(), deadline - time.monotonic())
            except TimeoutError as error:
                answer.is_body_read = True  # as far as it will be
                told = f"the body did not arrive within {self.limits.seconds:g} s"
                raise _for_starlette(Refused(408, told)) from error
            arrived += len(message.get("body", b""))
            answer.is_body_read = not message.get("more_body", False)
            if arrived > self.limits.most_bytes:
                raise _for_starlette(self._too_large())
            return message

        return bounded

    def _too_large(self) -> Refused:
        return Refused(413, f"more than {self.limits.megabytes:g} MB; send a shorter record")


class _Answer:
    """Sends an answer with the headers of all, and knows how far it came."""

    def __init__(self, send: Send, receive: Receive) -> None:
        self.send, self.receive = send, receive
        self.status, self.is_body_read = 0, True

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [*message.get("headers", ()), *HEADERS]
        is_last = message["type"] == "http.response.body" and not message.get("more_body")
        if is_last and not self.is_body_read:
            await self.send({**message, "more_body": True})
            await self._linger()
            message = {"type": "http.response.body", "body": b""}
        await self.send(message)

    async def _linger(self) -> None:
        """Drop what is still sent for a while.

        A connection that is closed on it is reset, and the answer may be lost with it.
        """
        more = True
        with suppress(TimeoutError):
            async with asyncio.timeout(_LINGER):
                while more:
                    more = (await self.receive()).get("more_body", False)

    async def refuse(self, refused: Refused) -> None:
        body = json.dumps({"detail": refused.detail}).encode()
        kind, length = (b"content-type", b"application/json"), str(len(body)).encode()
        # The rest of the body would be read as the next request.
        headers = [kind, (b"content-length", length), (b"connection", b"close"), *refused.headers]
        await self({"type": "http.response.start", "status": refused.status, "headers": headers})
        await self({"type": "http.response.body", "body": body})


def _for_starlette(refused: Refused) -> Exception:
    """Return the one kind of error that FastAPI lets through while it reads a form."""
    from starlette.exceptions import HTTPException

    return HTTPException(refused.status, refused.detail, {"connection": "close"})
