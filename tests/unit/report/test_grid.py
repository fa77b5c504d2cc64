from leukoflow.report.grid import FIRST, LONG, Cell, Row, grid, number

COLUMNS = ["Model", "Split", "Accuracy"]


def rows(count: int, split: str, start: float = 0.0) -> list[Row]:
    return [
        Row((Cell(f"model{index}"), Cell(split), number(start + index / 100, "")), baseline=index == 3)
        for index in range(count)
    ]


def keys(shown) -> list[float]:
    return [row.cells[2].key for row in shown]


def test_a_short_table_stays_as_it_was_given():
    table = grid("", COLUMNS, rows(LONG, "image"), best="Accuracy")
    assert keys(table.rows) == [index / 100 for index in range(LONG)]
    assert table.first == table.rows and table.rest == () and table.order == ""


def test_a_long_table_starts_with_the_baseline_and_its_best_rows():
    unknown = Row((Cell("none"), Cell("image"), number(float("nan"), "")))
    table = grid("", COLUMNS, [unknown, *rows(20, "image")], best="Accuracy")
    assert keys(table.first) == [0.03, *(index / 100 for index in range(19, 19 - FIRST + 1, -1))]
    assert table.first[0].baseline and table.rest[-1] is unknown
    assert len(table.first) == FIRST and len(table.rest) == 21 - FIRST
    low = grid("", COLUMNS, rows(20, "image"), best="-Accuracy")
    assert keys(low.first)[:4] == [0.03, 0.0, 0.01, 0.02] and "lowest first" in low.order


def test_the_strictest_split_goes_before_higher_accuracies_of_a_looser_one():
    table = grid("", COLUMNS, [*rows(12, "image", 0.5), *rows(12, "patient")], best="Accuracy")
    assert {row.cells[1].text for row in table.first} == {"patient"}
    assert keys(table.first)[:3] == [0.03, 0.11, 0.10]
