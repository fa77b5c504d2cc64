"""What an answer says, in sentences."""

from collections.abc import Sequence

from leukoflow.core.words import listed
from leukoflow.runtime.answers import Answer

NOTICE = (
    "For research use only. LeukoFlow is no medical device, has no clearance of any kind, and must not guide the care "
    "of a patient."
)


def headline(answer: Answer, single: bool = False) -> str:
    """The answer in one line, or that there is none; single: of a model of single cells, so about one cell."""
    start = "The cell nearest the middle: " if single else ""
    if answer.reasons:
        return f"{start}no answer" if single else "No answer: this image should not be trusted to the model"
    return f"{start}{answer.label}, {percent(max(answer.probabilities))}"


def conformal_sentence(answer: Answer) -> str:
    """The prediction set and what it promises."""
    promise = (
        f"Sets made this way hold the true class of {percent(answer.coverage)} of images like those the model was "
        "calibrated on."
    )
    return f"{_set_sentence(answer.classes, answer.conformal)} {promise}"


def _set_sentence(classes: Sequence[str], kept: Sequence[str]) -> str:
    if not kept:
        return "No class fits: the image is unlike those that the model was calibrated on."
    if len(kept) == len(classes):
        return f"Nothing can be ruled out: {listed(kept)} are all possible."
    if len(kept) == 1:
        return f"Only {kept[0]} cannot be ruled out."
    return f"{listed(kept, 'or')}: the model cannot tell these apart here."


def percent(share: float) -> str:
    """A share from 0 to 1 in per cent; never rounded to 0 or 100 if it is neither."""
    value = 100 * share
    if 0 < value < 0.1:
        return "under 0.1\N{NO-BREAK SPACE}%"
    if 99.9 < value < 100:
        return "over 99.9\N{NO-BREAK SPACE}%"
    digits = 0 if value == round(value) else 1
    return f"{value:.{digits}f}\N{NO-BREAK SPACE}%"
