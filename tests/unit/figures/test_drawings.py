import re
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D

from leukoflow.core.runs import Run
from leukoflow.figures import style
from leukoflow.figures.confusion import confusion_matrices
from leukoflow.figures.duplicates import duplicate_pairs, examples
from leukoflow.figures.leaderboard import leaderboard_chart
from leukoflow.figures.learning import learning_curves


def titles(figure) -> list[str]:
    return [axes.get_title(loc="left") for axes in figure.axes if axes.get_visible() and axes.get_title(loc="left")]


def counts(model: str, fold: int, cells: list[int]) -> pd.DataFrame:
    table = pd.DataFrame(
        {"true": list("aabb"), "predicted": list("abab"), "count": cells, "model": model, "fold": fold}
    )
    return table.assign(cohort="home", target="home", role="test", subset="all")


def test_confusion_adds_folds_up_and_leaves_other_roles_out():
    tables = [
        counts("net", 0, [3, 1, 0, 4]),
        counts("net", 1, [2, 0, 1, 3]),
        counts("colour_histogram", 0, [1, 1, 1, 1]),
    ]
    tables += [
        counts("net", 0, [90, 0, 0, 90]).assign(role="validation"),
        counts("net", 0, [9, 9, 9, 9]).assign(target="away"),
    ]
    figure, table = confusion_matrices(pd.concat(tables))
    assert titles(figure) == ["colour_histogram", "net"]
    assert table.loc[table["model"] == "net", "count"].tolist() == [5, 1, 1, 7]
    texts = [text.get_text() for text in figure.axes[1].texts]
    assert texts == ["83%\n5", "17%\n1", "12%\n1", "88%\n7"]


def history(epochs: int, shift: float = 0.0) -> pd.DataFrame:
    columns = [f"{role}_{name}" for role in ("train", "validation") for name in ("accuracy", "loss")]
    return pd.DataFrame(
        {"epoch": range(epochs), **{column: np.linspace(0.2, 0.8, epochs) + shift for column in columns}}
    )


def test_learning_curves_average_folds_and_skip_what_has_no_epochs():
    runs = {Run("home", "kind", "plain", "image", "net", fold, 1): history(5, 0.1 * fold) for fold in (0, 1)}
    runs[Run("home", "kind", "plain", "image", "colour_histogram", 0, 1)] = history(1)
    figure, table = learning_curves(runs)
    assert titles(figure) == ["net"]
    first = table[(table["epoch"] == 0) & (table["role"] == "validation") & (table["figure"] == "accuracy")].iloc[0]
    assert (first["mean"], first["low"], first["high"], first["runs"]) == pytest.approx((0.25, 0.2, 0.3, 2))


def test_learning_curves_say_when_there_are_none():
    figure, table = learning_curves({Run("home", "kind", "plain", "image", "colour_histogram", 0, 1): history(0)})
    assert table.empty and "No model" in figure.texts[0].get_text()


def board(models: list[str], protocols: list[str]) -> pd.DataFrame:
    rows = [
        {
            "cohort": "home",
            "task": "kind",
            "view": "plain",
            "protocol": protocol,
            "model": model,
            "recipe": "own",
            "images": 9,
            "groups": 3,
            "runs": 1,
        }
        | {
            "accuracy": 0.9 - 0.01 * rank,
            "low": np.nan if rank == 1 else 0.8,
            "high": np.nan if rank == 1 else 0.95,
            "interval": "groups",
        }
        for protocol in protocols
        for rank, model in enumerate(models)
    ]
    return pd.DataFrame(rows)


def test_leaderboard_puts_the_baseline_on_top_whatever_its_accuracy():
    figure, table = leaderboard_chart(board(["net", "other", "colour_histogram"], ["image", "patient"]))
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels == ["colour_histogram", "net", "other"]
    assert len(table) == 6
    legend = [text.get_text() for text in figure.legends[0].texts]
    assert legend == ["image split", "patient split", "colour baseline"]


def test_each_recipe_has_a_leaderboard_of_its_own_with_the_baseline_on_top():
    table = board(["net", "net_slow", "net_alike", "colour_histogram"], ["image"])
    table["recipe"] = ["own", "slow", "alike", "own"]
    figure, drawn = leaderboard_chart(table)
    assert titles(figure) == [
        "home, kind, plain view, own recipes", "home, kind, plain view, recipe alike",
        "home, kind, plain view, recipe slow",
    ]  # fmt: skip
    labels = [[label.get_text() for label in axes.get_yticklabels()] for axes in figure.axes]
    assert labels == [["colour_histogram", name] for name in ("net", "net_alike", "net_slow")]
    assert drawn["recipe"].tolist() == table["recipe"].tolist() and len(drawn) == 4
    # A view with the baseline alone has a panel that speaks of no recipe, as has a study without recipes.
    alone = table[table["model"] == "colour_histogram"].assign(view="grey")
    assert titles(leaderboard_chart(pd.concat([table, alone]))[0])[-1] == "home, kind, grey view"
    assert titles(leaderboard_chart(table[table["recipe"] == "own"])[0]) == ["home, kind, plain view"]


def test_twenty_models_grow_the_chart_instead_of_crowding_it():
    small, _ = leaderboard_chart(board(["net"], ["image"]))
    large, _ = leaderboard_chart(board([f"net_{k}" for k in range(20)], ["image", "acquisition"]))
    assert large.get_figheight() > small.get_figheight() + 20 * 0.35


