"""Parts of tables put together."""

from pathlib import Path

import pandas as pd
import pytest

from leukoflow.core.errors import LeukoFlowError
from leukoflow.steps import gather_tables


def put(folder: Path, name: str, text: str) -> None:
    (folder / "parts" / name).mkdir(parents=True)
    (folder / "parts" / name / "errors.csv").write_text(text)


def gather(folder: Path, *names: str) -> pd.DataFrame:
    output = folder / "tables/errors.csv"
    gather_tables.main(["--parts", str(folder / "parts"), "--of", *names, "--outputs", str(output)])
    return pd.read_csv(output)


def test_parts_follow_each_other_and_empty_ones_lend_no_types(tmp_path: Path) -> None:
    put(tmp_path, "b", "model,count\nsecond,2\nthird,3\n")
    put(tmp_path, "a", "model,count\nfirst,1\n")
    put(tmp_path, "none", "model,count\n")
    table = gather(tmp_path, "none", "b", "a")
    assert table.to_dict("list") == {"model": ["second", "third", "first"], "count": [2, 3, 1]}
    assert list(gather(tmp_path, "none").columns) == ["model", "count"]


def test_parts_of_other_columns_are_named(tmp_path: Path) -> None:
    put(tmp_path, "a", "model,count\nfirst,1\n")
    put(tmp_path, "b", "model,number\nfirst,1\n")
    with pytest.raises(LeukoFlowError, match=r"columns of parts of errors.csv differ"):
        gather(tmp_path, "a", "b")
