"""Copy an exported model into the package, as what `leukoflow predict` and `serve` use if no model is named.

All that answers need goes in; the weights for PyTorch stay out. The whole must be small enough to be part of a package.
"""

import shutil
from pathlib import Path

from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.files import atomic
from leukoflow.core.step import log, parser, run
from leukoflow.runtime.model import open_model
from leukoflow.runtime.schema import FILES
from leukoflow.runtime.shipped import FOLDER

LEFT_OUT = ("weights",)
MOST_BYTES = 6_000_000


def main(argv: list[str] | None = None) -> None:
    """Run the step."""
    arguments = parser(__doc__)
    arguments.add_argument("--export", type=Path, required=True, help="folder of the exported model")
    arguments.add_argument("--output", type=Path, default=FOLDER, help="folder in the package")
    args = arguments.parse_args(argv)
    facts = open_model(args.export).facts
    if facts.reader is None:
        raise LeukoFlowError(f"{args.export}: classifies whole pictures; the model of the package reads single cells")
    names = [FILES[role] for role in facts.files if role not in LEFT_OUT]
    names += ["export.json", "card.md", "LICENCES.md"]
    size = sum((args.export / name).stat().st_size for name in names)
    if size > MOST_BYTES:
        raise LeukoFlowError(f"{args.export}: {size:,} bytes are too many for the package, which takes {MOST_BYTES:,}")
    args.output.mkdir(parents=True, exist_ok=True)
    for name in names:
        with atomic(args.output / name) as temporary:
            shutil.copyfile(args.export / name, temporary)
    log.info("%s: %d files, %.1f MB", args.output, len(names), size / 1e6)


if __name__ == "__main__":
    run(main)
