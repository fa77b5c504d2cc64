"""An exported model, opened once and asked about any number of images."""

import hashlib
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load

from leukoflow.audits.novelty import Reference, mahalanobis
from leukoflow.config.views import View
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.files import read_json
from leukoflow.core.finite import check_finite
from leukoflow.core.picture import Picture
from leukoflow.images.views import square_of, through
from leukoflow.quality.scale import Usual
from leukoflow.runtime.answers import Answer, Cell, CellType, HeatMap, Neighbour, Point, RankedFeature, Reason
from leukoflow.runtime.cells import found_cells, label_map
from leukoflow.runtime.heat import gradient, heat_maps, placed, ranked_features
from leukoflow.runtime.pictures import measured
from leukoflow.runtime.reading import read_field
from leukoflow.runtime.schema import FILES, VERSION, Export, Role
from leukoflow.runtime.sessions import session

CELLS_AT_ONCE = 64
"""Cells shown to the network together."""
__all__ = ["Answer", "Cell", "Model", "Neighbour", "Point", "Reason", "open_model"]


def open_model(folder: Path, threads: int = 1, int8: bool = False) -> "Model":
    """Open the folder of an exported model, `results/STUDY/export/MODEL`; every file must be what was exported.

    threads: that the network may use; int8: the network of 8-bit integers. LeukoFlowError if the folder is none, is
    damaged, or was written in another format.
    """
    facts = _facts(folder)
    needed: list[Role] = ["int8" if int8 else "model", "heat", "novelty", "examples"]
    needed += ["segmenter"] if facts.segmenter.method == "unet" else []
    data = {role: _checked(folder, role, facts) for role in needed}
    return Model(facts, data, threads)


def _facts(folder: Path) -> Export:
    path = folder / "export.json"
    if not path.is_file():
        raise LeukoFlowError(f"{folder}: is no exported model (no export.json); give results/STUDY/export/MODEL")
    data = read_json(path)
    version = data.get("version") if isinstance(data, dict) else None
    if version != VERSION:
        raise LeukoFlowError(f"{path}: has format {version}, this program reads {VERSION}; export the model again")
    try:
        return Export.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise LeukoFlowError(f"{path}: {where}: {first['msg']}; export the model again") from error


def _checked(folder: Path, role: Role, facts: Export) -> bytes:
    """The bytes of a file, those that were exported."""
    path = folder / FILES[role]
    if role not in facts.files:
        raise LeukoFlowError(f"{folder}: export.json lists no {FILES[role]}; export the model again")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise LeukoFlowError(f"{path}: cannot be read ({error.strerror}); export the model again") from error
    if hashlib.sha256(data).hexdigest() != facts.files[role].sha256:
        raise LeukoFlowError(f"{path}: is damaged or was changed (its digest is not that of export.json); export again")
    return data


def _tensors(data: bytes, role: Role) -> dict[str, np.ndarray]:
    try:
        tensors = load(data)
        check_finite(FILES[role], tensors, "export the model again")
        return tensors
    except SafetensorError as error:
        raise LeukoFlowError(f"{FILES[role]}: cannot be read ({error}); export the model again") from error


