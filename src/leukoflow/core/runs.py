"""Names of runs: one model on one cohort, task, view, protocol, fold and seed, as its folder says."""

import argparse
import re
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from leukoflow.core.errors import LeukoFlowError

BASELINE = "colour_histogram"
MEAN = "mean of laboratories"
"""In place of a laboratory: the mean over those that were left out."""
RUN_COLUMNS = ["cohort", "task", "view", "protocol", "model", "fold", "seed"]
_NAME = re.compile(
    r"(?P<cohort>\w+)\.(?P<task>\w+)\.(?P<view>\w+)\.(?P<protocol>\w+)\.(?P<model>\w+)\.fold(?P<fold>\d+)\.seed(?P<seed>\d+)"
)


@dataclass(frozen=True, order=True)
class Run:
    """What a run's folder name says."""

    cohort: str
    task: str
    view: str
    protocol: str
    model: str
    fold: int
    seed: int

    @property
    def name(self) -> str:
        """Folder name, such as `demo.subtype.plain.image.neurallnet.fold0.seed42`."""
        return f"{self.panel}.{self.model}.fold{self.fold}.seed{self.seed}"

    @property
    def panel(self) -> str:
        """What the runs of one figure have in common, such as `demo.subtype.plain.image`."""
        return f"{self.cohort}.{self.task}.{self.view}.{self.protocol}"

    def collapsed_to(self, task: str) -> "Run":
        """The run's predictions as those of a coarser task, its classes joined; not the name of any folder."""
        return replace(self, task=task, model=f"{self.model}_from_{self.task}")

    def columns(self) -> dict[str, str | int]:
        """The parts under the names of the table columns."""
        return asdict(self)


def fold_name(run: Run) -> str:
    """Name of what is fitted in a run's fold, such as `demo.subtype.image.fold0`.

    Whatever has these parts may stand for a run.
    """
    return f"{run.cohort}.{run.task}.{run.protocol}.fold{run.fold}"


def parse_run(name: str) -> Run:
    """The run of a folder name; LeukoFlowError if it is none."""
    match = _NAME.fullmatch(name)
    if match is None:
        raise LeukoFlowError(f"{name}: is no run's name; expected COHORT.TASK.VIEW.PROTOCOL.MODEL.foldN.seedN")
    cohort, task, view, protocol, model, fold, seed = match.groups()
    return Run(cohort, task, view, protocol, model, int(fold), int(seed))


def run_of(path: str | Path) -> Run:
    """The run that a file belongs to, by the nearest folder above it that carries a run's name."""
    for folder in Path(path).parents:
        if _NAME.fullmatch(folder.name):
            return parse_run(folder.name)
    raise LeukoFlowError(f"{path}: lies in no run's folder (COHORT.TASK.VIEW.PROTOCOL.MODEL.foldN.seedN)")


def add_runs_on(arguments: argparse.ArgumentParser) -> None:
    """Options of a step that reads predictions of several runs; `runs_on` has what they name."""
    arguments.add_argument("--runs", type=Path, required=True, help="folder of all runs")
    arguments.add_argument(
        "--on", nargs="+", action="append", required=True, metavar=("TARGETS", "RUN"),
        help="cohorts that runs are tested on, their own first, comma between; names of the runs. May be repeated",
    )  # fmt: skip


def runs_on(args: argparse.Namespace) -> list[tuple[Run, list[Path]]]:
    """Every run named by the options, with the files of its predictions, its own cohort's first."""
    return [
        (parse_run(name), [args.runs / name / "predictions" / f"{target}.parquet" for target in targets.split(",")])
        for targets, *names in args.on
        for name in names
    ]


def is_baseline(model: str) -> bool:
    """Whether a model's name marks it as the colour baseline, which comes first everywhere."""
    return model == BASELINE or model.startswith(f"{BASELINE}_")
