"""Checks of published shares of images carried out: what was published, what follows, and whether both can be."""

from dataclasses import dataclass
from functools import singledispatch

from leukoflow.config import published_checks as checks
from leukoflow.config.published import Number, Paper
from leukoflow.evaluation import plausible
from leukoflow.evaluation.bootstrap import wilson_interval

IMPOSSIBLE, CONTRADICTION, ODD, POSSIBLE = "impossible", "contradiction", "odd", "possible"
VERDICTS = {
    IMPOSSIBLE: "cannot be, whatever the images",
    CONTRADICTION: "two printed figures exclude each other: one of them is wrong",
    ODD: "can be only in the way that is said, or says less than it seems",
    POSSIBLE: "agrees",
}


@dataclass(frozen=True)
class Outcome:
    """What a check came to."""

    published: str
    computed: str
    verdict: str
    arithmetic: str


@singledispatch
def outcome(check: object, paper: Paper) -> Outcome:
    """The outcome of one check."""
    raise TypeError(f"{type(check).__name__} is no check")


def percent(share: float, digits: int = 2) -> str:
    """A share in percent, so that a printed one with `digits` + 2 decimals loses nothing."""
    return f"{100 * share:.{digits}f} %"


def printed(number: Number) -> str:
    """A published share in percent, with the decimals that it was printed with."""
    return percent(number.value, max(number.digits - 2, 0))


@outcome.register
def _(check: checks.WholeImages, paper: Paper) -> Outcome:
    number = paper.number(check.number)
    found = plausible.possible_counts(number.value, check.images, number.digits)
    if found:
        text = f"{found[0]} / {check.images} = {percent(found[0] / check.images)}"
        return Outcome(printed(number), text, POSSIBLE, f"{text}, as printed.")
    below, above = plausible.nearest_shares(number.value, check.images)
    text = f"{percent(below)} or {percent(above)}"
    how = f"{number.value:g} x {check.images} = {number.value * check.images:.2f}, which is no whole number of images; "
    how += f"the nearest are {round(below * check.images)} / {check.images} = {percent(below)} and "
    how += f"{round(above * check.images)} / {check.images} = {percent(above)}."
    return Outcome(printed(number), text, IMPOSSIBLE, how)


@outcome.register
def _(check: checks.Counts, paper: Paper) -> Outcome:
    number = paper.number(check.number) if check.number else None
    value, digits = (number.value, number.digits) if number else (check.value or 0.0, check.digits)
    right, total = (sum(each[place] for each in check.counts.values()) for place in (0, 1))
    low, high = wilson_interval(right, total, 0.95)
    share, given = percent(right / total), percent(value, max(digits - 2, 0))
    parts = " + ".join(str(each[0]) for each in check.counts.values())
    how = f"({parts}) / {total} = {share}" if len(check.counts) > 1 else f"{right} / {total} = {share}"
    how += f" (Wilson 95 %: {percent(low)} to {percent(high)})"
    if plausible.agrees(right / total, value, digits):
        return Outcome(given, share, POSSIBLE, f"{how}, as printed.")
    return Outcome(given, share, CONTRADICTION, f"{how}, not {given}.")


@outcome.register
def _(check: checks.SplitSize, paper: Paper) -> Outcome:
    wanted = check.share * check.whole
    off = abs(check.images - wanted)
    given, computed = f"{check.images} images", f"{wanted:.1f} images"
    how = f"{check.share:g} x {check.whole} = {wanted:.1f}; the matrix holds {check.images}."
    return Outcome(given, computed, POSSIBLE if off < 1 else CONTRADICTION, how)


@outcome.register
def _(check: checks.Kappa, paper: Paper) -> Outcome:
    accuracy, kappa = paper.number(check.accuracy), paper.number(check.kappa)
    half = plausible.half_unit(accuracy.digits)
    low = plausible.kappa_range(accuracy.value - half, check.counts)[0]
    high = plausible.kappa_range(accuracy.value + half, check.counts)[1]
    room = plausible.half_unit(kappa.digits)
    how = f"At an accuracy of {percent(accuracy.value)} and these class counts, kappa lies between {low:.4f} and "
    how += f"{high:.4f}, whichever classes the errors fall to."
    inside = low - room <= kappa.value <= high + room
    verdict = POSSIBLE if inside else IMPOSSIBLE
    return Outcome(f"{kappa.value:.{kappa.digits}f}", f"{low:.4f} to {high:.4f}", verdict, how)


