"""What the JSON API says: the shapes of its answers, with the words that its description shows."""

import math

from pydantic import BaseModel, ConfigDict, Field

from leukoflow.runtime.answers import Answer, Cell
from leukoflow.runtime.counting import counts_of, differential_of
from leukoflow.runtime.schema import Export
from leukoflow.serve.pictures import heat_overlay, thumbnail
from leukoflow.serve.words import NOTICE, conformal_sentence, headline

Points = list[tuple[float, float]]


class _Shape(BaseModel):
    model_config = ConfigDict(frozen=True)


class Problem(_Shape):
    """Why there is no answer."""

    detail: str = Field(description="What is wrong and what to do, in one line")


class Health(_Shape):
    """That the service is there."""

    status: str = "ok"
    models: int = Field(description="Models that can be asked")


class ModelFacts(_Shape):
    """A model that can be asked."""

    name: str
    title: str
    study: str
    cohort: str
    task: str
    classes: list[str]
    findings: list[str] = Field(description="What the audit found about the numbers of this model, in sentences")


class Limits(_Shape):
    """What is refused."""

    max_bytes: int = Field(description="Largest file")
    max_pixels: int = Field(description="Largest image, width times height")
    formats: list[str] = Field(description="File formats that are read, recognised by their content")


class Service(_Shape):
    """Which models there are and what they take."""

    version: str
    notice: str = NOTICE
    models: list[ModelFacts]
    limits: Limits


class ClassShare(_Shape):
    """A class and its calibrated probability."""

    name: str
    probability: float = Field(ge=0, le=1)


class Conformal(_Shape):
    """Every class that cannot be ruled out."""

    classes: list[str]
    coverage: float = Field(description="Share of such sets that hold the true class, for images like those known")
    text: str


class Abstention(_Shape):
    """A reason not to answer."""

    kind: str = Field(description="quality, novelty or confidence")
    text: str


class Measure(_Shape):
    """One measure of image quality and the range of the training images."""

    name: str
    meaning: str
    value: float | None
    low: float | None = Field(description="Lowest value accepted; null for no limit")
    high: float | None = Field(description="Highest value accepted; null for no limit")
    within: bool


class Novelty(_Shape):
    """How strange the image is to the model; larger is stranger."""

    value: float | None = Field(description="null if it is beyond all measure")
    limit: float | None = Field(description="Largest value accepted; null for no limit")
    within: bool


class CellFound(_Shape):
    """A white cell: outlines in pixels of the image as read, x then y."""

    number: int
    outline: Points
    nucleus: Points
    facts: dict[str, float | None]
    type: str | None = Field(description="Likeliest type, by models of single cells; else null")
    probability: float | None = Field(description="Calibrated, of this type")
    types: list[str] = Field(description="Types that cannot be ruled out")
    told: bool | None = Field(description="Whether one type alone is left and the cell is like those known")


class TypeCounted(_Shape):
    """White cells of one type in the image."""

    name: str
    cells: int = Field(description="Cells of which it is the likeliest type")
    share: float | None = Field(
        description="Of all white cells, corrected for confusion between types; null without any"
    )
    low: float = Field(description="Lower 95 % limit of the share")
    high: float = Field(description="Upper 95 % limit of the share")


class Example(_Shape):
    """A training image whose features are near those of this one."""

    label: str
    distance: float
    thumbnail: str = Field(description="JPEG as a data address")


class MapShown(_Shape):
    """A map over the image, of where the model looked."""

    name: str
    title: str = Field(description="What it is")
    text: str = Field(description="What it shows and how it is made")
    heat: str = Field(description="PNG to lay over the image as a data address")


class RankedShown(_Shape):
    """A ranked feature that the classifier reads."""

    name: str
    rank: int = Field(description="Place in the ranking, from 1")
    value: float | None = Field(description="Scaled as the classifier reads it")
    attention: float | None = Field(description="Weight among all features, 0 to 1; null if it attends to none")
    effect: float | None = Field(description="On the logit of the class named, to first order: gradient times value")


class InsideShown(_Shape):
    """A number of what goes on in the network."""

    name: str
    meaning: str
    value: float | None


