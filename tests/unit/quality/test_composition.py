"""Images of each class in each role, counted again one by one."""

import pandas as pd
from fake_study import finished_study

from leukoflow.core.inputs import Inputs
from leukoflow.quality.composition import COLUMNS, PLACE, composition_table


def test_counts_are_those_of_the_splits(tmp_path_factory) -> None:
    root = finished_study(tmp_path_factory.getbasetemp() / "study").root
    paths = sorted((root / "splits").glob("*.parquet"))
    table = composition_table(Inputs({"splits": paths}, {}))
    assert list(table.columns) == COLUMNS and not table.duplicated(PLACE).any()
    pd.testing.assert_frame_equal(pd.read_csv(root / "tables/composition.csv"), table, check_dtype=False)
    counted = 0
    for path in paths:
        cohort, task, protocol = path.stem.split(".")
        split = pd.read_parquet(path)
        for row in table[(table["cohort"] == cohort) & (table["protocol"] == protocol)].to_dict("records"):
            rows = split[(split["fold"] == row["fold"]) & (split["label"] == row["class"])]
            assert row["task"] == task
            assert [row[role] for role in ("train", "validation", "test")] == [
                sum(rows["role"] == role) for role in ("train", "validation", "test")
            ]
            counted += len(rows)
    assert counted == sum(len(pd.read_parquet(path)) for path in paths)