def pairs() -> pd.DataFrame:
    rows = [("home", f"a{k}", "home", f"b{k}", "near", 3, 0.95 + k / 1000) for k in range(30)]
    rows += [("home", f"c{k}", "home", f"d{k}", "identical", 0, 1.0) for k in range(9)]
    rows += [("away", "x", "home", "a0", "near", 2, 0.97)]
    return pd.DataFrame(
        rows, columns=["cohort_a", "image_a", "cohort_b", "image_b", "kind", "hash_distance", "correlation"]
    )


def test_examples_cover_every_kind_and_the_least_alike():
    chosen = examples(pairs(), 12)
    assert len(chosen) == 12 and chosen["cohort_a"].iloc[0] == "away"
    assert chosen["kind"].value_counts().to_dict() == {"near": 9, "identical": 3}
    assert {"a29", "a0"} <= set(chosen["image_a"])
    altered = pd.concat([pairs(), pairs()[:5].assign(kind="turned"), pairs()[5:6].assign(kind="moved")])
    counts = examples(altered, 12)["kind"].value_counts().to_dict()
    assert counts == {"near": 5, "identical": 3, "turned": 3, "moved": 1}


def test_duplicates_show_both_pictures_and_the_measures(tmp_path):
    folder = tmp_path / "home.plain"
    folder.mkdir()
    names = ["a0", "b0"]
    np.save(folder / "000.npy", np.zeros((2, 8, 8, 3), np.uint8))
    pd.DataFrame({"image_id": names}).to_parquet(folder / "000.parquet")
    figure, _ = duplicate_pairs(pairs().head(1), {"home": [folder / "000.npy"]})
    assert [len(axes.images) for axes in figure.axes] == [1, 1]
    assert titles(figure) == ["home: 3 of 64 bits, r = 0.950"]
    # One that the search for moved pictures found has no distance of hashes.
    moved = pairs().head(1).assign(hash_distance=pd.array([None], "Int32"))
    assert titles(duplicate_pairs(moved, {"home": [folder / "000.npy"]})[0]) == ["home: r = 0.950"]
    assert duplicate_pairs(pairs()[:0], {})[0].texts[0].get_text() == "No duplicates were found."


def test_saving_twice_gives_the_same_bytes(tmp_path):
    for name in ("one", "two"):
        style.save(*leaderboard_chart(board(["net", "colour_histogram"], ["image"])), tmp_path / f"{name}.png")
    for suffix in ("png", "svg", "csv"):
        assert (tmp_path / f"one.{suffix}").read_bytes() == (tmp_path / f"two.{suffix}").read_bytes()


def test_the_last_bits_of_a_layout_do_not_change_the_bytes(tmp_path, monkeypatch):
    lay_out = ConstrainedLayoutEngine.execute
    for name, noise in (("one", 0), ("two", 1e-14)):

        def execute(self, figure, noise=noise):
            lay_out(self, figure)
            for axes in figure.axes:
                axes.set_position((np.array(axes.get_position().bounds) + noise).tolist())

        monkeypatch.setattr(ConstrainedLayoutEngine, "execute", execute)
        style.save(*leaderboard_chart(board(["net", "colour_histogram"], ["image"])), tmp_path / f"{name}.png")
    for suffix in ("png", "svg"):
        assert (tmp_path / f"one.{suffix}").read_bytes() == (tmp_path / f"two.{suffix}").read_bytes()


def test_names_break_at_underscores_and_spaces():
    assert style.wrap("resnet50_hmscam_with_more", 12) == "resnet50_\nhmscam_with_\nmore"
    assert style.wrap("no class") == "no class"


@pytest.mark.parametrize("name", ["B$1$ {x}", "$\\frac{1$", "a_b^c\\d", '50% "q" <b>', "--> ]]>"])
def test_names_are_set_as_they_are(tmp_path, name):
    """No mathematics: with its signs a name is wider than without them, and is in the table unchanged."""
    table = counts("net", 0, [3, 1, 0, 4]).replace({"a": name})
    figure, made = confusion_matrices(table)
    style.save(figure, made, tmp_path / "confusion.png")
    labels = [label for axes in figure.axes for label in axes.get_yticklabels()]
    shown = next(label for label in labels if label.get_text().replace("\n", " ") == name)
    bare = figure.text(0, 0, re.sub(r"[$^_\\{}]", "", name), fontsize=shown.get_fontsize())
    if len(bare.get_text()) < len(name) and "\n" not in shown.get_text():
        assert shown.get_window_extent().width > bare.get_window_extent().width
    assert set(made["true"]) == {name, "b"}
    drawing = (tmp_path / "confusion.svg").read_text()
    assert ElementTree.fromstring(drawing).tag.endswith("svg") and "<b>" not in drawing


@pytest.mark.parametrize("name", ["Pre", "<script>alert(1)</script> it's", "x" * 200])
def test_a_legend_stays_within_its_figure(tmp_path, name):
    figure, _ = style.panels(2, 4, 2.75, 2.85)
    handles = [Line2D([], [], label=style.wrap(f"{name} {number}", 24)) for number in range(6)]
    legend = figure.legend(handles=handles, loc="outside upper center", ncols=style.legend_columns(handles, figure, 5))
    style.save(figure, pd.DataFrame({"a": [1]}), tmp_path / "f.png")
    box = legend.get_window_extent()
    assert 0 <= box.x0 < box.x1 <= figure.bbox.width


def test_long_names_stay_in_a_few_short_lines():
    lines = style.wrap("x" * 300, 18).split("\n")
    assert (
        len(lines) == style.MOST_LINES and max(map(len, lines)) == 18 and lines[-1].endswith("\N{HORIZONTAL ELLIPSIS}")
    )
    assert style.wrap("one two_three", 8) == "one two_\nthree"
    assert style.wrap("a\nb\u202e") == "a\\nb\\u202e"
