"""White cells of an image as GeoJSON that QuPath opens as cells with nuclei, classes and measurements.

The format is that of QuPath 0.4 and later: a FeatureCollection (RFC 7946) in pixels of the image; each feature has
`objectType`, `classification` (name, colour) and `measurements` among its properties, and `nucleusGeometry` next to its
geometry. Other readers of GeoJSON take the outlines.
"""

import json
import math
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from leukoflow.runtime.answers import Answer, Cell, Point

UNTYPED = "White cell"
UNCERTAIN = "not certain"
COLOURS = (
    (126, 87, 194), (255, 112, 67), (41, 182, 246), (139, 195, 74), (253, 216, 53), (236, 64, 122), (141, 110, 99),
    (120, 144, 156),
)  # fmt: skip
"""Of classes in their order."""


def geojson(path: str, answer: Answer) -> str:
    """The cells of an answer about the image of that path, as text. Cells whose type is not certain have the class
    `TYPE: not certain`; measurements are those of `Cell.facts` and the probability of each type."""
    features = [_feature(f"{path}#{number}", cell, answer) for number, cell in enumerate(answer.cells, start=1)]
    return json.dumps({"type": "FeatureCollection", "features": features}, ensure_ascii=False) + "\n"


def _feature(name: str, cell: Cell, answer: Answer) -> dict[str, Any]:
    label, colour = UNTYPED, COLOURS[-1]
    measurements = {key: value for key, value in cell.facts.items() if math.isfinite(value)}
    if cell.type:
        label = cell.type.label if cell.type.told else f"{cell.type.label}: {UNCERTAIN}"
        colour = COLOURS[answer.classes.index(cell.type.label) % len(COLOURS)]
        measurements |= {f"p {key}": p for key, p in zip(answer.classes, cell.type.probabilities, strict=True)}
        measurements |= {"novelty": cell.type.novelty} if math.isfinite(cell.type.novelty) else {}
    feature: dict[str, Any] = {
        "type": "Feature",
        "id": str(uuid5(NAMESPACE_URL, name)),
        "geometry": _polygon(cell.outline),
        "properties": {
            "objectType": "cell" if len(cell.nucleus) > 2 else "detection",
            "classification": {"name": label, "color": list(colour)},
            "measurements": {key: round(float(value), 6) for key, value in measurements.items()},
        },
    }
    if len(cell.nucleus) > 2:
        feature["nucleusGeometry"] = _polygon(cell.nucleus)
    return feature


def _polygon(outline: tuple[Point, ...]) -> dict[str, Any]:
    """A closed ring, counterclockwise as RFC 7946 has it (y grows downwards in images)."""
    points = [(round(x, 2), round(y, 2)) for x, y in outline]
    area = sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in zip(points, [*points[1:], points[0]], strict=True))
    ring = points if area >= 0 else points[::-1]
    return {"type": "Polygon", "coordinates": [[list(point) for point in (*ring, ring[0])]]}
