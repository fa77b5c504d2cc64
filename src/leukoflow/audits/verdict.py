"""What the shortcut audit says of a model, in words, and how grave it is. Intervals decide, not thresholds of taste."""

from collections.abc import Mapping
from typing import Any, Literal

from leukoflow.core import words

Level = Literal["no skill", "explained", "partly", "silent"]
AUDITED = [
    "accuracy", "accuracy_low", "accuracy_high", "chance",
    *(f"{prefix}_{name}" for prefix in ("no_cell", "colour") for name in (
        "probe", "accuracy", "accuracy_low", "accuracy_high", "share", "share_low", "share_high",
        "lead", "lead_low", "lead_high",
    )),
    "swap_images",
    *(f"swap_{name}{limit}" for name in ("flips", "accuracy", "own_accuracy", "loss", "drop", "taken")
      for limit in ("", "_low", "_high")),
]  # fmt: skip
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


def level_of(facts: Mapping[str, Any]) -> Level:
    """How grave the evidence is.

    `no skill`: the model's own interval includes chance. `explained`: a probe that sees no cell is above chance and the
    model not measurably above it, or the model is brought down to chance by another class' stain. `partly`: the
    probe is above chance, or another class' stain costs accuracy. `silent`: none.
    """
    chance = facts["chance"]
    if not facts["accuracy_low"] > chance:
        return "no skill"
    if (no_cell_above(facts) and not facts["no_cell_lead_low"] > 0) or down_to_chance(facts):
        return "explained"
    return "partly" if no_cell_above(facts) or stain_costs(facts) else "silent"


def no_cell_above(facts: Mapping[str, Any]) -> bool:
    """Whether the probe that sees no cell is measurably above chance."""
    return bool(facts["no_cell_accuracy_low"] > facts["chance"])


def stain_costs(facts: Mapping[str, Any]) -> bool:
    """Whether another class' stain costs accuracy, against the images as they are and against the own class' stain.

    The first alone may be what any recolouring does; the second alone may be that the own class' stain, which tells the
    class, helps a model that looks at stains without getting anything from them on the images as they are.
    """
    return bool(facts["swap_drop_low"] > 0 and facts["swap_loss_low"] > 0)


def down_to_chance(facts: Mapping[str, Any]) -> bool:
    """Whether another class' stain costs accuracy, and what is left is not measurably above chance."""
    return stain_costs(facts) and not facts["swap_accuracy_low"] > facts["chance"]


def verdict(facts: Mapping[str, Any]) -> tuple[Level, str]:
    """The level and the evidence for it, in plain words."""
    level, chance = level_of(facts), words.percent(facts["chance"], 0)
    if level == "no skill":
        text = f"Its accuracy is not measurably above that of always naming the most frequent class ({chance}): "
        return level, text + "there is nothing to explain."
    parts = [_no_cell(facts), _colours(facts), _swap(facts, chance)]
    return level, " ".join(part for part in parts if part)


def _no_cell(facts: Mapping[str, Any]) -> str:
    if not no_cell_above(facts):
        return "What can be told without seeing a cell is not measurably above chance."
    text = f"{_share(facts, 'no_cell_share')} of this accuracy above chance is reached without seeing a cell, "
    return text + f"by {SEES[facts['no_cell_probe']]} alone."


def _colours(facts: Mapping[str, Any]) -> str:
    if not facts["colour_accuracy_low"] > facts["chance"]:
        return ""
    text = (
        f"Colours without shapes ({SEES[facts['colour_probe']]}) reach {_share(facts, 'colour_share').lower()} of it: "
    )
    return text + "stain, or what cells' colours tell."


def _swap(facts: Mapping[str, Any], chance: str) -> str:
    if not facts["swap_images"]:
        return "It was not put through other stains."
    flips, right = _with_limits(facts, "swap_flips"), _with_limits(facts, "swap_accuracy")
    own = words.percent(facts["swap_own_accuracy"], 0)
    text = f"In the stain of another class {flips} of its predictions change and {right} are right"
    if down_to_chance(facts):
        return f"{text}, which is not measurably above chance ({chance}); in the stain of their own class {own} are."
    if stain_costs(facts):
        return f"{text}; in the stain of their own class {own} are."
    return f"{text}; in the stain of their own class {own} are. No measurable loss by the stain itself."


def _share(facts: Mapping[str, Any], name: str) -> str:
    """An explained share; what exceeds the model's own accuracy counts as all of it."""
    if facts[name] >= 1:
        return "All"
    return _with_limits({each: min(facts[each], 1.0) for each in (name, f"{name}_low", f"{name}_high")}, name)


def _with_limits(facts: Mapping[str, Any], name: str) -> str:
    limits = words.interval(facts[f"{name}_low"], facts[f"{name}_high"], 0)
    return words.percent(facts[name], 0) + (f" ({limits})" if limits else "")