class Model:
    """An exported model; `answer` may be called from several threads at once."""

    facts: Export
    """What `export.json` says."""

    def __init__(self, facts: Export, data: Mapping[Role, bytes], threads: int) -> None:
        self.facts = facts
        self._usual = Usual(**facts.scale.model_dump()) if facts.scale else None
        network: Role = "int8" if "int8" in data else "model"
        self._network = session(data[network], FILES[network], threads)
        self._outputs = [output.name for output in self._network.get_outputs()]
        self._heat = session(data["heat"], FILES["heat"], threads)
        self._segmenter = session(data["segmenter"], FILES["segmenter"], threads) if "segmenter" in data else None
        kept = _tensors(data["novelty"], "novelty")
        wide = {name: kept[name].astype(np.float64) for name in ("means", "axes", "inverse")}
        self._reference = Reference(**wide, rest=float(kept["rest"][0]), bank=np.empty((0, 0)), neighbours=1)
        self._examples = _tensors(data["examples"], "examples")

    def answer(
        self,
        image: np.ndarray,
        *,
        cells: bool = False,
        heat: bool = False,
        neighbours: int = 0,
        scale: Usual | None = None,
    ) -> Answer:
        """What the model says of an image, uint8 [H, W, 3] RGB, as `runtime.images.read_image` gives it.

        A model of single cells answers for the white cell nearest the middle. cells: also outline the white cells,
        which a model of single cells classifies one by one; heat: also if it looked, and of a classifier of ranked
        features which of these it attended to; neighbours: so many of the training images that are nearest to it, if
        the artefact holds any; scale: of the pictures of its microscope, for a model of single cells, if the image does
        not show its own. LeukoFlowError if the image is not uint8 RGB.
        """
        facts, spent, read = self.facts, _Spent(), image.shape[:2]
        with spent.on("quality"):
            segmented = cells or facts.view.needs_cells or facts.reader is not None
            known = measured(image, facts.aspect, segmented, scale if facts.reader else self._usual)
            values, picture = known.columns(), known.picture
        labels = None
        outlines: tuple[Cell, ...] = ()
        if segmented:
            with spent.on("cells"):
                if facts.reader:
                    picture, labels = read_field(picture, facts.segmenter, facts.reader, self._segmenter)
                else:
                    labels = label_map(picture, facts.segmenter, self._segmenter)
                if cells or facts.reader:
                    outlines = found_cells(picture, labels, read)
        if cells and facts.reader and outlines:
            with spent.on("types"):
                outlines = self._typed(picture, outlines, read)
        with spent.on("picture"):
            middle = _middle(picture, outlines, read) if facts.reader else None
            square = _square(picture, facts.view, middle)
            shown = through(square.raster, facts.view.chain, labels)
        with spent.on("network"):
            arrays = self._network.run(None, {"images": shown[None]})
        outputs = dict(zip(self._outputs, arrays, strict=True))
        logits, features = outputs["logits"], outputs["features"]
        shares = _softmax(logits[0] / facts.temperature)
        best = int(np.argmax(shares))
        with spent.on("novelty"):
            strangeness = self._strangeness(features, logits)
        quality = {name: (float(values[name]), limits.low, limits.high) for name, limits in facts.quality.items()}  # type: ignore[arg-type]
        reasons = tuple(self._reasons(quality, strangeness, float(shares[best])))
        if facts.reader:
            # Limits of quality are those of pictures of single cells: a field is beyond them by its nature.
            reasons = tuple(reason for reason in reasons if reason.kind != "quality")
            if not outlines:
                reasons = (Reason("quality", "No white cell was found."), *reasons)
        maps: tuple[HeatMap, ...] = ()
        ranked: tuple[RankedFeature, ...] = ()
        inside = heat and bool(facts.inside)
        if heat:
            with spent.on("heat"):
                made = gradient(self._heat, shown, outputs, best)
                size = facts.view.size
                content = square.content if middle is None else (0, 0, size, size)
                maps = heat_maps(facts.maps, made, outputs, content, size)
                if middle is not None:
                    step = facts.view.um_per_pixel / picture.um_per_pixel
                    maps = tuple(placed(heat, middle, step, picture.raster.pixels.shape[:2]) for heat in maps)
                ranked = ranked_features(facts, made, outputs)
        return Answer(
            classes=facts.classes,
            probabilities=tuple(shares.tolist()),
            label=facts.classes[best],
            conformal=self._conformal(shares),
            coverage=facts.conformal.coverage,
            reasons=reasons,
            quality=quality,
            novelty=strangeness,
            novelty_limit=math.inf if facts.novelty.threshold is None else facts.novelty.threshold,
            cells=outlines if cells else (),
            maps=maps,
            ranked=ranked,
            inside=dict(zip(facts.inside, outputs["inside"][0].tolist(), strict=True)) if inside else {},
            neighbours=self._neighbours(features[0], neighbours),
            milliseconds=spent.milliseconds,
        )

    def _typed(self, picture: Picture, cells: Sequence[Cell], read: tuple[int, int]) -> tuple[Cell, ...]:
        """The cells with their types, each shown to the network by itself."""
        facts, reader = self.facts, self.facts.reader
        assert reader is not None
        squares = [_square(picture, facts.view, _middle(picture, [cell], read)) for cell in cells]
        shown = np.stack([through(square.raster, facts.view.chain) for square in squares])
        limit = math.inf if facts.novelty.threshold is None else facts.novelty.threshold
        typed = []
        for start in range(0, len(cells), CELLS_AT_ONCE):
            part = slice(start, start + CELLS_AT_ONCE)
            logits, features = self._network.run(["logits", "features"], {"images": shown[part]})
            for cell, own_logits, own_features in zip(cells[part], logits, features, strict=True):
                shares = _softmax(own_logits / facts.temperature)
                label = facts.classes[int(np.argmax(shares))]
                strangeness = self._strangeness(own_features[None], own_logits)
                typed.append(
                    replace(
                        cell,
                        type=CellType(
                            label=label,
                            probabilities=tuple(shares.tolist()),
                            conformal=self._conformal(shares),
                            novelty=strangeness,
                            strange=not strangeness <= limit,
                            counted=label not in reader.uncounted,
                        ),
                    )
                )
        return tuple(typed)

    def logits(self, pictures: np.ndarray) -> np.ndarray:
        """Logits float32 [N, K] of renditions uint8 [N, S, S, 3], as `facts.view` makes them."""
        return np.asarray(self._network.run(["logits"], {"images": pictures})[0])

    def _strangeness(self, features: np.ndarray, logits: np.ndarray) -> float:
        if not (np.isfinite(features).all() and np.isfinite(logits).all()):
            return math.inf
        return float(mahalanobis(self._reference, features)[0])

    def _conformal(self, shares: np.ndarray) -> tuple[str, ...]:
        limit = self.facts.conformal.threshold
        return tuple(
            name for name, share in zip(self.facts.classes, shares, strict=True) if limit is None or 1 - share <= limit
        )

    def _reasons(
        self, quality: Mapping[str, tuple[float, float, float]], strangeness: float, share: float
    ) -> Iterator[Reason]:
        """Why not to answer, quality first."""
        facts = self.facts
        beyond = [
            f"{facts.quality[name].words} is {value:.3g}, accepted is "
            + (f"{low:.3g} or more" if value < low else f"{high:.3g} or less")
            for name, (value, low, high) in quality.items()
            if not low <= value <= high
        ]
        if beyond:
            yield Reason("quality", f"Poor or unusual picture: {'; '.join(beyond)}.")
        limit = facts.novelty.threshold
        if limit is not None and not strangeness <= limit:
            text = f"Unlike the training images: its distance from them is {strangeness:.3g}, the limit is {limit:.3g}."
            yield Reason("novelty", text)
        least = facts.confidence.threshold
        if least is not None and not share >= least:
            text = f"Not sure: the likeliest class has a probability of {share:.1%}, at least {least:.1%} is needed."
            yield Reason("confidence", text)

    def _neighbours(self, features: np.ndarray, count: int) -> tuple[Neighbour, ...]:
        bank, offsets = self._examples["features"], self._examples["offsets"]
        if count < 1 or not len(bank) or not np.isfinite(features).all():
            return ()
        vector = features / max(float(np.linalg.norm(features)), 1e-12)
        distances = np.linalg.norm(bank - vector, axis=1)
        pictures = self._examples["thumbnails"]
        return tuple(
            Neighbour(
                self.facts.classes[int(self._examples["labels"][row])],
                float(distances[row]),
                pictures[offsets[row] : offsets[row + 1]].tobytes(),
            )
            for row in np.argsort(distances, kind="stable")[:count]
        )


