"""The steps that extract features: deep ones by shard, taken up after an interruption; cell morphology; weights."""

import hashlib
import http.server
import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from threading import Thread

import numpy as np
import pandas as pd
import pytest
import torch

from leukoflow.cells.aggregate import feature_names
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.files import read_json, write_table
from leukoflow.features import deep
from leukoflow.features.matrix import open_matrix
from leukoflow.images.shards import write_shard
from leukoflow.models.inference import save_tensors
from leukoflow.models.layers.backbones import trunk
from leukoflow.steps import deep_features, gather_features, morphology_features

ATTO, SMALL = {"name": "convnext_atto"}, {"name": "mobilenetv3_small_050"}


def settings(**changes) -> str:
    return json.dumps({"kind": "deep", "backbones": [ATTO, SMALL], "batch_size": 2, **changes})


def shard(folder: Path, name: str, count: int, cells: bool = False) -> Path:
    images = np.random.default_rng(count).integers(0, 256, (count, 64, 64, 3), dtype=np.uint8)
    digest = write_shard(folder / f"{name}.npy", iter(images), count, 64)
    index = pd.DataFrame({"image_id": [f"{name} {row // 2}" for row in range(count)]}).assign(shard_digest=digest)
    if cells:
        index["cell"] = range(count)
    write_table(folder / f"{name}.parquet", index)
    return folder / f"{name}.npy"


def arguments(images: Path, out: Path, entry: str, weights: tuple[Path, ...] = (), code: str = "1") -> list[str]:
    name = images.stem
    return [
        *("--settings", entry, "--images", str(images), "--weights", *map(str, weights), "--code", code),
        *("--resume", str(out / "resume" / name), "--output", str(out / f"{name}.npy")),
        *("--index", str(out / f"{name}.parquet"), "--description", str(out / f"{name}.json")),
    ]


def test_shards_become_one_matrix(tmp_path: Path) -> None:
    out = tmp_path / "features"
    for name, count in (("000", 3), ("001", 0), ("002", 4)):
        deep_features.main(arguments(shard(tmp_path, name, count, cells=True), out, settings(grid=2)))
    descriptions = [str(out / f"00{number}.json") for number in range(3)]
    gather_features.main(["--descriptions", *descriptions, "--output", str(out / "matrix.json")])
    matrix, facts = open_matrix(out / "matrix.json")
    assert len(matrix) == 7 and matrix.many and matrix.shape == (4 * 608,)
    assert [shard_facts["rows"] for shard_facts in facts["shards"]] == [3, 0, 4] and facts["rows"] == 7
    assert [network["weights"] for network in facts["networks"]] == ["random", "random"]
    assert [network["channels"] for network in facts["networks"]] == [320, 288]
    assert pd.read_parquet(out / "000.parquet").columns.tolist() == ["image_id", "cell"]
    assert np.isfinite(matrix.gather(range(7))).all() and not list(out.glob("resume/*/*"))
    other = read_json(out / "002.json") | {"grid": 1}
    (out / "002.json").write_text(json.dumps(other))
    with pytest.raises(LeukoFlowError, match=r"002.json: made by other networks than"):
        gather_features.main(["--descriptions", *descriptions, "--output", str(out / "matrix.json")])


def test_a_killed_job_goes_on_and_other_code_or_pixels_start_anew(tmp_path: Path, monkeypatch) -> None:
    images = shard(tmp_path, "000", 7)
    deep_features.main(arguments(images, tmp_path / "whole", settings()))
    seen: list[int] = []
    forward = deep.Extractor.forward

    def counted(self, x):
        if len(seen) == 3 and not any(count is None for count in seen):
            seen.append(None)
            raise KeyboardInterrupt
        seen.append(len(x))
        return forward(self, x)

    monkeypatch.setattr(deep.Extractor, "forward", counted)
    monkeypatch.setattr(deep, "_FLUSHED", 1)
    out = tmp_path / "part"
    with pytest.raises(KeyboardInterrupt):
        deep_features.main(arguments(images, out, settings()))
    assert not (out / "000.npy").exists()
    deep_features.main(arguments(images, out, settings()))
    assert seen == [2, 2, 2, None, 1]
    assert (out / "000.npy").read_bytes() == (tmp_path / "whole/000.npy").read_bytes()
    assert read_json(out / "000.json") == read_json(tmp_path / "whole/000.json")

    for change in ("code", "pixels"):
        seen.clear()
        with pytest.raises(KeyboardInterrupt):
            deep_features.main(arguments(images, out, settings()))
        if change == "pixels":
            shard(tmp_path, "000", 8)
        deep_features.main(arguments(images, out, settings(), code="2" if change == "code" else "1"))
        assert seen == [2, 2, 2, None, 2, 2, 2, 2 if change == "pixels" else 1]


