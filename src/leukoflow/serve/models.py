"""The exported models that can be asked, opened once when the service starts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from markdown_it import MarkdownIt

from leukoflow.core.errors import LeukoFlowError
from leukoflow.runtime.answers import Answer
from leukoflow.runtime.model import open_model
from leukoflow.runtime.schema import Export

FACTS = "export.json"
CARD = "card.md"
UNDER = 2
"""Levels of headings that the page itself has above a card."""


class Answers(Protocol):
    """What is asked of a model: `leukoflow.runtime.model.Model`, as the service sees it."""

    @property
    def facts(self) -> Export:
        """What is known of it."""

    def answer(self, image: np.ndarray, *, cells: bool, heat: bool, neighbours: int) -> Answer:
        """Its answer for RGB uint8 [H, W, 3]; may be called from several threads at once."""


@dataclass(frozen=True)
class ServedModel:
    """A model with its card as HTML."""

    model: Answers
    card: str


ServedModels = Mapping[str, ServedModel]
"""Models by the name under which they are asked."""


def find_exports(paths: Sequence[Path]) -> list[Path]:
    """Folders that hold an exported model: the paths themselves, or folders in them. LeukoFlowError if a path has
    none."""
    folders: list[Path] = []
    for path in paths:
        here = [path] if (path / FACTS).is_file() else sorted(file.parent for file in path.glob(f"*/{FACTS}"))
        if not here:
            raise LeukoFlowError(f"{path}: holds no exported model ({FACTS}); name a folder results/<study>/export")
        folders += here
    return list(dict.fromkeys(folder.resolve() for folder in folders))


def open_models(folders: Sequence[Path], int8: bool) -> dict[str, ServedModel]:
    """Open models, by name; those of one name in several studies are called study.name. Raises LeukoFlowError for a
    damaged one."""
    opened = [ServedModel(open_model(folder, threads=1, int8=int8), card_html(folder / CARD)) for folder in folders]
    names = [served.model.facts.name for served in opened]
    models: dict[str, ServedModel] = {}
    for name, served in zip(names, opened, strict=True):
        full = name if names.count(name) == 1 else f"{served.model.facts.study}.{name}"
        if full in models:
            raise LeukoFlowError(f"{full}: two exported models have this name and study; serve one of them")
        models[full] = served
    return models


def card_html(path: Path) -> str:
    """A model card as HTML: Markdown with tables. HTML within it is shown as text, links lead to safe schemes only."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise LeukoFlowError(f"{path}: cannot be read ({error}); export the model again") from error
    reader = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")
    tokens = reader.parse(text)
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(int(token.tag[1]) + UNDER, 6)}"
    return str(reader.renderer.render(tokens, reader.options, {}))
