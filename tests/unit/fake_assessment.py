"""Calibration and discrimination of a made-up study, by the steps that make them."""

import json
from pathlib import Path

from leukoflow.outputs.tables import tables_of
from leukoflow.steps import assess, gather_tables

ASSESSMENT_TABLES = tables_of("assessment")


def add_assessment(root: Path, protocols: tuple[str, ...], classes: tuple[str, ...]) -> None:
    """Parts of each panel on the plain view, and the tables."""
    panels = [f"demo.subtype.plain.{protocol}" for protocol in protocols]
    for panel in panels:
        runs = [path.name for path in sorted((root / "runs").glob(f"{panel}.*"))]
        arguments = ["--settings", '{"resamples": 100}', "--task", json.dumps({"classes": classes})]
        arguments += ["--runs", str(root / "runs"), "--on", "demo,away", *runs]
        assess.main([*arguments, "--output", str(root / "parts/assessment" / panel)])
    outputs = [str(root / f"tables/{name}.csv") for name in ASSESSMENT_TABLES]
    gather_tables.main(["--parts", str(root / "parts/assessment"), "--of", *panels, "--outputs", *outputs])