def test_files_of_weights_belong_to_their_networks_in_order(tmp_path: Path) -> None:
    torch.manual_seed(5)
    file = tmp_path / "second.safetensors"
    save_tensors(file, trunk(SMALL["name"]).state_dict())
    stated = settings(backbones=[ATTO, {**SMALL, "weights": "hub:a/b@c"}])
    images = shard(tmp_path, "000", 3)
    deep_features.main(arguments(images, tmp_path / "out", stated, (file,)))
    first, second = read_json(tmp_path / "out/000.json")["networks"]
    assert first["weights"] == "random" and second["weights"] == "hub:a/b@c"
    assert second["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    for entry, files in ((stated, ()), (settings(), (file,))):
        with pytest.raises(LeukoFlowError, match="files for"):
            deep_features.main(arguments(images, tmp_path / "out", entry, files))


def test_morphology_becomes_a_matrix_with_gaps(tmp_path: Path) -> None:
    names = feature_names()
    table = pd.DataFrame(np.arange(2.0 * len(names)).reshape(2, -1), columns=names)
    table.loc[1, names[1]] = None
    # Counts tell the field of view, not the cells: they are no features.
    write_table(tmp_path / "images.parquet", table.assign(image_id=["a", "b"], cells=[2, 0], border_cells=[1, 0]))
    out = tmp_path / "out/matrix.json"
    morphology_features.main(["--images", str(tmp_path / "images.parquet"), "--output", str(out)])
    matrix, facts = open_matrix(out)
    assert facts["names"] == names and facts["kind"] == "morphology"
    np.testing.assert_array_equal(matrix.gather([1, 0]), table.to_numpy(np.float32)[[1, 0]])
    write_table(tmp_path / "none.parquet", table.assign(image_id="a").iloc[:0])
    with pytest.raises(LeukoFlowError, match=r"none.parquet: holds no measured images"):
        morphology_features.main(["--images", str(tmp_path / "none.parquet"), "--output", str(out)])


class _Hub(http.server.BaseHTTPRequestHandler):
    """Answers like a hub that has one file."""

    content = b"weights" * 1000

    def do_HEAD(self) -> None:
        known = self.path == "/owner/name/resolve/v1/model.safetensors"
        self.send_response(200 if known else 404)
        for name, value in (("ETag", '"e"'), ("X-Repo-Commit", "0" * 40), ("Content-Length", str(len(self.content)))):
            self.send_header(name, value)
        self.end_headers()

    def do_GET(self) -> None:
        self.do_HEAD()
        self.wfile.write(self.content)

    def log_message(self, *args: object) -> None:
        pass


def test_weights_are_fetched_whole_with_the_right_digest_or_not_at_all(tmp_path: Path) -> None:
    digest = hashlib.sha256(_Hub.content).hexdigest()
    target = tmp_path / "weights" / "some.safetensors"

    def fetch(source: str, *more: str) -> subprocess.CompletedProcess[str]:
        address = f"http://127.0.0.1:{server.server_port}"
        quiet = {"HF_ENDPOINT": address, "HF_HOME": str(tmp_path / "home"), "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
        command = [sys.executable, "-m", "leukoflow.steps.fetch_weights", "--source", source, "--output", str(target)]
        environment = {**os.environ, **quiet}
        environment = {key: value for key, value in environment.items() if not key.lower().endswith("_proxy")}
        return subprocess.run([*command, *more], env=environment, capture_output=True, text=True)

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(_Hub)) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        wrong = fetch("hub:owner/name@v1", "--sha256", "0" * 64)
        missing = fetch("hub:owner/other@v1")
        assert wrong.returncode == missing.returncode == 1
        assert f"sha256 is {digest}, the config says 000" in wrong.stderr.splitlines()[-1]
        assert "hub:owner/other@v1: model.safetensors cannot be downloaded" in missing.stderr.splitlines()[-1]
        assert not list(target.parent.iterdir())
        done = fetch("hub:owner/name@v1", "--sha256", digest)
        server.shutdown()
    assert done.returncode == 0, done.stderr
    assert target.read_bytes() == _Hub.content
    assert target.with_name("some.safetensors.sha256").read_text().split()[0] == digest
    assert len(list(target.parent.iterdir())) == 2
