"""What calibration and discrimination come to, in words computed from the tables."""

import pandas as pd

from leukoflow.core import words
from leukoflow.core.runs import is_baseline

OVER, UNDER, FAIR = "too high", "too low", "not clearly off"


def bias_word(low: float, high: float) -> str:
    """What the interval of mean confidence less accuracy says."""
    if words.missing(low):
        return "no interval"
    return OVER if low > 0 else UNDER if high < 0 else FAIR


def sentences(test: pd.DataFrame, areas: pd.DataFrame, errors: pd.DataFrame) -> list[str]:
    """Sentences on the networks of one panel; rows of the test role, of calibration those of the whole."""
    networks = test[[not is_baseline(name) for name in test["model"]]]
    before, after = (_means(networks[networks["calibrator"] == name]) for name in ("none", "temperature"))
    return [*_bias(before), *_temperature(before, after), *_best(areas, errors)]


def _means(table: pd.DataFrame) -> pd.DataFrame:
    """Means over runs, a row for each model."""
    return table.groupby("model", sort=False).mean(numeric_only=True)


def _networks(number: int, total: int) -> str:
    return f"{words.count(number)} of {words.plural(total, 'network')}"


def _bias(trained: pd.DataFrame) -> list[str]:
    said = [bias_word(low, high) for low, high in zip(trained["bias_low"], trained["bias_high"], strict=True)]
    over, under, total = said.count(OVER), said.count(UNDER), len(said)
    text = f"As trained, confidence is too high in {_networks(over, total)} and too low in {words.count(under)}: "
    text += "the interval of mean confidence less accuracy lies wholly on one side of zero."
    name = str(trained["gap"].idxmax())
    row = trained.loc[name].to_dict()
    text += f" Furthest off is {name}: {words.percent(row['predicted'])} sure on average, right on "
    return [text + f"{words.percent(row['observed'])}."]


def _temperature(before: pd.DataFrame, after: pd.DataFrame) -> list[str]:
    fitted = after["ece"].notna()
    text, total = "", int(fitted.sum())
    if total:
        first, second = before.loc[fitted[fitted].index, "ece"], after.loc[fitted, "ece"]
        better = int((second < first).sum())
        text = f"A temperature fitted on validation images lowers the ECE of {_networks(better, total)} "
        text += f"(median {words.decimal(first.median())} before, {words.decimal(second.median())} after)."
        left = int((second > after.loc[fitted, "ece_chance_high"]).sum())
        text += f" {_networks(left, total)} still {'misses' if left == 1 else 'miss'} by more than chance explains."
        worse = total - better
        if 2 * worse > total:
            text += " Where it makes things worse, validation images are not like test images: what is learnt from"
            text += " the one about confidence does not hold for the other."
    lacking = list(fitted[~fitted].index)
    if lacking:
        text += f" None could be determined for {words.listed(lacking)}, right on every validation image."
    return [text.strip()]


def _best(areas: pd.DataFrame, errors: pd.DataFrame) -> list[str]:
    own = errors[[not is_baseline(name) for name in errors["model"]]]
    means = _means(own)
    name = str(means["accuracy"].idxmax())
    row = means.loc[name].to_dict()
    macro = areas[(areas["model"] == name) & (areas["class"] == "macro average")]["auc"].mean()
    text = f"The most accurate network, {name}, tells the classes apart with a macro AUC of {words.decimal(macro)}"
    if not row["errors"]:
        return [f"{text} and makes no error."]
    text += f"; {words.percent(row['top3'], 0)} of its errors are between three pairs of classes"
    text += f" (an even spread would give {words.percent(row['top3_even'], 0)})."
    right, wrong = row["confidence_right"], row["confidence_wrong"]
    text += f" It is {words.percent(right, 0)} sure where it is right, and {words.percent(wrong, 0)} where it is wrong."
    return [text]
