"""Literature tables: quotations stay apart from what was measured, and every table of a paper has its place."""

import numpy as np
import pandas as pd
import pytest

from leukoflow.config.published import papers
from leukoflow.outputs.tables import NAMES
from leukoflow.papers import published
from leukoflow.papers.literature import COLUMNS, literature


def reproduced() -> pd.DataFrame:
    row = dict.fromkeys(published.COLUMNS, np.nan) | {"paper": "neurallnet", "metric": "accuracy", "task": "subtype"}
    row |= {"number": "accuracy", "what": "accuracy, four classes", "dataset": "Taleqani ALL, 3,256 images"}
    row |= {"where": "Table 3", "published": 0.9816, "published_low": 0.9663, "published_high": 0.9939}
    row |= {"model": "ours", "cohort": "taleqani", "protocol": "image", "reproduced": 0.97, "low": 0.95, "high": 0.98}
    row |= {"strictest_protocol": "patient", "strictest": 0.9, "strictest_low": 0.85, "strictest_high": 0.94}
    other = row | {"number": "no_se", "what": "accuracy without squeeze-and-excitation", "published": 0.6687}
    other |= {"reproduced": np.nan, "strictest": np.nan}
    outside = row | {"number": "external", "what": "accuracy, external cohort", "published": 0.9602}
    return pd.DataFrame([row, other, outside])


def test_works_that_are_cited_stand_before_the_papers_own_and_ours() -> None:
    table = literature({"neurallnet": papers()["neurallnet"]}, reproduced())
    assert list(table.columns) == COLUMNS
    assert table["source"].tolist() == ["cited"] * 5 + ["published", "measured", "measured", "published"]
    assert table["accuracy"].tolist() == [0.9969, 0.9678, 1.0, 0.995, 0.978, 0.9816, 0.97, 0.9, 0.6687]
    ours = table[table["source"] == "measured"]
    assert ours["protocol"].tolist() == ["image", "patient"] and ours["low"].tolist() == [0.95, 0.85]
    heavy = table.iloc[0]
    assert (heavy["parameters"], heavy["megabytes"]) == (22_000_000, 630) and heavy["where"].startswith("Table 6")


def test_a_cited_work_is_never_said_to_be_measured() -> None:
    table = literature(papers(), reproduced()[:0])
    assert set(table["source"]) == {"cited"} and table["low"].isna().all()
    by_paper = table.groupby("paper")["accuracy"].apply(list)
    assert by_paper["cnn_vit"] == [0.9716, 0.9560, 0.957] and by_paper["hmscam"][:2] == [0.9973, 0.9925]
    assert by_paper["vgg19_mhsa"] == [0.9862]


@pytest.mark.parametrize("paper", papers().values(), ids=lambda paper: paper.paper)
def test_every_table_of_a_paper_has_one_of_ours_or_a_reason(paper) -> None:
    numbers = {table.number for table in paper.tables}
    wanted = {"hmscam": 8, "cnn_vit": 5, "neurallnet": 6}.get(paper.paper)
    assert wanted is None or numbers == {f"T{number + 1}" for number in range(wanted)}
    for table in paper.tables:
        assert table.tables or table.differs, table.number
        assert set(table.tables) <= set(NAMES), table.number
