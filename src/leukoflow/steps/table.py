"""Make one table of the study from other tables (CSV).

NAME is MODULE.FUNCTION below `leukoflow`; the function takes the inputs and returns the table. The catalogue
(`leukoflow.outputs.tables`) says which tables there are, and what each is made from.
"""

from leukoflow.core.files import write_table
from leukoflow.core.step import asked, run


def main(argv: list[str] | None = None) -> None:
    """Run the step."""
    make, inputs, output = asked(__doc__, "leukoflow", argv)
    write_table(output, make(inputs))


if __name__ == "__main__":
    run(main)
