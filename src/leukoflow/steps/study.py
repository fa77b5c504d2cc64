"""Write the resolved config of a study: every default filled in."""

from pathlib import Path

from leukoflow.config.study import Study
from leukoflow.core.files import write_json
from leukoflow.core.step import parser, run, settings


def main(argv: list[str] | None) -> None:
    """Parse the arguments and write."""
    arguments = parser(__doc__)
    arguments.add_argument("--settings", type=settings(Study), required=True, help="the study, as JSON")
    arguments.add_argument("--output", type=Path, required=True, help="the same with every default, JSON")
    args = arguments.parse_args(argv)
    write_json(args.output, args.settings.model_dump(mode="json"))


if __name__ == "__main__":
    run(main)