class Result(_Shape):
    """What a model says of one image."""

    model: str
    width: int
    height: int
    abstains: bool = Field(description="Whether there are reasons not to trust the class")
    reasons: list[Abstention]
    headline: str
    label: str = Field(description="The most probable class, whether or not the model abstains")
    classes: list[ClassShare]
    conformal: Conformal
    quality: list[Measure]
    novelty: Novelty
    cells: list[CellFound] | None = Field(description="null if not asked for")
    counts: list[TypeCounted] = Field(
        description="Differential count of these cells, by models of single cells; else empty"
    )
    heat: str | None = Field(description="Grad-CAM, the first of `maps`; null if not asked for")
    maps: list[MapShown] = Field(description="Where the model looked; empty if not asked for")
    ranked: list[RankedShown] = Field(description="Ten features of a classifier of ranked features; of others empty")
    inside: list[InsideShown] = Field(description="Channel gates or firing rates; of other networks empty")
    attention: str = Field(description="What the weights of its attention to ranked features are")
    neighbours: list[Example]
    picture: str | None = Field(description="The image as read, JPEG as a data address; null if not asked for")
    milliseconds: dict[str, float] = Field(description="Time of each stage")
    notice: str = NOTICE


def result_of(
    model: str, answer: Answer, size: tuple[int, int], facts: Export, cells: bool, picture: str | None
) -> Result:
    """A model's answer for an image of `size` (width, height)."""
    measures = facts.measures
    maps = [MapShown(name=e.name, title=e.title, text=e.text, heat=heat_overlay(e.values)) for e in answer.maps]
    return Result(
        model=model,
        width=size[0],
        height=size[1],
        abstains=bool(answer.reasons),
        reasons=[Abstention(kind=reason.kind, text=reason.text) for reason in answer.reasons],
        headline=headline(answer, single=facts.reader is not None),
        label=answer.label,
        classes=[
            ClassShare(name=name, probability=min(max(float(share), 0.0), 1.0))
            for name, share in zip(answer.classes, answer.probabilities, strict=True)
        ],
        conformal=Conformal(classes=list(answer.conformal), coverage=answer.coverage, text=conformal_sentence(answer)),
        quality=[_measure(name, measures.get(name, name), *values) for name, values in answer.quality.items()],
        novelty=Novelty(
            value=_finite(answer.novelty),
            limit=_finite(answer.novelty_limit),
            within=answer.novelty <= answer.novelty_limit,
        ),
        cells=[_cell(number, cell) for number, cell in enumerate(answer.cells, start=1)] if cells else None,
        counts=_counts(facts, answer) if cells and facts.reader else [],
        heat=maps[0].heat if maps else None,
        maps=maps,
        ranked=[
            RankedShown(
                name=feature.name,
                rank=feature.rank,
                value=_finite(feature.value),
                attention=feature.attention if feature.attention is None else _finite(feature.attention),
                effect=_finite(feature.effect),
            )
            for feature in answer.ranked
        ],
        inside=[
            InsideShown(name=name, meaning=facts.inside[name], value=_finite(value))
            for name, value in answer.inside.items()
        ],
        attention=facts.attention if answer.ranked else "",
        neighbours=[
            Example(label=neighbour.label, distance=neighbour.distance, thumbnail=thumbnail(neighbour.thumbnail))
            for neighbour in answer.neighbours
        ],
        picture=picture,
        milliseconds=dict(answer.milliseconds),
    )


def _measure(name: str, meaning: str, value: float, low: float, high: float) -> Measure:
    return Measure(
        name=name,
        meaning=meaning,
        value=_finite(value),
        low=_finite(low),
        high=_finite(high),
        within=low <= value <= high,
    )


def _cell(number: int, cell: Cell) -> CellFound:
    return CellFound(
        number=number,
        outline=[(round(x, 1), round(y, 1)) for x, y in cell.outline],
        nucleus=[(round(x, 1), round(y, 1)) for x, y in cell.nucleus],
        facts={name: _finite(value) for name, value in cell.facts.items()},
        type=cell.type.label if cell.type else None,
        probability=max(cell.type.probabilities) if cell.type else None,
        types=list(cell.type.conformal) if cell.type else [],
        told=cell.type.told if cell.type else None,
    )


def _counts(facts: Export, answer: Answer) -> list[TypeCounted]:
    counted = differential_of(facts, counts_of(answer.cells))
    return [
        TypeCounted(name=kind.name, cells=kind.cells, share=_finite(kind.share), low=kind.low, high=kind.high)
        for kind in counted.types
    ]


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
