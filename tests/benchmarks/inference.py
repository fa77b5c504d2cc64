"""How long an exported model takes from the bytes of an image file to its answer, on one thread.

python tests/benchmarks/inference.py [--model FOLDER] [--images FOLDER] [--passes 100] [--side 224]

Without --model it exports NeurALLNet of the paper's size with random weights for pictures of 224 x 224 pixels; without
--images it reads JPEG files of drawn smears. Rows: the network alone by PyTorch and ONNX Runtime, then decoding to
answer with its parts, then with cells and heat.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import cycle
from pathlib import Path

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "unit"))


def measured(name: str, answer: Callable[[], object], passes: int) -> None:
    """Print a row of the table."""
    for _ in range(5):
        answer()
    spent, busy = [], []
    for _ in range(passes):
        started, used = time.perf_counter(), time.process_time()
        answer()
        spent.append(1000 * (time.perf_counter() - started))
        busy.append(1000 * (time.process_time() - used))
    row(name, spent, busy)


def row(name: str, spent: list[float], busy: list[float] | None = None) -> None:
    """Print quantiles of milliseconds by the clock, and the median that it took of the processor."""
    quantiles = " | ".join(f"{quantile:6.1f}" for quantile in np.quantile(spent, [0.5, 0.95]))
    median = f"{np.median(busy):9.1f}" if busy else 9 * " "
    print(f"| {name:44} | {quantiles} | {median} |", flush=True)


def exported(folder: Path, side: int) -> Path:
    """The folder of a network with random weights."""
    from fake_export import make_export

    return make_export(folder, size="paper", side=side, drawn=side, steps=4).folder


def files(options: argparse.Namespace) -> list[bytes]:
    """Image files."""
    if options.images:
        paths = sorted(path for path in options.images.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
        return [path.read_bytes() for path in paths[:: max(1, len(paths) // 20)]]
    from smears import drawn_smears

    pictures, _ = drawn_smears(0.5, images=20, patients=10, size=options.side)
    return [cv2.imencode(".jpg", picture[:, :, ::-1])[1].tobytes() for picture in pictures]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--images", type=Path)
    parser.add_argument("--passes", type=int, default=100)
    parser.add_argument("--side", type=int, default=224)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = options.model or exported(Path(name), options.side)
        table(folder, files(options), options.passes)


def table(folder: Path, images: list[bytes], passes: int) -> None:
    """All rows for one exported model."""
    from leukoflow.runtime.images import read_image
    from leukoflow.runtime.model import open_model

    print(f"| {'milliseconds':44} |    p50 |    p95 | processor |")
    print("| --- | --- | --- | --- |")
    for form in (False, True):
        model = open_model(folder, int8=form)
        side = model.facts.view.size
        picture = np.random.default_rng(0).integers(0, 256, (1, side, side, 3), np.uint8)
        ort = "ONNX Runtime" + ", 8 bits" * form
        measured(f"network alone, {ort}", lambda model=model, picture=picture: model.logits(picture), passes)
        spent: dict[str, list[float]] = {}
        places = cycle(images)

        def whole(model=model, places=places, spent=spent) -> None:  # type: ignore[no-untyped-def]
            answer = model.answer(read_image(next(places), model.facts.max_pixels))
            for part, value in answer.milliseconds.items():
                spent.setdefault(part, []).append(value)

        measured(f"decoding to answer, {ort}", whole, passes)
        if not form:
            for part, values in spent.items():
                row(f"    of it {part}", values)
            pictures = cycle([read_image(image, model.facts.max_pixels) for image in images])

            def more(model=model, pictures=pictures) -> None:  # type: ignore[no-untyped-def]
                model.answer(next(pictures), cells=True, heat=True, neighbours=5)

            measured("answer with cells, heat and neighbours", more, max(10, passes // 4))


if __name__ == "__main__":
    main()
