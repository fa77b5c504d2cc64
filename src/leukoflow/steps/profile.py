"""Measure what the networks of runs cost: size, operations, time, memory, energy.

Of each model on a view the first run given is measured, networks that are alike once. Files under --outputs are written
by their names: efficiency, energy, layers, speed (CSV).
"""

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from leukoflow.config.profile import Profile
from leukoflow.core.files import read_json, read_table, write_table
from leukoflow.core.runs import Run, parse_run
from leukoflow.core.step import parser, progress, run, settings
from leukoflow.evaluation import efficiency
from leukoflow.evaluation.profile import Measured, measure_run

log = logging.getLogger(__name__)
NAMES = ("efficiency", "energy", "layers", "speed")


def main(argv: list[str] | None = None) -> None:
    """Run the step."""
    arguments = parser(__doc__)
    arguments.add_argument("--settings", type=settings(Profile), required=True, help="evaluation.profile, as JSON")
    arguments.add_argument("--runs", type=Path, required=True, help="folder of the runs")
    arguments.add_argument("--of", nargs="+", type=parse_run, required=True, help="names of the runs, all of one task")
    arguments.add_argument("--output", type=Path, required=True, help="folder for the tables")
    given = arguments.parse_args(argv)
    models = {each: read_json(given.runs / each.name / "model.json") for each in given.of}
    histories = {each: read_table(given.runs / each.name / "history.csv") for each in given.of}
    measured = _measured(given.runs, models, given.settings)
    made = {
        "efficiency": efficiency.efficiency(models, histories, measured),
        "energy": efficiency.energies(models, measured),
        "layers": efficiency.layers(measured),
        "speed": efficiency.speeds(measured),
    }
    for name in NAMES:
        write_table(given.output / f"{name}.csv", made[name])


def _measured(folder: Path, models: Mapping[Run, Mapping[str, Any]], settings: Profile) -> dict[Run, Measured]:
    """The first run of each model on each view, measured."""
    first: dict[tuple[str, str], Run] = {}
    for each in models:
        first.setdefault((each.view, each.model), each)
    known: dict[str, Measured] = {}
    found = {}
    for each in progress(first.values(), len(first), "model"):
        alike = _network(each, models[each])
        if alike not in known:
            log.info("%s on %s", each.model, each.view)
            known[alike] = measure_run(folder / each.name, models[each], settings)
        found[each] = known[alike]
    return found


def _network(run: Run, facts: Mapping[str, Any]) -> str:
    """What networks that are alike have in common; a forest grows on its own images."""
    names = ("architecture", "size", "options", "input_size", "fitting")
    own = run.view if facts["fitting"] == "direct" else ""
    return json.dumps([*(facts[name] for name in names), len(facts["classes"]), own], sort_keys=True)


if __name__ == "__main__":
    run(main)
