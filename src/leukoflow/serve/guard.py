"""What every request passes: who may ask, what a browser may do with the reply, and a line in the log."""

import logging
import secrets
import time
from urllib.parse import urlsplit

from fastapi import HTTPException, Request
from fastapi.security.utils import get_authorization_scheme_param
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from leukoflow.serve.observe import Numbers
from leukoflow.serve.options import Settings

log = logging.getLogger("leukoflow.serve")
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


class Guard:
    """ASGI middleware around the whole application."""

    def __init__(self, app: ASGIApp, settings: Settings, numbers: Numbers) -> None:
        self.app = app
        self.settings = settings
        self.numbers = numbers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or pass on; add headers; count and log."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started, status, number = time.perf_counter(), 0, secrets.token_hex(6)

        async def reply(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers["X-Request-Id"] = number
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        try:
            if reason := refusal(Headers(scope=scope), self.settings):
                await JSONResponse({"detail": reason}, 403)(scope, receive, reply)
            else:
                await self.app(scope, receive, reply)
        except Exception:
            log.exception("failed", extra={"facts": {"request": number}})
            if status:
                raise
            await JSONResponse({"detail": "The service failed at this; its log says how"}, 500)(scope, receive, reply)
        finally:
            seconds = time.perf_counter() - started
            route = getattr(scope.get("route"), "path", "page")
            self.numbers.request(route, scope["method"], status, seconds)
            facts = {"request": number, "route": route, "status": status, "ms": round(1000 * seconds, 1)}
            log.info("request", extra={"facts": facts | scope.get("state", {}).get("facts", {})})


def refusal(headers: Headers, settings: Settings) -> str:
    """Why a request is refused for where it comes from; empty if it is not.

    Pages of other sites can make a browser send requests here, also under a name of their own that leads to this
    machine.
    """
    host = headers.get("host", "")
    try:
        if not settings.token and urlsplit(f"//{host}").hostname not in settings.hosts:
            return "The service is not known under this name; use http://localhost"
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc != host:
            return "Requests from pages of other sites are refused"
    except ValueError:
        return "The Host or Origin header makes no sense"
    return ""


def require_token(request: Request, token: str) -> None:
    """Raises HTTPException 401 if the request has not got the token."""
    scheme, credentials = get_authorization_scheme_param(request.headers.get("authorization"))
    if scheme.lower() != "bearer" or not secrets.compare_digest(credentials.encode(), token.encode()):
        raise HTTPException(401, "This service asks for a token", {"WWW-Authenticate": "Bearer"})
