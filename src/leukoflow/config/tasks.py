"""Section `tasks`: what is predicted."""

from pydantic import Field, model_validator

from leukoflow.config.base import Section, Text, TextMap
from leukoflow.core.inputs import Inputs


class Task(Section):
    """A classification task over the labels of a cohort."""

    classes: tuple[Text, ...] = Field(min_length=2)
    """Classes, in the order of every table, figure and network output."""
    labels: TextMap[Text] = {}
    """Class for each cohort label; where empty, labels are classes. Images with any other label take no part."""

    @model_validator(mode="after")
    def _classes_exist(self) -> "Task":
        if len(set(self.classes)) != len(self.classes):
            raise ValueError("classes must differ from each other")
        unknown = sorted(set(self.labels.values()) - set(self.classes))
        if unknown:
            raise ValueError(f"labels lead to {unknown}, which are no classes of this task")
        empty = [name for name in self.classes if self.labels and name not in self.labels.values()]
        if empty:
            raise ValueError(f"no label leads to {empty}; labels must name every label that takes part")
        return self

    def collapsed_to(self, other: "Task") -> tuple[int, ...] | None:
        """For each class the class of a coarser task that all its labels have there; None if there is no such."""
        coarser: dict[str, set[int | None]] = {name: set() for name in self.classes}
        for label, name in (self.labels or {name: name for name in self.classes}).items():
            coarser[name].add(other.class_of(label))
        whole = tuple(
            index for indices in coarser.values() if len(indices) == 1 for index in indices if index is not None
        )
        return whole if len(whole) == len(self.classes) > len(other.classes) else None

    def class_of(self, label: str | None) -> int | None:
        """Index of the class for a cohort label, None if the label takes no part."""
        name = self.labels.get(label or "") if self.labels else label
        return self.classes.index(name) if name in self.classes else None


def task_of(inputs: Inputs) -> Task:
    """The task of a panel, among the settings of what is made from it."""
    return Task.model_validate(inputs.settings["task"])
