import numpy as np
import pandas as pd
import pytest

from leukoflow.figures.selection import leading, selection_chart, stability_means


def ranking(*folds: list[str]) -> pd.DataFrame:
    parts = [
        pd.DataFrame({"position": range(len(names)), "feature": names, "score": np.arange(len(names), 0, -1.0)}).assign(
            fold=fold, seed=42
        )
        for fold, names in enumerate(folds)
    ]
    return pd.concat(parts[::-1], ignore_index=True)


def test_the_first_run_leads_and_the_others_are_counted():
    features = leading(ranking(list("abcd"), list("bdca"), list("dbac")), 2)
    assert features["feature"].tolist() == ["a", "b"] and features["score"].tolist() == [4, 3]
    assert features["chosen"].tolist() == [1, 3] and set(features["runs"]) == {3}


def test_positions_may_start_anywhere():
    table = ranking(list("abc"))
    assert leading(table.assign(position=table["position"] + 1), 1)["chosen"].tolist() == [1]


def test_stability_is_averaged_over_pairs():
    table = pd.DataFrame({"k": [5, 5, 10], "pair": ["0-1", "0-2", "0-1"], "jaccard": [0.2, 0.4, 1], "kuncheva": 0.1})
    means = stability_means(table).set_index(["measure", "k"])
    assert means.loc[("jaccard", 5), "mean"] == pytest.approx(0.3)
    assert means.loc[("jaccard", 5), ["low", "high"]].tolist() == [0.2, 0.4]
    assert means.loc[("kuncheva", 10), "mean"] == pytest.approx(0.1)


def test_a_row_for_each_entry_and_names_that_fit():
    long = "an_uncommonly_long_name_of_a_feature_0001"
    figure, table = selection_chart({"one": ranking([long, "b"]), "two": ranking(list("ab"))}, {"two": pd.DataFrame()})
    assert len(figure.axes) == 4 and figure.axes[0].get_yticklabels()[0].get_text().endswith("...")
    assert table.loc[table["features"] == "one", "name"].tolist() == [long, "b"]
    assert [text.get_text() for text in figure.axes[1].texts] == ["not measured"]


def test_nothing_ranked():
    figure, table = selection_chart({}, {})
    assert table.empty and "No features" in figure.texts[0].get_text()


@pytest.mark.parametrize(("first", "scale"), [(9.0, "linear"), (900.0, "log")])
def test_one_score_far_above_the_others_does_not_flatten_them(first, scale):
    table = ranking(list("abcd"))
    table.loc[table["feature"] == "a", "score"] = first
    assert selection_chart({"one": table}, {})[0].axes[0].get_xscale() == scale
