import pandas as pd

from leukoflow.figures.ranks import cliques, critical_difference_chart


def ranks(blocks: int) -> pd.DataFrame:
    facts = {"experiment": "main", "view": "plain", "protocol": "image", "blocks": blocks, "least_blocks": 3}
    table = pd.DataFrame({"model": ["a", "b", "c"], "mean_rank": [1.0, 2.0, 3.0]})
    return table.assign(critical_difference=1.2, **facts)


def texts(figure) -> list[str]:
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def test_cliques_are_the_longest_stretches_within_the_critical_difference():
    # Demsar 2006, figure 1a: all of these but the first and last pairs overlap at 1.25.
    assert cliques([1.964, 2.0, 2.893, 3.143], 1.25) == [(0, 3)]
    assert cliques([1.0, 2.0, 2.9, 3.1], 1.15) == [(0, 1), (1, 3)]
    assert cliques([1.0, 2.0, 3.0], 1.0) == [] and cliques([2.0], 1) == []


def test_with_too_few_blocks_no_models_are_joined_and_the_panel_says_so():
    few, _ = critical_difference_chart(ranks(2))
    enough, table = critical_difference_chart(ranks(3))
    assert any("Too few blocks: with fewer than 3" in text for text in texts(few))
    assert not any("critical difference" in text for text in texts(few))
    assert "critical difference 1.20" in texts(enough) and len(table) == 3
    assert len(enough.axes[0].lines) == len(few.axes[0].lines) + 3  # two bars and the scale


def test_without_ranks_the_figure_says_why():
    figure, _ = critical_difference_chart(ranks(3)[:0])
    assert "three models" in figure.texts[0].get_text()
