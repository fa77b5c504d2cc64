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
    and limits are means of those of each. LeukoFlowError if a run met other images than the reference.
    """
    measured = {run: measure(run, table, settings) for run, table in runs}
    rows = []
    for run, result in measured.items():
        base = Run(run.cohort, run.task, reference[0], run.protocol, reference[1], run.fold, run.seed)
        if run == base or base not in measured:
            continue
        rows += [
            row | {"reference_view": reference[0], "reference": reference[1]}
            for row in _differences(run, result, measured[base], settings)
        ]
    if not rows:
        return pd.DataFrame(columns=COLUMNS)
    grouped = pd.DataFrame(rows).groupby(COLUMNS[1:9], sort=False)
    means = grouped.agg(
        images=("images", "mean"), groups=("groups", "mean"), runs=("gain", "size"), accuracy=("accuracy", "mean"),
        gain=("gain", "mean"), low=("low", "mean"), high=("high", "mean"), resampling=("resampling", "first"),
    ).reset_index()  # fmt: skip
    means[["images", "groups"]] = means[["images", "groups"]].round().astype(int)
    second = ~means["model"].map(is_baseline).astype(bool)
    means = means.assign(experiment=experiment, _second=second).sort_values("_second", kind="stable", ignore_index=True)
    return means[COLUMNS]


def _differences(run: Run, result: Measured, base: Measured, settings: Evaluation) -> list[dict]:
    if result.image_ids != base.image_ids or _names(result) != _names(base):
        raise LeukoFlowError(f"{run.name}: met other images or changes than the reference; delete its changed.parquet")
    rows = []
    for index, (family, _) in enumerate(result.changes):
        if family in KINDS:
            value, other = (float(side.values[index, ACCURACY]) for side in (result, base))
            low, high = interval(settings, (result.columns - base.columns)[index, ACCURACY])
            facts = {"images": len(result.image_ids), "groups": result.groups, "accuracy": value, "gain": value - other}
            resampling = "groups" if result.groups < len(result.image_ids) else "images"
            limits = {"low": float(low), "high": float(high), "resampling": resampling}
            rows.append({**run.columns(), "perturbation": family, **facts, **limits})
    return rows


def _names(measured: Measured) -> list[tuple[str, str]]:
    """Changes as text, in which levels that are no number are equal."""
    return [(family, f"{level:g}") for family, level in measured.changes]
