"""Where an exported model looked: Grad-CAM by its exported gradient, and the maps that the network gives itself."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import cv2
import numpy as np
import onnxruntime

from leukoflow.core.geometry import Box
from leukoflow.runtime.answers import HeatMap, RankedFeature
from leukoflow.runtime.schema import Export, MapKind

LARGEST = 512
"""Longer side of maps that are laid over a whole image, pixels."""
LISTED = 10
"""Ranked features in an answer."""
Arrays = Mapping[str, np.ndarray]


def gradient(network: onnxruntime.InferenceSession, picture: np.ndarray, outputs: Arrays, label: int) -> Arrays:
    """What the tail of a network and its gradient give for a class, by name: `heat` [1, h, w] of each trunk, not yet
    stretched, and of a classifier of ranked features their `effects` [1, k].

    picture: uint8 [S, S, 3], which the tail takes where it looks past the maps; outputs: what the network gave.
    """
    known = {**outputs, "label": np.array([label], np.int64), "images": picture[None]}
    feeds = {node.name: known[node.name] for node in network.get_inputs()}
    names = [node.name for node in network.get_outputs()]
    return dict(zip(names, network.run(None, feeds), strict=True))


def heat_maps(kinds: Sequence[MapKind], made: Arrays, outputs: Arrays, content: Box, size: int) -> tuple[HeatMap, ...]:
    """Every kind of map over the image that a rendition of this size was made of; content: where it lies in it.

    made: as `gradient` gives it; outputs: what the network gave.
    """
    trunks = [heat[0] for name, heat in made.items() if name.startswith("heat")]
    whole = {f"gradcam_{number}": _enlarged(heat, size) for number, heat in enumerate(trunks, start=1)}
    # In the unit of the logit: each map times its number of positions.
    whole["gradcam"] = np.sum([heat.size * _enlarged(heat, size) for heat in trunks], axis=0)
    return tuple(
        HeatMap(
            kind.name,
            kind.title,
            kind.text,
            over_image(whole[kind.name] if kind.name in whole else outputs[kind.name][0], content, size),
        )
        for kind in kinds
    )


def placed(heat: HeatMap, middle: tuple[float, float], step: float, shape: tuple[int, int]) -> HeatMap:
    """A map over the content of a square about a point of an image, laid over the whole image: 0 beyond the square.

    middle: x, y in pixels of the image of this height and width; step: pixels of the image to one of the square.
    """
    height, width = shape
    shrunk = min(1.0, LARGEST / max(shape))
    size = max(1, round(width * shrunk)), max(1, round(height * shrunk))
    side = heat.values.shape
    scale = np.array([width / size[0], height / size[1]])
    # From pixels of the result to those of the image, then to those of the square.
    matrix = np.array([[scale[0] / step, 0.0, 0.0], [0.0, scale[1] / step, 0.0]])
    starts = (scale / 2 - 0.5 - np.array(middle)) / step + (np.array([side[1], side[0]]) - 1) / 2
    matrix[:, 2] = starts
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return replace(heat, values=cv2.warpAffine(heat.values, matrix, size, flags=flags))


def ranked_features(facts: Export, made: Arrays, outputs: Arrays) -> tuple[RankedFeature, ...]:
    """The features that a classifier of ranked features attends to most; see `Answer.ranked`."""
    if not facts.ranked:
        return ()
    values, effects = outputs["ranked"][0], made["effects"][0]
    weights = outputs["attended"][0] if "attended" in outputs else None
    first = np.argsort(-(np.abs(effects) if weights is None else weights), kind="stable")[:LISTED]
    return tuple(
        RankedFeature(
            facts.ranked[column],
            int(column) + 1,
            float(values[column]),
            None if weights is None else float(weights[column]),
            float(effects[column]),
        )
        for column in first
    )


def over_image(heat: np.ndarray, content: Box, size: int) -> np.ndarray:
    """Heat of a rendition as it lies over the image that it was made of: float32 [h, w], least 0, most 1.

    heat: [a, b] over the rendition of this size; content: where the image lies in it. The padding of the letterbox is
    cut off. A map without any heat is 0.
    """
    x0, y0, x1, y1 = content
    whole = _enlarged(heat, size)[y0:y1, x0:x1]
    low, high = float(whole.min()), float(whole.max())
    if high - low <= 1e-6 * max(abs(high), abs(low)):
        return np.zeros_like(whole)
    return (whole - low) / (high - low)


def _enlarged(heat: np.ndarray, size: int) -> np.ndarray:
    return np.asarray(cv2.resize(heat.astype(np.float32), (size, size), interpolation=cv2.INTER_LINEAR))
