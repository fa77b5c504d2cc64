"""The checks of the papers' numbers carried out: what was published, what follows, and whether both can be true."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import singledispatch

import numpy as np
import pandas as pd

from leukoflow.config import published_checks as checks
from leukoflow.config.published import Number, Paper
from leukoflow.core.words import percent
from leukoflow.papers import plausible
from leukoflow.stats.bootstrap import wilson_interval

COLUMNS = ["paper", "system", "numbers", "check", "where", "published", "computed", "verdict", "arithmetic"]
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


def printed(number: Number) -> str:
    """A published share in percent, with the decimals that it was printed with."""
    return percent(number.value, max(number.digits - 2, 0))


@outcome.register
def _(check: checks.WholeImages, paper: Paper) -> Outcome:
    number = paper.number(check.number)
    counts = plausible.possible_counts(number.value, check.images, number.digits)
    if counts:
        text = f"{counts[0]} / {check.images} = {percent(counts[0] / check.images, 2)}"
        return Outcome(printed(number), text, POSSIBLE, f"{text}, as printed.")
    below, above = plausible.nearest_shares(number.value, check.images)
    text = f"{percent(below, 2)} or {percent(above, 2)}"
    how = f"{number.value:g} x {check.images} = {number.value * check.images:.2f}, which is no whole number of images; "
    how += f"the nearest are {round(below * check.images)} / {check.images} = {percent(below, 2)} and "
    how += f"{round(above * check.images)} / {check.images} = {percent(above, 2)}."
    return Outcome(printed(number), text, IMPOSSIBLE, how)


@outcome.register
def _(check: checks.Counts, paper: Paper) -> Outcome:
    number = paper.number(check.number) if check.number else None
    value, digits = (number.value, number.digits) if number else (check.value or 0.0, check.digits)
    right, total = (sum(count[index] for count in check.counts.values()) for index in (0, 1))
    low, high = wilson_interval(right, total, 0.95)
    share, published = percent(right / total, 2), percent(value, max(digits - 2, 0))
    parts = " + ".join(str(count[0]) for count in check.counts.values())
    how = f"({parts}) / {total} = {share}" if len(check.counts) > 1 else f"{right} / {total} = {share}"
    how += f" (Wilson 95 %: {percent(low, 2)} to {percent(high, 2)})"
    if plausible.agrees(right / total, value, digits):
        return Outcome(published, share, POSSIBLE, f"{how}, as printed.")
    return Outcome(published, share, CONTRADICTION, f"{how}, not {published}.")


@outcome.register
def _(check: checks.SplitSize, paper: Paper) -> Outcome:
    wanted = check.share * check.whole
    off = abs(check.images - wanted)
    published, computed = f"{check.images} images", f"{wanted:.1f} images"
    how = f"{check.share:g} x {check.whole} = {wanted:.1f}; the matrix holds {check.images}."
    return Outcome(published, computed, POSSIBLE if off < 1 else CONTRADICTION, how)


@outcome.register
def _(check: checks.Kappa, paper: Paper) -> Outcome:
    accuracy, kappa = paper.number(check.accuracy), paper.number(check.kappa)
    half = plausible.half_unit(accuracy.digits)
    low = plausible.kappa_range(accuracy.value - half, check.counts)[0]
    high = plausible.kappa_range(accuracy.value + half, check.counts)[1]
    room = plausible.half_unit(kappa.digits)
    how = f"At an accuracy of {percent(accuracy.value, 2)} and these class counts, kappa lies between {low:.4f} and "
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
    fitting = [
        errors
        for errors in range(check.images + 1)
        if plausible.agrees(
            plausible.one_vs_rest_accuracy(1 - errors / check.images, check.classes), number.value, number.digits
        )
    ]
    if not fitting:
        how = f"No number of errors among {check.images} images gives it."
        return Outcome(printed(number), "no number of errors", IMPOSSIBLE, how)
    errors = fitting[0]
    mean = plausible.one_vs_rest_accuracy(1 - errors / check.images, check.classes)
    computed = f"{check.images - errors} / {check.images} = {percent(1 - errors / check.images, 2)} right"
    how = f"An error counts against two classes of {check.classes}: 1 - 2 x {errors} / ({check.classes} x "
    how += f"{check.images}) = {percent(mean, 2)}. So it is a mean of one-versus-rest accuracies, and {computed}."
    return Outcome(printed(number), computed, ODD, how)


@outcome.register
def _(check: checks.Auc, paper: Paper) -> Outcome:
    auc = paper.number(check.auc)
    counts = list(paper.datasets[auc.dataset].counts.values())
    scaled = [round(count * check.images / sum(counts)) for count in counts]
    least = plausible.least_auc(scaled, check.errors)
    how = f"With {check.errors} error among {check.images} images the macro AUC is at least {least:.4f} if each "
    how += f"right answer has more than half of the probability; {auc.value:g} is less, so some had not."
    verdict = ODD if auc.value + plausible.half_unit(auc.digits) < least else POSSIBLE
    return Outcome(f"{auc.value:g}", f"at least {least:.4f}", verdict, how)


@outcome.register
def _(check: checks.Interval, paper: Paper) -> Outcome:
    single = plausible.bootstrap_interval(check.right, check.total)
    low, high = wilson_interval(check.right, check.total, 0.95)
    exact = plausible.exact_interval(check.right, check.total)
    published = f"{check.low:.{check.digits}f} to {check.high:.{check.digits}f}"
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
    return Outcome(published, computed, ODD if closed else POSSIBLE if near else CONTRADICTION, how)


@outcome.register
def _(check: checks.Versus, paper: Paper) -> Outcome:
    number, other = paper.number(check.number), paper.number(check.other)
    low, high = wilson_interval(check.right, check.total, 0.95)
    inside = low <= other.value <= high
    how = f"{check.right} / {check.total} has Wilson's 95 % interval {percent(low, 1)} to {percent(high, 1)}; "
    how += f"{printed(other)} lies {'inside: the difference may be chance' if inside else 'outside'}."
    both = f"{printed(number)} against {printed(other)}"
    return Outcome(both, f"{percent(low, 1)} to {percent(high, 1)}", ODD if inside else POSSIBLE, how)


def check_table(papers: Mapping[str, Paper]) -> pd.DataFrame:
    """Every check of every paper, `COLUMNS`, the gravest first within a paper. Numbers are keys, joined by spaces."""
    order = list(VERDICTS)
    rows = []
    for paper in papers.values():
        pairs = [(check, outcome(check, paper)) for check in paper.checks]
        for check, result in sorted(pairs, key=lambda pair: order.index(pair[1].verdict)):
            keys = " ".join(checks.named_by(check))
            row = (paper.paper, paper.system, keys, check.what, check.where)
            rows.append((*row, result.published, result.computed, result.verdict, result.arithmetic))
    return pd.DataFrame(rows, columns=COLUMNS)


@outcome.register
def _(check: checks.Confidence, paper: Paper) -> Outcome:
    accuracy, ece = paper.number(check.accuracy), paper.number(check.ece)
    confidence = plausible.mean_confidence(accuracy.value, check.right, check.wrong)
    gap = plausible.least_ece(accuracy.value, confidence)
    # Confidences and accuracy are printed to so many decimals themselves.
    slack = 2 * plausible.half_unit(3) + plausible.half_unit(ece.digits)
    how = f"Mean confidence {accuracy.value:g} x {check.right:g} + {1 - accuracy.value:.4f} x {check.wrong:g} = "
    how += f"{confidence:.3f}; accuracy {accuracy.value:.3f}; the ECE is at least their gap, {gap:.3f}."
    verdict = IMPOSSIBLE if ece.value < gap - slack else POSSIBLE
    if confidence < accuracy.value and check.temperature > 1:
        how += f" Confidence lies below accuracy, and a temperature of {check.temperature:g} lowers it further"
        how += " and leaves every prediction as it is, so the gap can only grow"
        if check.scaled:
            scaled = paper.number(check.scaled)
            how += f"; the ECE after it is printed as {scaled.value:g}"
            verdict = IMPOSSIBLE if scaled.value < gap - slack else verdict
        how += "."
        verdict = ODD if verdict == POSSIBLE else verdict
    return Outcome(f"{ece.value:g}", f"at least {gap:.3f}", verdict, how)


@outcome.register
def _(check: checks.TopBin, paper: Paper) -> Outcome:
    accuracy, ece, mce = (paper.number(key) for key in (check.accuracy, check.ece, check.mce))
    highest = ece.value + plausible.half_unit(ece.digits)
    share, most = plausible.most_confidence(highest, mce.value - plausible.half_unit(mce.digits), check.low, 1)
    mean = plausible.mean_confidence(accuracy.value, check.right, check.wrong)
    how = f"A bin that is off by {mce.value:g} adds that times its share to the ECE of {ece.value:g}, so it holds at "
    how += f"most {percent(share, 0)} of the images, and the mean confidence is at most {most:.3f}; the printed "
    how += f"confidences of right and wrong answers give {mean:.3f}."
    verdict = IMPOSSIBLE if most < mean - 2 * plausible.half_unit(3) else POSSIBLE
    return Outcome(f"{mce.value:g}", f"mean confidence at most {most:.3f}", verdict, how)


@outcome.register
def _(check: checks.Uncertainty, paper: Paper) -> Outcome:
    counts = list(next(iter(paper.datasets.values())).counts.values())
    total, mean = plausible.brier_uncertainty(counts)
    most = plausible.MOST_BINARY_UNCERTAINTY
    how = f"It depends on the class shares alone. Of one event it is p (1 - p), at most {most:g}; with these class "
    how += f"counts it is {mean:.3f} as a mean over classes and 1 - sum p^2 = {total:.3f} as their sum."
    right = any(plausible.agrees(value, check.value, check.digits) for value in (total, mean))
    verdict = POSSIBLE if right or check.value <= most else IMPOSSIBLE
    return Outcome(f"{check.value:.{check.digits}f}", f"{mean:.3f} or {total:.3f}", verdict, how)


@outcome.register
def _(check: checks.Anova, paper: Paper) -> Outcome:
    f, p = plausible.anova(check.means, check.deviations, check.runs)
    runs = [n for n in range(2, 51) if plausible.anova(check.means, check.deviations, n)[1] <= check.p]
    how = f"{check.runs} runs with these means and deviations give F = {f:.2f} and p = {p:.4f}; p = {check.p:g} needs "
    how += f"{runs[0]} runs or more. " if runs else "more runs than fifty. "
    how += "And it compares two tasks, not two methods: it cannot tell whether a method is good."
    verdict = POSSIBLE if plausible.agrees(p, check.p, check.digits) else CONTRADICTION
    return Outcome(f"p = {check.p:g}", f"p = {p:.4f}", verdict, how)


@outcome.register
def _(check: checks.RunInterval, paper: Paper) -> Outcome:
    half = plausible.t_half_width(check.deviation, check.runs)
    how = f"Student's interval of the mean of {check.runs} runs with a deviation of {check.deviation:g} reaches "
    how += f"{half:.4f} to either side; printed is {check.half_width:.3f}."
    verdict = POSSIBLE if plausible.agrees(half, check.half_width, check.digits) else CONTRADICTION
    return Outcome(f"{check.half_width:.3f}", f"{half:.4f}", verdict, how)


@outcome.register
def _(check: checks.Same, paper: Paper) -> Outcome:
    printed = " and ".join(f"{value:g}" for value in check.values)
    spread = max(check.values) - min(check.values)
    how = f"The same quantity is printed as {printed}: they differ by {spread:.3g}."
    return Outcome(printed, f"difference {spread:.3g}", CONTRADICTION if spread else POSSIBLE, how)


@outcome.register
def _(check: checks.Mean, paper: Paper) -> Outcome:
    number, mean = paper.number(check.number), float(np.mean(check.values))
    listed = " + ".join(f"{value:g}" for value in check.values)
    how = f"({listed}) / {len(check.values)} = {mean:.4f}; printed is {number.value:g}."
    verdict = POSSIBLE if abs(mean - number.value) <= plausible.half_unit(check.digits) + 1e-9 else CONTRADICTION
    return Outcome(f"{number.value:g}", f"{mean:.4f}", verdict, how)


@outcome.register
def _(check: checks.Part, paper: Paper) -> Outcome:
    number = paper.number(check.number)
    how = f"{check.part_is} alone has {check.part:,}, more than the printed {number.value:,.0f}."
    if check.part <= number.value:
        how = f"{check.part_is} has {check.part:,} of the printed {number.value:,.0f}."
    verdict = IMPOSSIBLE if check.part > number.value else POSSIBLE
    return Outcome(f"{number.value:,.0f}", f"more than {check.part:,}", verdict, how)


@outcome.register
def _(check: checks.Blocks, paper: Paper) -> Outcome:
    number = paper.number(check.number)
    described, fitting = (
        check.trunk + check.blocks * plausible.Block(check.tokens, check.heads, *widths).parameters + check.head
        for widths in (check.described, check.fitting)
    )
    how = f"The text's feed-forward part of {check.described[1]} gives {described:,} parameters; the printed "
    how += f"{number.value:,.0f} needs one of {check.fitting[1]:,}, and heads of {check.fitting[0]:,} dimensions "
    how += f"({fitting:,})."
    verdict = POSSIBLE if described == number.value else CONTRADICTION
    return Outcome(f"{number.value:,.0f}", f"{described:,}", verdict, how)


@outcome.register
def _(check: checks.Duration, paper: Paper) -> Outcome:
    minutes, rest = divmod(check.seconds, 60)
    computed, printed = f"{minutes:.0f} min {rest:.0f} s", f"{check.minutes} min {check.rest} s"
    verdict = POSSIBLE if computed == printed else CONTRADICTION
    return Outcome(printed, computed, verdict, f"{check.seconds:g} s are {computed}; printed is {printed}.")


@outcome.register
def _(check: checks.Bound, paper: Paper) -> Outcome:
    low, high = (-np.inf if check.low is None else check.low), (np.inf if check.high is None else check.high)
    inside = low <= check.value <= high
    limits = (
        f"at least {low:g}" if high == np.inf else f"at most {high:g}" if low == -np.inf else f"{low:g} to {high:g}"
    )
    how = f"Printed as {check.value:g}; {check.because}."
    return Outcome(f"{check.value:g}", limits, POSSIBLE if inside else IMPOSSIBLE, how)


@outcome.register
def _(check: checks.Rate, paper: Paper) -> Outcome:
    counts = {"false positive rate": check.negative, "false negative rate": check.positive}
    rates = {name: wrong / total for name, (wrong, total) in counts.items()}
    published = percent(check.value, max(check.digits - 2, 0))
    how = "; ".join(
        f"{name} {counts[name][0]} / {counts[name][1]} = {percent(rate, 2)}" for name, rate in rates.items()
    )
    other = next(name for name in rates if name != check.named)
    computed = f"{percent(rates[check.named], 2)} ({check.named})"
    if plausible.agrees(rates[check.named], check.value, check.digits):
        return Outcome(published, computed, POSSIBLE, f"{how}, as printed.")
    swapped = plausible.agrees(rates[other], check.value, check.digits)
    how += f". The {published} counted among the {check.named}s " + (f"is the {other}." if swapped else "is neither.")
    return Outcome(published, computed, CONTRADICTION, how)


@outcome.register
def _(check: checks.Outdone, paper: Paper) -> Outcome:
    number = paper.number(check.number)
    higher = [cited for cited in paper.literature if cited.task == check.task and cited.accuracy > number.value]
    listed = ", ".join(f"{cited.work} {percent(cited.accuracy, 2)}" for cited in higher)
    computed = f"{len(higher)} cited accuracies are higher" if higher else "no cited accuracy is higher"
    how = f'"{check.quote}"; the paper itself cites, for the same task, {listed or "nothing above it"}.'
    how += " They are of other images, so neither order is shown." if higher else ""
    return Outcome(printed(number), computed, ODD if higher else POSSIBLE, how)


@outcome.register
def _(check: checks.Mix, paper: Paper) -> Outcome:
    number = paper.number(check.number)
    counts = paper.datasets[number.dataset].counts
    low, high = plausible.accuracy_in_mix(list(counts.values()), check.each, len(counts) * check.each - check.right)
    shares = ", ".join(f"{name} {percent(count / sum(counts.values()), 1)}" for name, count in counts.items())
    how = f"Each class is {percent(1 / len(counts), 1)} of the test images; of the dataset {shares}. In the dataset's "
    how += f"proportions the same recalls give {percent(low, 2)} to {percent(high, 2)}, by the classes that the errors "
    how += "fall to, which is not printed. Precision and predictive values of such a test hold for no laboratory's mix."
    return Outcome(printed(number), f"{percent(low, 2)} to {percent(high, 2)}", ODD if high > low else POSSIBLE, how)


@outcome.register
def _(check: checks.Angle, paper: Paper) -> Outcome:
    radians, turns = np.degrees(check.factor), 360 * check.factor
    how = (
        f"{check.factor:g} radians are {radians:.0f} degrees, as the text says; {check.library} counts the same factor "
    )
    how += f"in full turns, and turns by up to {turns:.0f} degrees."
    if abs(turns - check.degrees) < 0.5:
        return Outcome(f"{check.degrees:g} degrees", f"{turns:.0f} degrees", POSSIBLE, how)
    if abs(radians - check.degrees) < 0.5:
        return Outcome(f"{check.degrees:g} degrees", f"{turns:.0f} degrees in the library", ODD, how)
    how = f"{check.factor:g} is {radians:.0f} degrees in radians and {turns:.0f} in full turns, neither as printed."
    return Outcome(f"{check.degrees:g} degrees", f"{radians:.0f} or {turns:.0f} degrees", CONTRADICTION, how)


@outcome.register
def _(check: checks.Quoted, paper: Paper) -> Outcome:
    verdict = CONTRADICTION if check.certain else ODD
    return Outcome(f'"{check.quote}"', check.fact, verdict, f"{check.because}.")
