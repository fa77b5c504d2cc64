"""Measure which ranked features a classifier attends to, over all test images of a run's fold.

A classifier without attention to single features has a table without rows.
"""

import logging
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from leukoflow.core.files import read_json, read_table, write_table
from leukoflow.core.runs import parse_run
from leukoflow.core.step import parser, run
from leukoflow.explain.features import OF_RUN, by_class, weighed
from leukoflow.explain.ranked import attention_says
from leukoflow.features.matrix import open_selection
from leukoflow.models import inference

log = logging.getLogger(__name__)


def main(argv: list[str] | None = None) -> None:
    """Run the step."""
    arguments = parser(__doc__)
    arguments.add_argument("--run", type=parse_run, required=True, help="name of the run's folder")
    arguments.add_argument("--weights", type=Path, required=True)
    arguments.add_argument("--description", type=Path, required=True, help="model.json")
    arguments.add_argument("--features", type=Path, required=True, help="ranked features (scaled/COHORT.npy)")
    arguments.add_argument("--split", type=Path, required=True, help="the cohort's split")
    arguments.add_argument("--threads", type=int, default=1)
    arguments.add_argument("--output", type=Path, required=True, help="table (Parquet)")
    args = arguments.parse_args(argv)

    torch.set_num_threads(args.threads)
    description = read_json(args.description)
    model = inference.load_model(description, args.weights)
    says = attention_says(model)
    if not says:
        log.warning("%s has no attention to single features: the table has no rows", args.run.model)
        write_table(args.output, pd.DataFrame(columns=OF_RUN))
        return
    folder = args.features.parents[1]
    data, facts = open_selection(folder, args.run.cohort, int(description["input_size"]))
    split = read_table(args.split)
    test = split[(split["fold"] == args.run.fold) & (split["role"] == "test") & (split["y"] >= 0)]
    rows, owner = data.groups_of(test["image_id"])
    weights, changes = weighed(model, torch.from_numpy(data.gather(rows)))
    ranking = read_table(folder / "ranking.csv").sort_values("position", ignore_index=True)[: len(facts["names"])]
    y = test["y"].to_numpy(np.int64)[owner]
    write_table(args.output, by_class(weights, changes, y, description["classes"], ranking))
    log.info("%d test images, %d features. %s", len(test), len(ranking), says)


if __name__ == "__main__":
    run(main)
