"""The verdict of the shortcut audit in words, from the numbers of its row (`audits.shortcuts.audit`)."""

from collections.abc import Mapping
from typing import Any

from leukoflow.audits.shortcuts import down_to_chance, no_cell_above, stain_costs
from leukoflow.core import words

SEES = {
    "background": "the colours of the empty background",
    "magnification": "the magnification",
    "focus": "the sharpness of the picture",
    "compression": "the way the file was compressed",
    "colour_statistics": "six numbers on its colours",
    "colour_histogram": "how often each colour occurs",
    "thumbnail": "a picture of 16 x 16 pixels",
    "corner": "the lower right corner",
}


def verdict(facts: Mapping[str, Any]) -> str:
    """The evidence for the level of an audited model, in plain words."""
    chance = words.percent(facts["chance"], 0)
    if facts["level"] == "no skill":
        text = f"Its accuracy is not measurably above that of always naming the most frequent class ({chance}): "
        return text + "there is nothing to explain."
    parts = [_no_cell(facts), _colours(facts), _swap(facts, chance)]
    return " ".join(part for part in parts if part)


def _no_cell(facts: Mapping[str, Any]) -> str:
    if not no_cell_above(facts):
        return "What can be told without seeing a cell is not measurably above chance."
    text = f"{_explained(facts, 'no_cell_share')} of this accuracy above chance is reached without seeing a cell, "
    return text + f"by {SEES[facts['no_cell_probe']]} alone."


def _colours(facts: Mapping[str, Any]) -> str:
    if not facts["colour_accuracy_low"] > facts["chance"]:
        return ""
    share = _explained(facts, "colour_share").lower()
    text = f"Colours without shapes ({SEES[facts['colour_probe']]}) reach {share} of it"
    return text + ": stain, or what cells' colours tell."


def _swap(facts: Mapping[str, Any], chance: str) -> str:
    if not facts["swap_images"]:
        return "It was not put through other stains."
    flips, right = _with_limits(facts, "swap_flips"), _with_limits(facts, "swap_accuracy")
    share = words.percent(facts["swap_own_accuracy"], 0)
    text = f"In the stain of another class {flips} of its predictions change and {right} are right"
    if down_to_chance(facts):
        return f"{text}, which is not measurably above chance ({chance}); in the stain of their own class {share} are."
    if stain_costs(facts):
        return f"{text}; in the stain of their own class {share} are."
    return f"{text}; in the stain of their own class {share} are. No measurable loss by the stain itself."


def _explained(facts: Mapping[str, Any], name: str) -> str:
    """An explained share; what exceeds the model's own accuracy counts as all of it."""
    if facts[name] >= 1:
        return "All"
    return _with_limits({column: min(facts[column], 1.0) for column in (name, f"{name}_low", f"{name}_high")}, name)


def _with_limits(facts: Mapping[str, Any], name: str) -> str:
    limits = words.interval(facts[f"{name}_low"], facts[f"{name}_high"], 0)
    return words.percent(facts[name], 0) + (f" ({limits})" if limits else "")
