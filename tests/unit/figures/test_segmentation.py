import numpy as np
import pandas as pd

from leukoflow.figures.segmentation import chart_table, kinds_of, segmentation_chart


def score(source: str, segmenter: str, trained_on: str, part: str, value: float, **facts) -> dict:
    base = {"segmenter": segmenter, "trained_on": trained_on, "source": source, "within": trained_on == "all"}
    base |= {"network": "gates C/4" if segmenter == "unet" else np.nan}
    base |= {"kind": "expert", "label": "", "part": part, "metric": "dice", "images": 20, "value": value}
    return base | {"low": value - 0.1, "high": value + 0.05} | facts


def scores() -> pd.DataFrame:
    rows = [score("a", "unet", "all", "cell", 0.9), score("a", "unet", "all", "nucleus", 0.95)]
    rows += [score("a", "unet", "without_a", "cell", 0.7), score("b", "threshold", "all", "cell", 0.6)]
    rows += [score("c", "unet", "all", "cell", 0.1, kind="agreement", within=False)]
    rows += [score("a", "unet", "all", "cell", 0.8, metric="iou")]
    return pd.DataFrame(rows)


def instances() -> pd.DataFrame:
    keys = [("unet", "all", "a", 0.8), ("unet", "without_a", "a", 0.5)]
    return pd.DataFrame(keys, columns=["segmenter", "trained_on", "source", "ap50"]).assign(
        images=20, network="gates C/4"
    )


def test_only_experts_masks_count_and_only_dice():
    table = chart_table(scores(), instances())
    assert set(table["source"]) == {"a", "b"} and 0.8 not in set(table.loc[table["panel"] == "Cell, Dice", "value"])
    single = table[table["panel"].str.startswith("Single")]
    assert single[["within", "value"]].values.tolist() == [[True, 0.8], [False, 0.5]]


def test_panels_share_the_sources_and_say_where_there_is_no_mask():
    figure, _ = segmentation_chart(scores(), instances())
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles == ["Nucleus, Dice", "Cell, Dice", "Single cells, AP at IoU 0.5"]
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["a", "b"]
    assert [text.get_text() for text in figure.axes[0].texts] == ["no such mask"] and not figure.axes[1].texts
    whisker, point = figure.axes[0].lines[:2]
    assert np.allclose(whisker.get_xdata(), [0.85, 1.0]) and point.get_xdata()[0] == 0.95


def test_networks_that_are_compared_are_named_by_their_gates():
    compared = score("a", "unet", "all", "cell", 0.85, network="no gates")
    table = chart_table(pd.concat([scores(), pd.DataFrame([compared])]), instances())
    kinds = kinds_of(table)
    assert [name for name, *_ in kinds.values()] == [
        "U-Net, gates C/4", "U-Net, gates C/4, source left out", "U-Net, no gates", "thresholds",
    ]  # fmt: skip
    within, left_out, other, _ = (colour for _, colour, *_ in kinds.values())
    assert within == left_out != other
    cell = table[(table["panel"] == "Cell, Dice") & (table["source"] == "a")]
    assert dict(zip(zip(cell["network"], cell["within"], strict=True), cell["value"], strict=True)) == {
        ("gates C/4", True): 0.9, ("gates C/4", False): 0.7, ("no gates", True): 0.85,
    }  # fmt: skip


def test_without_masks_it_says_so():
    none = scores()[:0]
    figure, table = segmentation_chart(none, instances()[:0])
    assert table.empty and "No source" in figure.texts[0].get_text()


def test_a_dice_that_is_undefined_is_not_drawn():
    table = scores()
    table.loc[table["source"] == "b", ["value", "low", "high"]] = np.nan
    shown = chart_table(table, instances().assign(ap50=[np.nan, 0.5]))
    assert set(shown["source"]) == {"a"} and shown["value"].notna().all()
    _, shown = segmentation_chart(table.assign(value=np.nan), instances()[:0])
    assert shown.empty


def test_long_names_of_networks_stay_within_the_figure():
    long = "gates C/4, adapted to a_cohort_with_a_name (24 of 400 images, transductive)"
    rows = [score("a", "unet", "all", "cell", 0.85, network=name) for name in (long, "no gates", "gates C/2")]
    figure, _ = segmentation_chart(pd.concat([scores(), pd.DataFrame(rows)]), instances())
    figure.draw_without_rendering()
    (legend,) = figure.legends
    box = legend.get_window_extent()
    assert box.x0 >= 0 and box.x1 <= figure.bbox.width and len(legend.get_texts()) > 4
