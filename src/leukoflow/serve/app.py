"""`leukoflow serve`: the application, and running it until it is told to stop."""

import argparse
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import uvicorn
from fastapi import FastAPI, Request, Security
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse
from fastapi.staticfiles import StaticFiles

import leukoflow
from leukoflow.core.errors import LeukoFlowError
from leukoflow.runtime.shipped import shipped_model
from leukoflow.serve.connections import PunctualProtocol
from leukoflow.serve.guard import Guard
from leukoflow.serve.models import ServedModels, find_exports, open_models
from leukoflow.serve.observe import Numbers, log_to_stderr
from leukoflow.serve.options import Settings, settings_of
from leukoflow.serve.pool import Ledger, Pool
from leukoflow.serve.routes import State, allowed, open_router, router
from leukoflow.serve.words import NOTICE

PAGE = Path(__file__).parent / "page"
HEADER_BYTES = 16 * 1024
CONNECTIONS = 512
"""More at once are turned away with 503."""
GRACE_SECONDS = 20
"""For what is in work when the service is told to stop."""


def create_app(settings: Settings, models: ServedModels) -> FastAPI:
    """The ASGI application. It writes no file and asks no other host."""
    pool, ledger = Pool(settings.workers, settings.queue), Ledger(settings.held_bytes)
    numbers = Numbers(lambda: pool.taken, lambda: ledger.held)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        pool.close()

    # Its pages for reading the API come from other hosts: the description alone is served.
    app = FastAPI(
        title="LeukoFlow",
        version=leukoflow.__version__,
        description=f"Ask a model about an image of a blood smear. {NOTICE}",
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/openapi.json",
        lifespan=lifespan,
    )
    app.state.service = State(settings, models, pool, ledger, numbers)
    app.add_middleware(Guard, settings=settings, numbers=numbers)
    app.add_exception_handler(RequestValidationError, wrong_parameter)
    app.include_router(open_router)
    app.include_router(router, dependencies=[Security(allowed)] if settings.token else [])
    app.add_route("/", lambda _request: FileResponse(PAGE / "index.html"))
    app.mount("/page", StaticFiles(directory=PAGE))
    return app


async def wrong_parameter(_request: Request, error: Exception) -> JSONResponse:
    """A parameter that cannot be used, in one line."""
    assert isinstance(error, RequestValidationError)
    said = [f"{detail['loc'][-1]}: {detail['msg']}" for detail in error.errors()]
    return JSONResponse({"detail": "; ".join(said)}, 422)


def main(args: argparse.Namespace) -> int:
    """Serve exported models until interrupted. Raises LeukoFlowError for options and folders that cannot be used."""
    settings = settings_of(args)
    models = open_models(find_exports(args.models or [shipped_model()]), args.int8)
    listening = listen(args.host, args.port)
    log_to_stderr()
    host = f"[{args.host}]" if ":" in args.host else args.host
    print(f"LeukoFlow at http://{host}:{listening.getsockname()[1]} ({', '.join(models)}). Ctrl+C ends it.", flush=True)
    config = uvicorn.Config(
        create_app(settings, models),
        http=PunctualProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        limit_concurrency=CONNECTIONS,
        h11_max_incomplete_event_size=HEADER_BYTES,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    try:
        uvicorn.Server(config).run(sockets=[listening])
    except KeyboardInterrupt:
        logging.getLogger("leukoflow.serve").info("stopped")
    return 0


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises LeukoFlowError if the address cannot be had."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listening = socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise LeukoFlowError(
            f"{host} port {port}: cannot be listened on ({error.strerror or error}); choose another with --port"
        ) from error
    # Connections have it from here. Without it the end of an answer waits 40 ms for word that its start has come.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening
