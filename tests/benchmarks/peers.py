"""What takes time here, compared with what one would use instead: the same work, in turns, in one process.

    python tests/benchmarks/peers.py --table docs/speed.csv --page docs/speed.md --figure docs/speed.png
    python tests/benchmarks/peers.py --only reinhard mrmr

A row has the least milliseconds of several rounds, ours and the peer's; the limit, which is what bytes or operations
alone cost here; the ratio, the target, and by how much the results differ. A peer that is not installed is left out
and named. Rows whose results differ by more than they may, and missed targets, are marked. OMP_NUM_THREADS sets
the threads; the pictures are synthetic smears.
"""

import argparse
import copy
import importlib.metadata
import importlib.util
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import torch
from torch import nn

ROOT = Path(__file__).resolve().parents[2]
sys.path[:] = [folder for folder in sys.path if Path(folder or ".").resolve() != Path(__file__).resolve().parent]
sys.path.append(str(ROOT / "tests" / "unit"))

from leukoflow.config.evaluation import Evaluation  # noqa: E402
from leukoflow.config.features import Selection  # noqa: E402
from leukoflow.config.views import Clahe, Reinhard  # noqa: E402
from leukoflow.core.picture import Raster  # noqa: E402
from leukoflow.features.discretise import three_states  # noqa: E402
from leukoflow.features.ranking import rank, rank_discrete  # noqa: E402
from leukoflow.images.shards import Shards, open_view, write_shard  # noqa: E402
from leukoflow.images.stain import normalise  # noqa: E402
from leukoflow.models import inference, registry  # noqa: E402
from leukoflow.models.layers.lif import LIF  # noqa: E402
from leukoflow.quality.hashing import difference_hash  # noqa: E402
from leukoflow.stats import metrics  # noqa: E402
from leukoflow.stats.bootstrap import resample_metrics  # noqa: E402

STEPS = 4
Work = Callable[[], Any]


@dataclass
class Row:
    """One comparison."""

    subject: str
    """What is done, and how much of it."""
    peer: str
    """Package and version, and how it is called."""
    threads: int
    ours_ms: float
    peer_ms: float
    """Not a number if there is no peer: then the limit alone is compared with."""
    limit_ms: float
    limit: str
    """What the limit is."""
    difference: float
    """Largest difference of the results; not a number if they cannot be equal by design."""
    allowed: float
    """Difference that rounding explains."""
    target: str
    """What is to be reached, empty if nothing was set."""
    reached: str
    """`yes` or `no`."""

    @property
    def ratio(self) -> float:
        """How many times faster than the peer."""
        return self.peer_ms / self.ours_ms


def rounds(works: dict[str, Work], repeat: int, warm: int = 1) -> tuple[dict[str, float], dict[str, Any]]:
    """Least milliseconds of each work in `repeat` rounds of all of them, and what they return."""
    results = {name: work() for name, work in works.items() for _ in range(warm)}
    least = dict.fromkeys(works, np.inf)
    for _ in range(repeat):
        for name, work in works.items():
            started = time.perf_counter()
            results[name] = work()
            least[name] = min(least[name], 1000 * (time.perf_counter() - started))
    return least, results


def version(package: str) -> str:
    """Name and version of a package as it is installed."""
    return f"{package} {importlib.metadata.version(package)}"


def there(*modules: str) -> bool:
    """Whether modules can be imported; those that cannot are named."""
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    if missing:
        print(f"{', '.join(missing)} not installed: left out")
    return not missing


