"""The JSON API."""

import asyncio
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, HTTPException, Query, Request, Response, Security
from fastapi.security import HTTPBearer
from prometheus_client import CONTENT_TYPE_LATEST

import leukoflow
from leukoflow.core.errors import LeukoFlowError
from leukoflow.runtime.images import read_image
from leukoflow.serve.guard import require_token
from leukoflow.serve.models import ServedModel, ServedModels
from leukoflow.serve.observe import Numbers
from leukoflow.serve.options import Settings
from leukoflow.serve.pictures import preview
from leukoflow.serve.pool import FullError, Ledger, Pool
from leukoflow.serve.schema import Health, Limits, ModelFacts, Problem, Result, Service, result_of
from leukoflow.serve.uploads import receive

T = TypeVar("T")
FORMATS = ["JPEG", "PNG", "BMP", "TIFF"]
MOST_NEIGHBOURS = 12
BINARY = {"schema": {"type": "string", "format": "binary"}}
BODY = {
    "required": True,
    "description": "The image file itself. Its type is told by its content, whatever the header says.",
    "content": {"application/octet-stream": BINARY, "image/*": BINARY},
}
PROBLEMS = {
    401: "The token is missing or wrong",
    403: "The request comes from another site",
    404: "No such model",
    408: "The upload took too long",
    413: "The file is too large",
    415: "A form instead of a file",
    422: "The image or a parameter cannot be used",
    429: "Too much to do at the moment; try again after the seconds that Retry-After says",
    504: "The answer took too long",
}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """For the description of a route: what may go wrong."""
    return {status: {"model": Problem, "description": PROBLEMS[status]} for status in (403, *statuses)}


@dataclass(frozen=True)
class State:
    """What the routes work with."""

    settings: Settings
    models: ServedModels
    pool: Pool
    ledger: Ledger
    numbers: Numbers


@dataclass(frozen=True)
class Asked:
    """What an answer should hold besides the class."""

    cells: bool
    heat: bool
    neighbours: int
    picture: bool


def state_of(request: Request) -> State:
    """The application's state."""
    state: State = request.app.state.service
    return state


async def allowed(request: Request, _: Annotated[Any, Security(HTTPBearer(auto_error=False))]) -> None:
    """Refuse a request without the token."""
    require_token(request, state_of(request).settings.token)


open_router = APIRouter()
router = APIRouter()


@open_router.get("/health", responses=problems(), summary="Whether the service is there")
async def health(request: Request) -> Health:
    """Needs no token."""
    return Health(models=len(state_of(request).models))


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {}}}, **problems(401)},
    summary="Numbers for Prometheus",
)
async def metrics(request: Request) -> Response:
    """Requests, times, answers and what is in work."""
    return Response(state_of(request).numbers.text(), media_type=CONTENT_TYPE_LATEST)


@router.get("/api/models", responses=problems(401), summary="Models that can be asked, and limits")
async def models(request: Request) -> Service:
    """What the page needs at its start."""
    state = state_of(request)
    limits = Limits(max_bytes=state.settings.max_bytes, max_pixels=state.settings.max_pixels, formats=FORMATS)
    facts = [facts_of(name, model) for name, model in state.models.items()]
    return Service(version=leukoflow.__version__, models=facts, limits=limits)


@router.get(
    "/api/models/{name}/card",
    response_class=Response,
    responses={200: {"content": {"text/html": {"schema": {"type": "string"}}}}, **problems(401, 404, 422)},
    summary="A model's card",
)
async def card(request: Request, name: str) -> Response:
    """Intended use, data, results with intervals, audit findings and limits, as a piece of HTML."""
    return Response(find(state_of(request).models, name).card, media_type="text/html")


@router.post(
    "/api/models/{name}/answer",
    response_model=Result,
    responses=problems(401, 404, 408, 413, 415, 422, 429, 504),
    openapi_extra={"requestBody": BODY},
    summary="Ask a model about one image",
)
async def answer(
    request: Request,
    name: str,
    cells: Annotated[bool, Query(description="Find white cells and measure them")] = False,
    heat: Annotated[
        bool, Query(description="Where the model looked, and which ranked features it attended to")
    ] = False,
    neighbours: Annotated[int, Query(ge=0, le=MOST_NEIGHBOURS, description="Training images nearest to it")] = 0,
    picture: Annotated[bool, Query(description="Send the image back, as it was read")] = False,
) -> Response:
    """The image is held in memory until it is answered, and nothing of it is kept. Looking for cells takes several
    times as long as all the rest: requests without them are answered first."""
    state = state_of(request)
    served = find(state.models, name)
    asked = Asked(cells, heat, neighbours, picture)
    try:
        if state.pool.full:
            raise FullError
        with state.ledger.hold() as take:
            data = await receive(request, state.settings.max_bytes, state.settings.upload_seconds, take)
            work = state.pool.submit(answer_image, name, served, data, state.settings.max_pixels, asked, long=cells)
            text, outcome = await first(work, request, state.settings.answer_seconds)
    except FullError as error:
        raise HTTPException(429, "Too many images wait already; try again", {"Retry-After": "1"}) from error
    except LeukoFlowError as error:
        state.numbers.answers.labels(name, "unreadable").inc()
        raise HTTPException(422, str(error)) from error
    state.numbers.answers.labels(name, outcome).inc()
    request.state.facts = {"model": name, "outcome": outcome, "bytes": len(data)}
    return Response(text, media_type="application/json")


def facts_of(name: str, served: ServedModel) -> ModelFacts:
    """What the page says of a model."""
    facts = served.model.facts
    return ModelFacts(
        name=name,
        title=facts.title,
        study=facts.study,
        cohort=facts.cohort,
        task=facts.task,
        classes=list(facts.classes),
        findings=list(facts.findings),
    )


def find(models: ServedModels, name: str) -> ServedModel:
    """A model by its name. Raises HTTPException 404."""
    if name not in models:
        raise HTTPException(404, f"No model of this name; there are: {', '.join(models)}")
    return models[name]


def answer_image(name: str, served: ServedModel, data: bytes, max_pixels: int, asked: Asked) -> tuple[bytes, str]:
    """Decode, ask, and put the result as JSON: all that takes long, for a worker thread. Also how it came out."""
    image = read_image(data, max_pixels, served.model.facts.bits)
    answer = served.model.answer(image, cells=asked.cells, heat=asked.heat, neighbours=asked.neighbours)
    shown = preview(image) if asked.picture else None
    result = result_of(name, answer, (image.shape[1], image.shape[0]), served.model.facts, asked.cells, shown)
    return result.model_dump_json().encode(), "abstained" if answer.abstains else "answered"


async def first(work: "asyncio.Future[T]", request: Request, seconds: float) -> T:
    """The work's result, unless the client leaves or `seconds` pass first: then what has not begun is not done.

    Raises HTTPException 504, or 499 that nobody receives.
    """
    gone = asyncio.ensure_future(_left(request))
    try:
        both: set[asyncio.Future[Any]] = {work, gone}
        done, _ = await asyncio.wait(both, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        gone.cancel()
    if work in done:
        return work.result()
    work.cancel()
    if gone in done:
        raise HTTPException(499, "The client left")
    raise HTTPException(504, f"There was no answer within {seconds:g} seconds; try again later")


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
