"""Download the weights of a network from a hub, once; their SHA-256 is written beside them."""

import hashlib
import tempfile
from pathlib import Path

from huggingface_hub import hf_hub_download
from huggingface_hub.errors import HfHubHTTPError

from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.files import atomic, write_text
from leukoflow.core.step import parser, run

FILE = "model.safetensors"


def main(argv: list[str] | None) -> None:
    """Parse the arguments, download, check, move into place."""
    arguments = parser(__doc__)
    arguments.add_argument("--source", required=True, help="hub:REPOSITORY@REVISION")
    arguments.add_argument("--sha256", help="digest that the weights must have")
    arguments.add_argument("--output", type=Path, required=True, help="safetensors; OUTPUT.sha256 is written beside it")
    args = arguments.parse_args(argv)
    repository, revision = args.source.removeprefix("hub:").rsplit("@", 1)
    args.output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=args.output.parent) as folder:
        try:
            file = Path(hf_hub_download(repository, FILE, revision=revision, local_dir=folder))
        except (HfHubHTTPError, OSError, ValueError) as error:
            raise LeukoFlowError(
                f"{args.source}: {FILE} cannot be downloaded ({error}); check name and network"
            ) from error
        with open(file, "rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        if args.sha256 and digest != args.sha256:
            raise LeukoFlowError(
                f"{args.source}: sha256 is {digest}, the config says {args.sha256}; one of them is wrong"
            )
        with atomic(args.output) as temporary:
            file.replace(temporary)
    write_text(f"{args.output}.sha256", f"{digest}  {args.output.name}\n")


if __name__ == "__main__":
    run(main)
