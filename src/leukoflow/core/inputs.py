"""What a figure or table is made from: files by name, settings, and the panel that it shows."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.files import read_table
from leukoflow.core.runs import Run, run_of

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Inputs:
    """The files, settings and panel of one figure or table, as the catalogue of outputs names them."""

    files: Mapping[str, Sequence[Path]]
    """Paths by name."""
    settings: Mapping[str, Any]
    """What else it depends on; `panel` holds the parts of the panel (cohort, task, view, ...) by name."""

    @property
    def panel(self) -> dict[str, str]:
        """Parts of the panel by name, such as `cohort` and `task`; empty for one of the whole study."""
        return dict(self.settings.get("panel", {}))

    def paths(self, name: str) -> list[Path]:
        """All files of that name; there may be none."""
        return list(self.files.get(name, ()))

    def path(self, name: str) -> Path:
        """The one file of that name; LeukoFlowError if there are none or several."""
        paths = self.paths(name)
        if len(paths) != 1:
            raise LeukoFlowError(f"--inputs: {len(paths)} files are named {name}; name one, {name}=FILE")
        return paths[0]

    def table(self, name: str, columns: list[str] | None = None) -> "pd.DataFrame":
        """The table in the one file of that name."""
        return read_table(self.path(name), columns)

    def rows(self, name: str, parts: Sequence[str] = ("cohort", "task", "view", "protocol")) -> "pd.DataFrame":
        """The rows of a table that belong to the panel, by those of `parts` that both the panel and the table have."""
        table, panel = self.table(name), self.panel
        for part in parts:
            if part in panel and part in table:
                table = table[table[part] == panel[part]]
        return table

    def test(self, name: str) -> "pd.DataFrame":
        """The rows of a table that are of test images; a missing class is "", the whole."""
        table = self.table(name)
        table = table[table["role"] == "test"]
        return table.assign(**{"class": table["class"].fillna("")}) if "class" in table else table

    def by_run(self, name: str) -> dict[Run, Path]:
        """Files of that name by the run whose folder they lie in."""
        return {run_of(path): path for path in self.paths(name)}

    def tables(self, name: str) -> "list[pd.DataFrame]":
        """All tables of that name, in the order given."""
        return [read_table(path) for path in self.paths(name)]

    def by_folder(self, name: str) -> "dict[str, pd.DataFrame]":
        """Tables of that name by the folder that they lie in, such as a cohort's."""
        return {path.parent.name: read_table(path) for path in self.paths(name)}


def function_below(package: str, name: str) -> Callable[[Inputs], Any]:
    """The function MODULE.FUNCTION of a package; LeukoFlowError if it has none."""
    module, _, function = name.rpartition(".")
    try:
        member: Callable[[Inputs], Any] = getattr(import_module(f"{package}.{module}"), function)
    except (ModuleNotFoundError, AttributeError, ValueError) as error:
        raise LeukoFlowError(f"{name}: {package} has no such function") from error
    return member
