"""Draw how well segmenters agree with experts' masks."""

from pathlib import Path

from leukoflow.core.files import read_table
from leukoflow.core.step import parser, run
from leukoflow.figures.segmentation import segmentation_chart
from leukoflow.figures.style import save


def main(argv: list[str] | None = None) -> None:
    """Run the step."""
    arguments = parser(__doc__)
    arguments.add_argument("--segmentation", type=Path, required=True, help="table segmentation.csv of the study")
    arguments.add_argument("--instances", type=Path, required=True, help="table instances.csv of the study")
    arguments.add_argument("--output", type=Path, required=True, help="figure (PNG); SVG and CSV are written beside it")
    given = arguments.parse_args(argv)
    save(*segmentation_chart(read_table(given.segmentation), read_table(given.instances)), given.output)


if __name__ == "__main__":
    run(main)