def smears(count: int, side: int) -> np.ndarray:
    """Synthetic smears uint8 [n, side, side, 3]."""
    from smears import drawn_smears

    pictures, _ = drawn_smears(0.5, images=count, patients=max(4, count // 4), size=side)
    return np.stack(pictures)


class Plain(nn.Module):
    """NeurALLNet as it is written with SpikingJelly: its neurons, one step after the other or all steps at once."""

    def __init__(self, network: nn.Module, mode: str) -> None:
        super().__init__()
        self.network, self.mode = copy.deepcopy(network), mode
        for parent in list(self.network.modules()):
            for name, child in parent.named_children():
                if isinstance(child, LIF):
                    setattr(parent, name, self._node())

    def _node(self) -> nn.Module:
        from spikingjelly.activation_based import neuron, surrogate

        ways: dict[str, Any] = {"tau": 2.0, "surrogate_function": surrogate.ATan(), "detach_reset": True}
        node = neuron.LIFNode(**ways, step_mode=self.mode)
        return node if self.mode == "s" else _AllSteps(node)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Images to logits."""
        from spikingjelly.activation_based import functional

        functional.reset_net(self)
        if self.mode == "m":
            return self._once(x.repeat(STEPS, 1, 1, 1)).unflatten(0, (STEPS, -1)).mean(dim=0)
        return torch.stack([self._once(x) for _ in range(STEPS)]).mean(dim=0)

    def _once(self, x: torch.Tensor) -> torch.Tensor:
        net: Any = self.network
        return net.classifier(net.head(net.refinement(net.stages(net.stem(x))).mean(dim=(2, 3))))


class _AllSteps(nn.Module):
    def __init__(self, node: nn.Module) -> None:
        super().__init__()
        self.node = node

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.node(x.unflatten(0, (STEPS, -1))).flatten(0, 1)


def convolutions(network: nn.Module, x: torch.Tensor, backward: bool) -> Work:
    """The convolutions and linear layers of a network alone, on inputs of the shapes that they get."""
    seen: list[tuple[nn.Module, torch.Tensor]] = []
    hooks = [
        layer.register_forward_hook(lambda layer, tensor, out: seen.append((layer, tensor[0].detach().clone())))
        for layer in network.modules()
        if isinstance(layer, (nn.Conv2d, nn.Linear))
    ]
    with torch.no_grad():
        network(x)
    for hook in hooks:
        hook.remove()
    if not backward:
        return lambda: [layer(tensor) for layer, tensor in seen]
    inputs = [tensor.requires_grad_() for _, tensor in seen]

    def both() -> None:
        for (layer, _), tensor in zip(seen, inputs, strict=True):
            layer(tensor).sum().backward()

    return both


def neurallnet(repeat: int) -> Iterator[Row]:
    """NeurALLNet of the published size, 224 pixels: one image forward on one thread, sixteen trained on."""
    if not there("spikingjelly"):
        return
    torch.manual_seed(0)
    peer = version("spikingjelly")
    network = registry.build("neurallnet").eval()
    images = torch.from_numpy(smears(16, 224))
    x = inference.to_input(images[:1], torch.device("cpu"))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    single, multi = Plain(network, "s").eval(), Plain(network, "m").eval()
    works: dict[str, Work] = {
        "ours": lambda: network(x),
        "single": lambda: single(x),
        "multi": lambda: multi(x),
        "limit": convolutions(network, x, backward=False),
    }
    with tempfile.TemporaryDirectory() as folder:
        works |= _exported(network, images, Path(folder))
        with torch.no_grad():
            least, out = rounds(works, repeat, warm=2)
            for mode in ("single", "multi"):
                yield _row(
                    "NeurALLNet forward, 1 image of 224", f"{peer}, {mode}-step", 1, least["ours"], least[mode],
                    least["limit"], "its convolutions alone", out["ours"] - out[mode], 1e-4,
                    5 if mode == "single" else None,
                )  # fmt: skip
            if "exported" in works:
                yield _row(
                    "NeurALLNet exported (ONNX Runtime), 1 image of 224", f"{peer}, single-step", 1,
                    least["exported"], least["single"], least["limit"], "its convolutions alone in PyTorch",
                    torch.from_numpy(np.asarray(out["exported"])) - out["single"], 1e-3, 10,
                )  # fmt: skip
            compiled = _compiled(single, x)
            if compiled:
                least, out = rounds({"ours": works["ours"], "compiled": compiled}, repeat)
                yield _row(
                    "NeurALLNet forward, 1 image of 224", f"{peer}, single-step, {version('torch')} compile", 1,
                    least["ours"], least["compiled"], np.nan, "", out["ours"] - out["compiled"], 1e-4, None,
                )  # fmt: skip
    torch.set_num_threads(threads)
    yield from _training(network.train(), images, peer, max(2, repeat // 4))


def _exported(network: nn.Module, images: torch.Tensor, folder: Path) -> dict[str, Work]:
    import onnxruntime

    from leukoflow.export import folder as files
    from leukoflow.runtime.schema import FILES

    files.write_networks(folder, network, images.numpy())
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(folder / FILES["model"]), options)
    name = session.get_inputs()[0].name
    return {"exported": lambda: session.run(None, {name: images[:1].numpy()})[0]}


def _compiled(network: nn.Module, x: torch.Tensor) -> Work | None:
    try:
        compiled = torch.compile(network)
        compiled(x)
    except Exception as error:  # whatever a compiler says
        print(f"torch.compile: left out ({str(error).splitlines()[0][:80]})")
        return None
    return lambda: compiled(x)


def _training(network: nn.Module, images: torch.Tensor, peer: str, repeat: int) -> Iterator[Row]:
    x, y = inference.to_input(images, torch.device("cpu")), torch.arange(len(images)) % 4
    ways = {"ours": network, "single": Plain(network, "s"), "multi": Plain(network, "m")}
    works: dict[str, Work] = {name: _step(way, x, y) for name, way in ways.items()}
    works["limit"] = convolutions(network, x, backward=True)
    least, out = rounds(works, repeat)
    for mode, target in (("single", 3), ("multi", None)):
        # Batch norm of a single step sees one step alone, so its results differ by design.
        difference = out["ours"] - out["multi"] if mode == "multi" else torch.full((1,), torch.nan)
        # In 32 bits rounding flips single spikes, which moves gradients; in 64 bits they agree (a unit test).
        yield _row(
            f"NeurALLNet training step, {len(images)} images of 224", f"{peer}, {mode}-step", torch.get_num_threads(),
            least["ours"], least[mode], least["limit"], "its convolutions alone", difference, 0.1, target,
        )  # fmt: skip


def _step(network: nn.Module, x: torch.Tensor, y: torch.Tensor) -> Work:
    """Forward and backward; the gradient of the first convolution."""

    def step() -> torch.Tensor:
        network.zero_grad()
        nn.functional.cross_entropy(network(x), y).backward()
        first = next(module for module in network.modules() if isinstance(module, nn.Conv2d))
        assert first.weight.grad is not None
        return first.weight.grad.clone()

    return step


def reinhard(repeat: int) -> Iterator[Row]:
    """Stain normalisation and contrast of one field."""
    image = smears(4, 224)[0]
    data = cv2.imencode(".jpg", image[:, :, ::-1])[1]
    clahe, stain = Clahe(), Reinhard()

    def others(reinhard: Callable[[np.ndarray], np.ndarray]) -> Work:
        def both() -> np.ndarray:
            lab = cv2.cvtColor(reinhard(image), cv2.COLOR_RGB2LAB)
            lab[..., 0] = cv2.createCLAHE(clahe.clip, (clahe.tiles, clahe.tiles)).apply(lab[..., 0])
            return cv2.cvtColor(lab, cv2.COLOR_LAB2RGB)

        return both

    works: dict[str, Work] = {
        "ours": lambda: normalise(Raster(image), stain, clahe),
        "decode": lambda: cv2.imdecode(data, cv2.IMREAD_COLOR_RGB),
    }
    names = {}
    if there("torchstain"):
        from torchstain.torch.normalizers import TorchReinhardNormalizer

        normaliser = TorchReinhardNormalizer()
        normaliser.fit(torch.from_numpy(smears(4, 224)[1]).permute(2, 0, 1))
        names["torchstain"] = version("torchstain") + ", Reinhard; OpenCV, CLAHE"

        def torchstain(picture: np.ndarray) -> np.ndarray:
            made = normaliser.normalize(torch.from_numpy(picture).permute(2, 0, 1))
            return made.numpy().clip(0, 255).astype(np.uint8)

        works["torchstain"] = others(torchstain)
    from skimage import color

    def by_skimage(picture: np.ndarray) -> np.ndarray:
        lab = color.rgb2lab(picture)
        inside = Raster(picture).foreground
        mean, sd = lab[inside].mean(axis=0), lab[inside].std(axis=0)
        made = color.lab2rgb((lab - mean) / sd * np.array(stain.sd) + np.array(stain.mean))
        return (255 * made).round().astype(np.uint8)

    works["skimage"] = others(by_skimage)
    names["skimage"] = version("scikit-image") + ", Reinhard; OpenCV, CLAHE"
    least, out = rounds(works, 5 * repeat)
    for name, peer in names.items():
        # torchstain takes its statistics over the whole picture.
        difference = out["ours"].astype(float) - out[name] if name == "skimage" else np.full(1, np.nan)
        yield _row(
            "Reinhard and CLAHE, 1 image of 224", peer, 1, least["ours"], least[name], least["decode"],
            "decoding its JPEG", np.abs(difference).mean(keepdims=True), 3, None, most_of_limit=2,
        )  # fmt: skip


def hashes(repeat: int) -> Iterator[Row]:
    """Difference hash of one field."""
    if not there("imagehash"):
        return
    import imagehash
    from PIL import Image

    image = smears(4, 224)[0]
    works: dict[str, Work] = {
        "ours": lambda: difference_hash(image),
        "peer": lambda: imagehash.dhash(Image.fromarray(image)),
        "limit": lambda: image.sum(dtype=np.int64),
    }
    least, _ = rounds(works, 5 * repeat)
    # imagehash shrinks by Lanczos, we by the mean of areas: some bits differ.
    yield _row(
        "difference hash, 1 image of 224", version("ImageHash"), 1, least["ours"], least["peer"], least["limit"],
        "adding up its bytes", np.full(1, np.nan), 0, None,
    )  # fmt: skip


def mrmr(repeat: int) -> Iterator[Row]:
    """Ranking of features by mRMR."""
    x, y = _mixtures(2000, 1000)
    if there("mrmr"):
        from mrmr import mrmr_classif

        frame, labels = pd.DataFrame(x.astype(float)), pd.Series(y)
        works: dict[str, Work] = {
            "ours": lambda: rank(x, y, Selection(method="fcq", features=50), 0).order,
            "peer": lambda: np.array(mrmr_classif(frame, labels, 50, n_jobs=1, show_progress=False), np.int64),
        }
        least, out = rounds(works, 1, warm=0)
        least["ours"] = rounds({"ours": works["ours"]}, repeat)[0]["ours"]
        yield _row(
            "mRMR (FCQ), 50 of 1,000 features of 2,000 images", version("mrmr-selection"), torch.get_num_threads(),
            least["ours"], least["peer"], np.nan, "", (out["ours"] != out["peer"]).astype(float), 0, None,
        )  # fmt: skip
    if there("pymrmr"):
        import pymrmr
        from silenced import silenced

        codes, y = three_states(x[:, :200]), y
        table = pd.DataFrame(np.column_stack([y, codes]).astype(np.int64), columns=["label", *map(str, range(200))])

        def theirs() -> np.ndarray:
            with silenced():
                return np.array(pymrmr.mRMR(table, "MID", 10)).astype(np.int64)

        ours: Work = lambda: rank_discrete(codes, y, Selection(method="mid", features=10)).order  # noqa: E731
        least, out = rounds({"ours": ours, "peer": theirs}, 1, warm=0)
        least["ours"] = rounds({"ours": ours}, repeat)[0]["ours"]
        yield _row(
            "mRMR (MID), 10 of 200 features of 2,000 images", version("pymrmr"), torch.get_num_threads(),
            least["ours"], least["peer"], np.nan, "", (out["ours"] != out["peer"]).astype(float), 0, None,
        )  # fmt: skip


def _mixtures(rows: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """Features float32 [rows, columns] mixed of factors, some of which go with one of four labels int [rows]."""
    random = np.random.default_rng(0)
    y = random.integers(0, 4, rows)
    factors = random.normal(size=(rows, 60))
    factors[:, :8] += random.normal(size=(4, 8))[y]
    mixing = random.normal(size=(60, columns)) * (random.random((60, columns)) < 0.15)
    return (factors @ mixing + random.normal(size=(rows, columns))).astype(np.float32), y


def bootstrap(repeat: int) -> Iterator[Row]:
    """Accuracy, F1, kappa, MCC and areas in 10,000 resamples of 650 images."""
    from scipy.special import softmax
    from sklearn import metrics as sk

    random = np.random.default_rng(0)
    y = random.integers(0, 4, 650)
    p = softmax(random.normal(size=(650, 4)) + 2 * np.eye(4)[y], axis=1)
    sets, few, every = metrics.design(y, p), 20, 10_000
    settings = Evaluation(resamples=every, interval="percentile")

    def loop() -> np.ndarray:
        scores = []
        for _ in range(few):
            drawn = random.integers(0, 650, 650)
            true, shares, said = y[drawn], p[drawn], p[drawn].argmax(1)
            scores.append(
                [
                    sk.accuracy_score(true, said),
                    sk.f1_score(true, said, average="macro"),
                    sk.cohen_kappa_score(true, said),
                    sk.matthews_corrcoef(true, said),
                    sk.roc_auc_score(true, shares, multi_class="ovr"),
                    sk.average_precision_score(np.eye(4)[true], shares),
                ]
            )
        return np.array(scores)

    counts = random.multinomial(650, np.full(650, 1 / 650), size=500).T.astype(float)
    works: dict[str, Work] = {
        "ours": lambda: resample_metrics(sets, np.arange(650), settings),
        "peer": loop,
        "limit": lambda: [sets.matrix @ counts for _ in range(every // 500)],
    }
    least, _ = rounds(works, max(2, repeat // 2))
    least["peer"] *= every / few
    values = metrics.evaluate(sets, np.ones((650, 1)))
    where = [title for title, _ in metrics.names(tuple("abcd"))].index("accuracy")
    difference = np.array([values[where, 0] - sk.accuracy_score(y, p.argmax(1))])
    yield _row(
        f"all metrics in {every:,} resamples of 650 images", f"{version('scikit-learn')}, {few} resamples in a loop",
        1, least["ours"], least["peer"], least["limit"], "the sums of the resamples", difference, 1e-12, None,
    )  # fmt: skip


def loader(repeat: int) -> Iterator[Row]:
    """A batch of 32 images: from shards, and decoded from JPEG files."""
    from PIL import Image
    from torch.utils.data import DataLoader, Dataset

    images = smears(64, 224)
    batch = np.arange(32)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        view = _shards(images, folder)
        for image, file in zip(images, view.image_ids, strict=True):
            Image.fromarray(image).save(folder / file, quality=95)

        class Files(Dataset):
            def __len__(self) -> int:
                return 32

            def __getitem__(self, index: int) -> torch.Tensor:
                with Image.open(folder / view.image_ids[index]) as opened:
                    return torch.from_numpy(np.asarray(opened.convert("RGB")).copy())

        batches = DataLoader(Files(), batch_size=32)
        device = torch.device("cpu")
        works: dict[str, Work] = {
            "ours": lambda: inference.to_input(torch.from_numpy(view.gather(batch)), device),
            "peer": lambda: inference.to_input(next(iter(batches)), device),
            "limit": lambda: images[:32].copy(),
        }
        least, _ = rounds(works, 2 * repeat)
        yield _row(
            "batch of 32 images of 224, ready for the network", f"{version('torch')} DataLoader, JPEG by Pillow", 1,
            least["ours"], least["peer"], least["limit"], "copying its bytes", np.full(1, np.nan), 0, None,
        )  # fmt: skip
        yield from _shares(repeat, _shards(smears(64, 64), folder))


def _shards(images: np.ndarray, folder: Path) -> Shards:
    """A view of these images."""
    from leukoflow.core.files import write_json, write_table

    ids = [f"{number:02d}.jpg" for number in range(len(images))]
    digest = write_shard(folder / "000.npy", iter(images), len(images), images.shape[1])
    write_table(folder / "000.parquet", pd.DataFrame({"image_id": ids, "shard_digest": digest}))
    write_json(folder / "view.json", {"shards": [{"name": "000", "images": len(images), "digest": digest}]})
    return open_view(folder / "view.json")


def _shares(repeat: int, view: Shards) -> Iterator[Row]:
    """Loading of each convolutional network's batch, compared with its training step: small sizes, where loading weighs
    most."""
    rows, y = np.arange(0, 64, 2), torch.arange(32) % 4
    load: Work = lambda: inference.to_input(torch.from_numpy(view.gather(rows)), torch.device("cpu"))  # noqa: E731
    for name in registry.names():
        spec = registry.spec(name)
        if spec.reads != "images" or spec.fitting != "gradient":
            continue
        torch.manual_seed(0)
        network = registry.build(name, 4, "small").train()
        least, _ = rounds({"ours": load, "step": _step(network, load(), y)}, max(2, repeat // 2))
        yield _row(
            f"loading for {name} (small), 32 images of 64", "its own training step", torch.get_num_threads(),
            least["ours"], least["step"], np.nan, "", np.full(1, np.nan), 0, 20,
        )  # fmt: skip


def start(repeat: int) -> Iterator[Row]:
    """Start of a step, to its help text."""
    for module, most, what in (("gather_view", 700, "without"), ("train", 2000, "with")):
        environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}

        def run(*words: str, environment: dict[str, str] = environment) -> None:
            subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL, env=environment)

        works: dict[str, Work] = {
            "ours": lambda module=module, run=run: run("-m", f"leukoflow.steps.{module}", "--help"),
            "limit": lambda run=run: run("-c", "pass"),
        }
        least, _ = rounds(works, max(3, repeat // 2))
        reached = "yes" if least["ours"] <= most else "no"
        yield Row(
            f"start of a step {what} deep learning ({module})", "", 1, least["ours"], np.nan, least["limit"],
            "starting Python", np.nan, 0, f"at most {most} ms", reached,
        )  # fmt: skip


def _row(
    subject: str, peer: str, threads: int, ours: float, theirs: float, limit: float, what: str, difference: Any,
    allowed: float, target: float | None, most_of_limit: float | None = None,
) -> Row:  # fmt: skip
    """A row, its target told by times of the peer or of the limit."""
    largest = float(np.abs(np.asarray(difference)).max())
    words = f"at least {target:g} times the peer" if target else ""
    reached = "" if not target else "yes" if theirs / ours >= target else "no"
    if most_of_limit:
        words, reached = f"at most {most_of_limit:g} times the limit", "yes" if ours <= most_of_limit * limit else "no"
    return Row(subject, peer, threads, ours, theirs, limit, what, largest, allowed, words, reached)


SUBJECTS: dict[str, Callable[[int], Iterator[Row]]] = {
    "neurallnet": neurallnet,
    "reinhard": reinhard,
    "hashes": hashes,
    "mrmr": mrmr,
    "bootstrap": bootstrap,
    "loader": loader,
    "start": start,
}


def machine() -> str:
    """What it was measured on."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line.split(":")[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
        model = names[0] if names else model
    load = ", ".join(f"{average:.1f}" for average in os.getloadavg())
    return f"{model}, {os.cpu_count()} cores, Python {platform.python_version()}, {version('torch')}, load {load}"


def page(rows: list[Row], facts: str) -> str:
    """The page of the documentation."""
    head = __doc__.split("\n\n")[0] if __doc__ else ""
    lines = ["# Speed", "", head, "", f"Measured on: {facts} when it began.", "", "![Times faster](speed.png)", ""]
    lines += ["| | compared with | threads | ours, ms | theirs, ms | times | limit, ms | target |", "|" + " --- |" * 8]
    for row in rows:
        times = f"{row.ratio:.1f}" if np.isfinite(row.ratio) else ""
        limit = f"{row.limit_ms:.3g} ({row.limit})" if np.isfinite(row.limit_ms) else ""
        theirs = f"{row.peer_ms:,.3g}" if np.isfinite(row.peer_ms) else ""
        target = f"{row.target}: {'reached' if row.reached == 'yes' else '**missed**'}" if row.target else ""
        cells = [row.subject, row.peer, str(row.threads), f"{row.ours_ms:,.3g}", theirs, times, limit, target]
        lines.append(f"| {' | '.join(cells)} |")
    compared = [row for row in rows if np.isfinite(row.difference)]
    worst = [row for row in compared if row.difference > row.allowed]
    lines += ["", f"Results were compared in {len(compared)} rows and differ by no more than rounding explains"]
    lines[-1] += f" in {len(compared) - len(worst)} of them; see [speed.csv](speed.csv)."
    lines += ["", "`make bench` measures all this again and writes this page.", ""]
    return "\n".join(lines)


def draw(rows: list[Row], path: Path) -> None:
    """Times faster than each peer, on a logarithmic axis."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    shown = [row for row in rows if np.isfinite(row.ratio) and row.peer != "its own training step"][::-1]
    figure, axes = plt.subplots(figsize=(9, 0.5 + 0.45 * len(shown)), layout="constrained")
    values = [row.ratio for row in shown]
    axes.barh(range(len(shown)), values, color=["#2c6fad" if value >= 1 else "#c0504d" for value in values])
    axes.set_yticks(range(len(shown)), [f"{row.subject}\n{row.peer}" for row in shown], fontsize=7.5)
    axes.set_xscale("log")
    axes.axvline(1, color="black", linewidth=0.8)
    for position, value in enumerate(values):
        axes.text(value * 1.05, position, f"{value:.1f}" if value < 100 else f"{value:,.0f}", va="center", fontsize=7.5)
    axes.set_xlabel("times faster than the peer (logarithmic)")
    axes.set_xlim(min(0.5, min(values) / 2), max(values) * 3)
    ticks = [tick for tick in (0.5, 1, 2, 5, 10, 100, 1000, 10000) if tick < max(values) * 3]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    figure.savefig(path, dpi=120)


def main() -> int:
    """Run what is asked for; 1 if results differ by more than they may."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=SUBJECTS, default=list(SUBJECTS))
    parser.add_argument("--repeat", type=int, default=12)
    parser.add_argument("--table", type=Path, help="CSV")
    parser.add_argument("--page", type=Path, help="Markdown")
    parser.add_argument("--figure", type=Path, help="PNG")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    facts = machine()
    print(facts)
    rows = []
    for name in args.only:
        for row in SUBJECTS[name](args.repeat):
            rows.append(row)
            times = f"{row.ratio:8.1f} times" if np.isfinite(row.ratio) else " " * 14
            print(f"{row.ours_ms:10.3f} ms {times}  {row.subject}; {row.peer}; {row.target} {row.reached}", flush=True)
    table = pd.DataFrame([asdict(row) | {"times": row.ratio} for row in rows])
    names = [field.name for field in fields(Row)]
    if args.table:
        table[[*names, "times"]].assign(machine=facts).to_csv(args.table, index=False, float_format="%.6g")
    if args.page:
        args.page.write_text(page(rows, facts))
    if args.figure:
        draw(rows, args.figure)
    wrong = [row for row in rows if row.difference > row.allowed]
    for row in wrong:
        print(f"DIFFERENT RESULTS: {row.subject}; {row.peer}: {row.difference:.3g}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
