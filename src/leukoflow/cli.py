"""The command `leukoflow`."""

import argparse
import sys
from pathlib import Path

from leukoflow import __version__
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.provenance import verify


def main(argv: list[str] | None = None) -> int:
    """Run the command; exit status 0 all well, 1 something is not, 2 the command was not understood."""
    arguments = argparse.ArgumentParser(prog="leukoflow", description="Ask LeukoFlow about its results.")
    arguments.add_argument("--version", action="version", version=f"leukoflow {__version__}")
    commands = arguments.add_subparsers(title="commands", required=True, metavar="COMMAND")
    command = commands.add_parser("verify", help="say which files of a results folder were changed since the study ran")
    command.add_argument("results", type=Path, help="folder such as results/demo")
    command.set_defaults(run=_verify)
    command = commands.add_parser("crate", help="write results and workflow as one archive, a Workflow Run RO-Crate")
    command.add_argument("results", type=Path, help="folder such as results/demo")
    command.add_argument("--output", type=Path, help="the archive (default: beside the folder, .crate.zip)")
    command.set_defaults(run=_crate)
    given = arguments.parse_args(argv)
    try:
        return int(given.run(given))
    except LeukoFlowError as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 1


def _verify(given: argparse.Namespace) -> int:
    differences = verify(given.results)
    for each in differences:
        print(f"{each.kind:8} {each.path}")
    if differences:
        print(f"{len(differences)} files are not as the study left them", file=sys.stderr)
        return 1
    print(f"{given.results}: every file is as the study left it")
    return 0


def _crate(given: argparse.Namespace) -> int:
    from leukoflow.core.crate import write_crate

    target = given.output or given.results.with_name(f"{given.results.name}.crate.zip")
    kept = write_crate(given.results, Path(__file__).resolve().parents[2], target)
    print(f"{target}: {kept} files of {given.results} and the workflow that made them")
    return 0


if __name__ == "__main__":
    sys.exit(main())
