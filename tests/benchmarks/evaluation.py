"""Seconds that the whole assessment of a run takes here, and what a loop over scikit-learn's metrics takes.

    python tests/benchmarks/evaluation.py                     # 650 images, 4 classes, 10,000 resamples
    python tests/benchmarks/evaluation.py --images 3000 --loop 20

Ours: all tables of step `assess` for one run, by which four calibrators, areas, bands, errors, operating points and
other mixes get their intervals. The loop: of each resample what scikit-learn has of these (accuracy, Cohen's kappa,
MCC, NMI; of each class AUC, partial AUC, average precision; for each calibrator Brier score and calibration curve). It
is timed on --loop resamples, and the seconds for all of them are computed from that. Point values are compared.
"""

import argparse
import os
import platform
import sys
import time

import numpy as np
import pandas as pd
from scipy.special import softmax
from sklearn import metrics
from sklearn.calibration import calibration_curve

from leukoflow.config.evaluation import Evaluation
from leukoflow.core.runs import Run
from leukoflow.stats.assess import assess


def predictions(images: int, classes: int, seed: int = 0) -> pd.DataFrame:
    """Predictions of an over-confident model: as many validation as test images, each a group of its own."""
    random = np.random.default_rng(seed)
    truth = random.normal(0, 2.2, (2 * images, classes))
    y = (random.random(2 * images)[:, None] > softmax(truth, axis=1).cumsum(1)).sum(1).clip(max=classes - 1)
    names = [f"image-{number}" for number in range(2 * images)]
    table = pd.DataFrame({"cohort": "made_up", "image_id": names, "group": names, "y": y, "perturbation": "none"})
    role = np.where(np.arange(2 * images) < images, "validation", "test")
    return table.assign(role=role, logits=list((1.8 * truth).astype(np.float32)))


def loop(y: np.ndarray, shares: np.ndarray, resamples: int, calibrators: int) -> dict[str, float]:
    """Metrics of resamples, one after the other; those of the images as they are, for comparison."""
    random, count, classes = np.random.default_rng(0), len(y), shares.shape[1]
    first: dict[str, float] = {}
    for number in range(resamples):
        drawn = np.arange(count) if number == 0 else random.integers(0, count, count)
        true, p = y[drawn], shares[drawn]
        predicted = p.argmax(1)
        scores = {
            "accuracy": metrics.accuracy_score(true, predicted),
            "kappa": metrics.cohen_kappa_score(true, predicted),
            "mcc": metrics.matthews_corrcoef(true, predicted),
            "nmi": metrics.normalized_mutual_info_score(true, predicted),
        }
        areas = np.zeros((classes, 3))
        for k in range(classes):
            areas[k] = (
                metrics.roc_auc_score(true == k, p[:, k]),
                metrics.roc_auc_score(true == k, p[:, k], max_fpr=0.1),
                metrics.average_precision_score(true == k, p[:, k]),
            )
            for _ in range(calibrators):
                metrics.brier_score_loss(true == k, p[:, k])
                calibration_curve(true == k, p[:, k], n_bins=15)
        scores |= dict(zip(("auc", "partial_auc", "ap"), areas.mean(0), strict=True))
        first = first or scores
    return first


def main() -> int:
    """Run both; 1 if a point value differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=650)
    parser.add_argument("--classes", type=int, default=4)
    parser.add_argument("--resamples", type=int, default=10_000)
    parser.add_argument("--loop", type=int, default=50, metavar="RESAMPLES")
    args = parser.parse_args()
    load = ", ".join(f"{average:.1f}" for average in os.getloadavg())
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} CPUs, load {load}")
    table, names = predictions(args.images, args.classes), tuple(f"class {k}" for k in range(args.classes))
    run = Run("made_up", "kind", "plain", "image", "network", 0, 0)
    begin, begin_cpu = time.perf_counter(), time.process_time()
    tables = assess({run: [table]}, names, Evaluation(resamples=args.resamples))
    ours, ours_cpu = time.perf_counter() - begin, time.process_time() - begin_cpu
    print(f"{args.images:,} images, {args.classes} classes, {args.resamples:,} resamples, every table:")
    print(f"    ours            {ours:9.1f} s   (CPU {ours_cpu:.1f} s)", flush=True)
    test = table[table["role"] == "test"]
    y, shares = test["y"].to_numpy(), softmax(np.stack(test["logits"].to_list()).astype(float), axis=1)
    begin, begin_cpu = time.perf_counter(), time.process_time()
    values = loop(y, shares, args.loop, 4)
    scale = args.resamples / args.loop
    theirs, theirs_cpu = (scale * seconds for seconds in (time.perf_counter() - begin, time.process_time() - begin_cpu))
    print(f"    scikit-learn    {theirs:9.1f} s   (CPU {theirs_cpu:.1f} s), from {args.loop} resamples in a loop")
    print(f"    ratio           {theirs / ours:9.1f}     (CPU {theirs_cpu / ours_cpu:.1f})")
    errors = tables["errors"].iloc[0]
    areas = tables["discrimination"].set_index("class").loc["macro average"]
    same = all(abs(float((errors if name in errors else areas)[name]) - value) < 1e-9 for name, value in values.items())
    print("    same point values" if same else "    DIFFERENT POINT VALUES")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