@outcome.register
def _(check: checks.Mcc, paper: Paper) -> Outcome:
    accuracy, mcc = paper.number(check.accuracy), paper.number(check.mcc)
    implied = plausible.accuracy_of_mcc(mcc.value, list(paper.datasets[accuracy.dataset].counts.values()))
    how = (
        f"At the dataset's class shares an MCC of {mcc.value:g} goes with an accuracy of about {percent(implied, 1)}; "
    )
    how += f"printed is {printed(accuracy)}."
    verdict = POSSIBLE if abs(implied - accuracy.value) < 0.005 else CONTRADICTION
    return Outcome(f"MCC {mcc.value:g}", f"accuracy {percent(implied, 1)}", verdict, how)


@outcome.register
def _(check: checks.OneVsRest, paper: Paper) -> Outcome:
    number = paper.number(check.number)
    found = [
        errors
        for errors in range(check.images + 1)
        if plausible.agrees(
            plausible.one_vs_rest_accuracy(1 - errors / check.images, check.classes), number.value, number.digits
        )
    ]
    if not found:
        how = f"No number of errors among {check.images} images gives it."
        return Outcome(printed(number), "no number of errors", IMPOSSIBLE, how)
    errors = found[0]
    mean = plausible.one_vs_rest_accuracy(1 - errors / check.images, check.classes)
    computed = f"{check.images - errors} / {check.images} = {percent(1 - errors / check.images)} right"
    how = f"An error counts against two classes of {check.classes}: 1 - 2 x {errors} / ({check.classes} x "
    how += f"{check.images}) = {percent(mean)}. So it is a mean of one-versus-rest accuracies, and {computed}."
    return Outcome(printed(number), computed, ODD, how)


@outcome.register
def _(check: checks.Auc, paper: Paper) -> Outcome:
    auc = paper.number(check.auc)
    counts = list(paper.datasets[auc.dataset].counts.values())
    scaled = [round(each * check.images / sum(counts)) for each in counts]
    least = plausible.least_auc(scaled, check.errors)
    how = f"With {check.errors} error among {check.images} images the macro AUC is at least {least:.4f} where each "
    how += f"right answer has more than half of the probability; {auc.value:g} is less, so some had not."
    verdict = ODD if auc.value + plausible.half_unit(auc.digits) < least else POSSIBLE
    return Outcome(f"{auc.value:g}", f"at least {least:.4f}", verdict, how)


@outcome.register
def _(check: checks.Interval, paper: Paper) -> Outcome:
    single = plausible.bootstrap_interval(check.right, check.total)
    low, high = wilson_interval(check.right, check.total, 0.95)
    exact = plausible.exact_interval(check.right, check.total)
    given = f"{check.low:.{check.digits}f} to {check.high:.{check.digits}f}"
    how = f"A bootstrap over {check.total} single images, {check.right} of them right, gives {single[0]:.4f} to "
    how += f"{single[1]:.4f}; Wilson's interval is {low:.4f} to {high:.4f}, Clopper and Pearson's {exact[0]:.4f} to "
    how += f"{exact[1]:.4f}. "
    how += "All take images for independent, though several show one slide."
    closed = check.low == check.high
    if closed:
        how += " Where all are right a bootstrap has nothing to vary: its interval closes, but the share may be lower."
    # A resampled limit may fall on the next image.
    near = all(abs(a - b) <= 1.5 / check.total for a, b in zip(single, (check.low, check.high), strict=True))
    computed = f"{low:.4f} to {high:.4f} (Wilson)"
    return Outcome(given, computed, ODD if closed else POSSIBLE if near else CONTRADICTION, how)


@outcome.register
def _(check: checks.Versus, paper: Paper) -> Outcome:
    number, other = paper.number(check.number), paper.number(check.other)
    low, high = wilson_interval(check.right, check.total, 0.95)
    inside = low <= other.value <= high
    how = f"{check.right} / {check.total} has Wilson's 95 % interval {percent(low, 1)} to {percent(high, 1)}; "
    how += f"{printed(other)} lies {'inside: the difference may be chance' if inside else 'outside'}."
    both = f"{printed(number)} against {printed(other)}"
    return Outcome(both, f"{percent(low, 1)} to {percent(high, 1)}", ODD if inside else POSSIBLE, how)
