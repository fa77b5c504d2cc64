"""What the audits found of an exported model, as plain sentences, the gravest first."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import pandas as pd

from leukoflow.config.protocols import groups_of, is_leaky
from leukoflow.core.runs import BASELINE, Run
from leukoflow.export.facts import of_run, results
from leukoflow.runtime.schema import Confidence, Result
from leukoflow.stats.scores import UNSEEN

FEW_GROUPS = 20
HELD_OUT = {
    "image": "Training and test images were divided at random, so images of one patient or slide can be in both.",
    "duplicate": "Only near-duplicates were kept together when images were divided; images of one patient can be in "
    "training and test.",
    "blocks": "Patients are not known in this cohort: blocks of file numbers, each of which may be of one slide, "
    "were held out in their place.",
    "acquisition": "Patients are not known in this cohort: whole acquisitions (clusters by stain and background) were "
    "held out in their place.",
    "patient": "Whole patients were held out.",
    "laboratory": "A whole laboratory was held out: the test images are of one that it was not trained on.",
}
PAIRS = {
    "test_with_duplicate": "have a near-duplicate among the training images",
    "test_with_acquisition": "share an acquisition with training images",
    "test_with_patient": "are of a patient with training images",
}
"""Columns of the split audit and what they say of test images."""
GRAVE = ("explained", "no skill")


def findings(
    run: Run, tables: Mapping[str, pd.DataFrame], run_results: Sequence[Result], confidence: Confidence
) -> tuple[str, ...]:
    """Sentences on a run: `shortcut_audit`, `audit` and `scores` are looked at."""
    shortcuts = of_run(run, tables["shortcut_audit"])
    grave = len(shortcuts) and shortcuts.iloc[0]["level"] in GRAVE
    shortcut = f"Shortcut audit: {shortcuts.iloc[0]['verdict']}" if len(shortcuts) else _UNAUDITED
    rest = [
        *_baseline(run, tables["scores"], run_results),
        *_shared(run, tables["audit"]),
        *_elsewhere(run, tables["scores"], run_results),
    ]
    parts = [shortcut, *rest] if grave or not len(shortcuts) else [*rest, shortcut]
    if is_leaky(run.protocol):
        parts.insert(0, f"Its split, {run.protocol}, has leaks made on purpose: it is worse than its figures say.")
    parts.append(HELD_OUT[groups_of(run.protocol)])
    parts += list(_few(run_results))
    if confidence.threshold is None:
        parts.append(
            f"No level of certainty reached an accuracy of {confidence.accuracy:.0%} where it was calibrated, so "
            "answers are never held back for want of it."
        )
    return tuple(parts)


_UNAUDITED = "It was not audited for shortcuts: nothing is known of what else than cells its answers rest on."


def _baseline(run: Run, scores: pd.DataFrame, run_results: Sequence[Result]) -> Iterator[str]:
    """A colour histogram on the same test images, where one was trained."""
    other = accuracy_of(results(replace(run, model=BASELINE), scores), "test")
    accuracy = accuracy_of(run_results, "test")
    if other is not None and accuracy is not None:
        than = "no less than this network" if other.value >= accuracy.value else "this network"
        yield (
            f"A colour histogram, which sees no cell's shape, is right on {with_interval(other)} of the same test "
            f"images; {than}: {with_interval(accuracy)}."
        )


def _shared(run: Run, audit: pd.DataFrame) -> Iterator[str]:
    """What training and test images share under the run's split."""
    rows = of_run(run, audit)
    for name, words in PAIRS.items():
        if len(rows) and name in rows and (count := rows.iloc[0][name]) > 0:
            yield f"{int(count)} of {int(rows.iloc[0]['test'])} test images {words}."


def _elsewhere(run: Run, scores: pd.DataFrame, run_results: Sequence[Result]) -> Iterator[str]:
    """Other cohorts, with and without the images that copy what it was trained on."""
    external = [result for result in run_results if result.role == "external" and result.metric == "accuracy"]
    clean = {result.target: result for result in results(run, scores, UNSEEN) if result.metric == "accuracy"}
    for result in external:
        other = clean.get(result.target)
        copies = result.images - other.images if other else 0
        text = f"On images of another source ({result.target}, {result.images} images) it is right on "
        text += f"{with_interval(result)}."
        if other and copies:
            text += f" {copies} of them copy training images; on the {other.images} without: {with_interval(other)}."
        yield text
    if not external:
        yield "It was not tested on images of any other source."


def _few(run_results: Sequence[Result]) -> Iterator[str]:
    accuracy = accuracy_of(run_results, "test")
    if accuracy is not None and accuracy.groups < FEW_GROUPS and accuracy.groups < accuracy.images:
        text = f"Its {accuracy.images} test images are of {accuracy.groups} groups only; "
        yield text + "every figure on them is uncertain."


def accuracy_of(run_results: Sequence[Result], role: str) -> Result | None:
    """The accuracy in a role; None if there is none."""
    return next((result for result in run_results if result.role == role and result.metric == "accuracy"), None)


def with_interval(result: Result) -> str:
    """A share with its interval, such as `91.2 % (87.7 to 94.3)`."""
    text = f"{100 * result.value:.1f} %"
    if result.low is None or result.high is None or math.isnan(result.low):
        return text
    return f"{text} ({100 * result.low:.1f} to {100 * result.high:.1f})"