def _square(picture: Picture, view: View, middle: tuple[float, float] | None) -> Picture:
    """The square that the view shows, of single cells about the middle of one."""
    if middle is None:
        return square_of(picture, view)
    return picture.about(middle, view.size, view.um_per_pixel, view.bar)


def _middle(picture: Picture, cells: Sequence[Cell], read: tuple[int, int]) -> tuple[float, float]:
    """Middle (x, y) of the white cell nearest the middle of the picture, in its pixels.

    read: height and width of the image as read, in whose pixels cells lie. Without cells: of what is stained.
    """
    if not cells:
        return picture.middle
    height, width = picture.raster.pixels.shape[:2]
    x, y = min(
        ((cell.facts["x"], cell.facts["y"]) for cell in cells),
        key=lambda at: math.hypot(at[0] - read[1] / 2, at[1] - read[0] / 2),
    )
    return x * width / read[1] - 0.5, y * height / read[0] - 0.5


class _Spent:
    """Milliseconds spent on each part of an answer."""

    def __init__(self) -> None:
        self.milliseconds: dict[str, float] = {}

    @contextmanager
    def on(self, part: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self.milliseconds[part] = self.milliseconds.get(part, 0.0) + 1000 * (time.perf_counter() - started)


def _softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities float64 [K]; all alike where a logit is not finite, which novelty then refuses."""
    if not np.isfinite(logits).all():
        return np.full(len(logits), 1 / len(logits))
    shares = np.exp(logits.astype(np.float64) - logits.max())
    return np.asarray(shares / shares.sum())
