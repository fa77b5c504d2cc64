"""Draw one figure: PNG, SVG, and the numbers behind it as CSV.

NAME is MODULE.FUNCTION below `leukoflow.figures`; the function takes the inputs and returns the figure and its table.
The catalogue (`leukoflow.outputs.figures`) says which figures there are, and what each is drawn from.
"""

from leukoflow.core.step import asked, run
from leukoflow.figures.style import save


def main(argv: list[str] | None = None) -> None:
    """Run the step."""
    draw, inputs, output = asked(__doc__, "leukoflow.figures", argv)
    figure, table = draw(inputs)
    save(figure, table, output)


if __name__ == "__main__":
    run(main)
