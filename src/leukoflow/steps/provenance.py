"""Record where a study's results are from: the last step, when every other file is there."""

from pathlib import Path

import leukoflow
from leukoflow.core.files import read_json, write_json
from leukoflow.core.provenance import collect
from leukoflow.core.step import parser, run


def main(argv: list[str] | None = None) -> None:
    """Run the step."""
    arguments = parser(__doc__)
    arguments.add_argument("--study", type=Path, required=True, help="resolved config of the study (JSON)")
    arguments.add_argument("--benchmarks", type=Path, required=True, help="folder of what Snakemake measured of jobs")
    arguments.add_argument("--output", type=Path, required=True, help="provenance.json, in the results folder")
    args = arguments.parse_args(argv)
    source = Path(leukoflow.__file__).parents[1]
    write_json(args.output, collect(args.output.parent, read_json(args.study), source, args.benchmarks))


if __name__ == "__main__":
    run(main)
