"""What a remedy gains: models and views of an experiment against its reference, on the same changed images."""

from collections.abc import Sequence

import pandas as pd

from leukoflow.audits.robustness import METRICS, SUMMARIES, Measured, measure
from leukoflow.config.evaluation import Evaluation
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.runs import Run, is_baseline
from leukoflow.stats.bootstrap import interval

KINDS = ("none", *SUMMARIES, "all")
COLUMNS = [
    "experiment", "cohort", "task", "protocol", "view", "model", "reference_view", "reference", "perturbation",
    "images", "groups", "runs", "accuracy", "gain", "low", "high", "resampling",
]  # fmt: skip
ACCURACY = METRICS.index("accuracy")


def compare_with_reference(
    experiment: str, reference: tuple[str, str], runs: Sequence[tuple[Run, pd.DataFrame]], settings: Evaluation
) -> pd.DataFrame:
    """`COLUMNS`: accuracy of each view and model less the reference's on the same images, unchanged and over each kind
    of changes, the colour baseline first.

    reference: view and model. The interval is of resamples of the differences; over several folds and seeds, values
    and limits are means of those of each. LeukoFlowError where a run met other images than the reference.
    """
    measured = {run: measure(run, table, settings) for run, table in runs}
    rows = []
    for run, own in measured.items():
        base = Run(run.cohort, run.task, reference[0], run.protocol, reference[1], run.fold, run.seed)
        if run == base or base not in measured:
            continue
        rows += [
            row | {"reference_view": reference[0], "reference": reference[1]}
            for row in _differences(run, own, measured[base], settings)
        ]
    if not rows:
        return pd.DataFrame(columns=COLUMNS)
    grouped = pd.DataFrame(rows).groupby(COLUMNS[1:9], sort=False)
    found = grouped.agg(
        images=("images", "mean"), groups=("groups", "mean"), runs=("gain", "size"), accuracy=("accuracy", "mean"),
        gain=("gain", "mean"), low=("low", "mean"), high=("high", "mean"), resampling=("resampling", "first"),
    ).reset_index()  # fmt: skip
    found[["images", "groups"]] = found[["images", "groups"]].round().astype(int)
    second = ~found["model"].map(is_baseline).astype(bool)
    found = found.assign(experiment=experiment, _second=second).sort_values("_second", kind="stable", ignore_index=True)
    return found[COLUMNS]


def _differences(run: Run, own: Measured, base: Measured, settings: Evaluation) -> list[dict]:
    if own.image_ids != base.image_ids or _names(own) != _names(base):
        raise LeukoFlowError(f"{run.name}: met other images or changes than the reference; delete its changed.parquet")
    rows = []
    for place, (family, _) in enumerate(own.changes):
        if family in KINDS:
            value, other = (float(each.values[place, ACCURACY]) for each in (own, base))
            low, high = interval(settings, (own.columns - base.columns)[place, ACCURACY])
            facts = {"images": len(own.image_ids), "groups": own.groups, "accuracy": value, "gain": value - other}
            resampling = "groups" if own.groups < len(own.image_ids) else "images"
            limits = {"low": float(low), "high": float(high), "resampling": resampling}
            rows.append({**run.columns(), "perturbation": family, **facts, **limits})
    return rows


def _names(found: Measured) -> list[tuple[str, str]]:
    """Changes as text, in which levels that are no number are equal."""
    return [(family, f"{level:g}") for family, level in found.changes]
