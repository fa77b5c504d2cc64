"""List the components of built networks: shapes, parameters, and which feeds which (CSV).

Each network is built as the study trains it, without weights, and one picture passes it; a classifier of deep features
is shown from the picture on.
"""

from pathlib import Path

import pandas as pd
import torch
from torch import nn

from leukoflow.config.features import DeepFeatures
from leukoflow.config.study import Study
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.files import read_json, write_table
from leukoflow.core.step import parser, progress, run
from leukoflow.cost.components import Component, components
from leukoflow.models import registry

COLUMNS = [
    "model", "architecture", "size", "step", "part", "component", "kind", "sources", "takes", "gives", "calls",
    "parameters", "share", "pseudocode",
]  # fmt: skip


def main(argv: list[str] | None = None) -> None:
    """Run the step."""
    arguments = parser(__doc__)
    arguments.add_argument("--study", type=Path, required=True, help="resolved config of the study (JSON)")
    arguments.add_argument("--models", nargs="*", default=[], help="models, as MODEL.TASK.VIEW")
    arguments.add_argument("--output", type=Path, required=True, help="table to write (CSV)")
    args = arguments.parse_args(argv)
    study = Study.model_validate(read_json(args.study))
    rows = []
    for name in progress(args.models, len(args.models), "model"):
        model, task, view = name.split(".")
        rows += _rows(model, study, _built(study, model, task, view))
    write_table(args.output, pd.DataFrame(rows, columns=COLUMNS))


def _built(study: Study, name: str, task: str, view: str) -> list[Component]:
    """The components of one model, built without weights."""
    settings, side = study.models[name], study.views[view].size
    features = study.features[settings.features] if settings.features else None
    spec = registry.spec(settings.architecture)
    with torch.device("meta"):
        model: nn.Module = registry.build(
            settings.architecture, len(study.tasks[task].classes), settings.size, **settings.options
        )
        if spec.reads == "images":
            return components(model, torch.empty(1, 3, side, side))
        wanted = {**spec.sizes[settings.size], **settings.options}.get("features")
        if not isinstance(wanted, int):
            raise LeukoFlowError(f"components: {name} does not say how many features it reads")
        if not isinstance(features, DeepFeatures):
            return components(model, torch.empty(1, wanted))
        # Imported here because networks that read pictures do without it, and it takes seconds.
        from leukoflow.features.outline import Outline

        return components(Outline(features, model, wanted), torch.empty(1, 3, side, side))


def _rows(name: str, study: Study, parts: list[Component]) -> list[dict[str, object]]:
    whole = sum(component.parameters for component in parts)
    model = study.models[name]
    facts = {"model": name, "architecture": model.architecture, "size": model.size}
    return [
        facts | {
            "step": step, "part": component.name.split(".")[0].split(" ")[0], "component": component.name,
            "kind": component.kind,
            "sources": "; ".join(component.sources), "takes": _said(component.takes), "gives": _said(component.gives),
            "calls": component.calls, "parameters": component.parameters, "share": component.parameters / max(whole, 1),
            "pseudocode": _line(component),
        }
        for step, component in enumerate(parts)
    ]  # fmt: skip


def _line(component: Component) -> str:
    """The step as a line of code; nothing for the input and for parameters that are no step."""
    sources = ", ".join(component.sources)
    if not sources:
        return ""
    return f"{component.name} = {component.kind}({sources})" if component.kind else f"{component.name} = {sources}"


def _said(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


if __name__ == "__main__":
    run(main)
