"""Each check of the papers' numbers carried out, and the table of all: whether what was published can be."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from leukoflow.config import published_checks as checks
from leukoflow.config.published import Paper
from leukoflow.evaluation import plausible
from leukoflow.evaluation.published_outcomes import (
    CONTRADICTION,
    IMPOSSIBLE,
    ODD,
    POSSIBLE,
    VERDICTS,
    Outcome,
    outcome,
    percent,
)

COLUMNS = ["paper", "system", "numbers", "check", "where", "published", "computed", "verdict", "arithmetic"]


def check_table(papers: Mapping[str, Paper]) -> pd.DataFrame:
    """Every check of every paper, `COLUMNS`, the gravest first within a paper. Numbers are keys, joined by spaces."""
    order = list(VERDICTS)
    rows = []
    for paper in papers.values():
        found = [(check, outcome(check, paper)) for check in paper.checks]
        for check, each in sorted(found, key=lambda pair: order.index(pair[1].verdict)):
            keys = " ".join(checks.named_by(check))
            row = (paper.paper, paper.system, keys, check.what, check.where)
            rows.append((*row, each.published, each.computed, each.verdict, each.arithmetic))
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
    right = any(plausible.agrees(each, check.value, check.digits) for each in (total, mean))
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
    printed = " and ".join(f"{each:g}" for each in check.values)
    spread = max(check.values) - min(check.values)
    how = f"The same quantity is printed as {printed}: they differ by {spread:.3g}."
    return Outcome(printed, f"difference {spread:.3g}", CONTRADICTION if spread else POSSIBLE, how)


@outcome.register
def _(check: checks.Mean, paper: Paper) -> Outcome:
    number, mean = paper.number(check.number), float(np.mean(check.values))
    listed = " + ".join(f"{each:g}" for each in check.values)
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
        check.trunk + check.blocks * plausible.Block(check.tokens, check.heads, *each).parameters + check.head
        for each in (check.described, check.fitting)
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
