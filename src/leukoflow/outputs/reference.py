"""The reference page of results, made from the catalogue of outputs: every figure, table and file with its columns.

`python -m leukoflow.outputs.reference` writes `docs/results.md`.
"""

import importlib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from leukoflow.config.load import load_study
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.files import write_text
from leukoflow.outputs.columns import COLUMNS, ENDINGS, PLACE, STARTS
from leukoflow.outputs.figures import FIGURES, FigureSpec, parts_of
from leukoflow.outputs.files import FILES, FileSpec
from leukoflow.outputs.plan import Plan
from leukoflow.outputs.sections import TITLES
from leukoflow.outputs.tables import PARTS_OF, TABLES, TableSpec, tables_of

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "docs/results.md"
STEPS = {
    "scores": "score",
    "probes": "probe",
    "shortcuts": "audit_shortcuts",
    "assessment": "assess",
    "abstention": "abstain",
}
"""Step that makes a kind of table, if it is not called as the kind is."""
HEAD = """\
# Results

What lies in `results/STUDY/`: tables and figures by section of the report, then all other files. Of every table and
file it says what a row is, its columns with their units, and where its code is. `make docs` makes this page from the
catalogue in `src/leukoflow/outputs`.

Names in capitals stand for what varies. A panel is a group of runs: `COHORT.TASK.VIEW.PROTOCOL`, or the first parts of
it. A run is `COHORT.TASK.VIEW.PROTOCOL.MODEL.foldN.seedN`. Tables are CSV files with a header; an empty field is a
value that is not known or has no meaning. Shares are between 0 and 1. Intervals have the level of
`evaluation.confidence`. Most tables are gathered from parts, `parts/KIND/PANEL/TABLE.csv`, which have the same columns.
Each figure lies there three times: as PNG, as SVG, and as CSV with the numbers that it shows.
"""
OTHERS = """\
SHARD is `000`, `001`, ...: a cohort is worked on in shards of 1,024 images. SELECTION is a run with an entry of
`features` in the model's place. `.resume/` holds checkpoints of jobs that have not ended. Parts of tables, one for each
panel, with the columns of the table:
"""


def page() -> str:
    """The page, Markdown."""
    titles = ["Columns that many tables have", *_sections(), "Other files"]
    lines = [HEAD, *(f"- [{title}](#{title.lower().replace(' ', '-')})" for title in titles), "", f"## {titles[0]}", ""]
    lines += ["These say where a row belongs. Below they are listed as *place*.", "", *_rows(PLACE)]
    lines += ["These stand next to a column without the ending or start.", ""]
    ends = {f"...{ending}": text for ending, text in ENDINGS.items()}
    lines += _rows(ends | {f"{start}...": text for start, text in STARTS.items()})
    for title, section in _sections().items():
        lines += [f"## {title}", "", *(line for spec in TABLES if spec.section == section for line in _table(spec))]
        lines += [line for spec in FIGURES if spec.section == section for line in _figure(spec)]
    lines += ["## Other files", "", *OTHERS.splitlines(), ""]
    lines += [f"- `parts/{kind}/`: {_gathered(kind)}, by {_step(kind)}" for kind in PARTS_OF] + [""]
    for folder in dict.fromkeys(_folder(spec) for spec in FILES):
        lines += _of_folder(folder, [spec for spec in FILES if _folder(spec) == folder])
    return "\n".join(lines)


def _sections() -> dict[str, str]:
    """Name of each section that has tables or figures, by title."""
    used = {spec.section for spec in (*TABLES, *FIGURES)}
    return {title: name for name, title in TITLES.items() if name in used}


def columns_of(words: str, name: str) -> list[str]:
    """Columns of a table or file: words with a dot are constants or functions below `leukoflow`, others are columns.

    A constant that is a mapping holds the columns of several tables by name.
    """
    columns: list[str] = []
    for word in words.split():
        module, _, attribute = word.rpartition(".")
        if not module:
            columns.append(word)
            continue
        value = getattr(importlib.import_module(f"leukoflow.{module}"), attribute)
        value = value() if callable(value) else value
        columns += value[name.rpartition("/")[2]] if isinstance(value, Mapping) else value
    return columns


def key_of(name: str, column: str) -> str:
    """Where the glossary explains a column of a table or file: the key there; KeyError if it does not."""
    known = COLUMNS.keys() | PLACE.keys() | _measures().keys()
    full_name = f"{name}.{column}"
    if full_name in known or column in known:
        return full_name if full_name in known else column
    for start in STARTS:
        if column.startswith(start):
            return start
    for ending in sorted(ENDINGS, key=len, reverse=True):
        base = column.removesuffix(ending)
        if base != column and (f"{name}.{base}" in known or base in known):
            return ending
    raise KeyError(full_name)


def meaning(name: str, column: str) -> str:
    """What a column of a table or file means; KeyError if the glossary does not say it."""
    return (COLUMNS | PLACE | ENDINGS | STARTS | _measures())[key_of(name, column)]


@cache
def _measures() -> dict[str, str]:
    """Measures of white cells, with their units."""
    features = importlib.import_module("leukoflow.cells.morphology").FEATURES
    return {
        feature.name: ", ".join(filter(None, [f"{feature.title}: {feature.meaning}", feature.unit]))
        for feature in features
    }


@cache
def _plans() -> tuple[Plan, ...]:
    """The studies that ship."""
    studies = [load_study(path) for path in sorted((ROOT / "workflow/studies").glob("*.yaml"))]
    return tuple(Plan(study, dict.fromkeys(study.cohorts, "")) for study in studies)


def file_of(spec: FigureSpec) -> str:
    """Name of a figure's file below the folder of figures, without suffix; its panel's parts in capitals."""
    drawn = next((panel for plan in _plans() for panel in spec.panels(plan)), None)
    if drawn is None:
        raise LeukoFlowError(f"figure {spec.name}: no study in workflow/studies draws it; let one do so")
    return ".".join((spec.name, *(part.upper() for part in parts_of(spec, tuple(drawn)))))


def _sources(spec: FigureSpec) -> list[str]:
    """Names of what a figure is drawn from."""
    return next(list(spec.reads(plan, tuple(panel))) for plan in _plans() for panel in spec.panels(plan))


def _figure(spec: FigureSpec) -> list[str]:
    file = file_of(spec)
    module, _, function = spec.draw.rpartition(".")
    caption = spec.caption.format(*file.split(".")[1:])
    sources = ", ".join(f"`{name}`" for name in _sources(spec))
    code = f"`{function}` in {_link(f'figures.{module}')}"
    return [f"### `figures/{file}`", "", caption, "", f"Drawn by {code} from {sources}.", ""]


def _table(spec: TableSpec) -> list[str]:
    first = _link(spec.make.rpartition(".")[0]) if spec.make else _step(spec.kind)
    code = f"Code: {_code(spec.columns, first)}."
    lines = [f"### `tables/{spec.name}.csv`", "", f"{spec.text} {code}", ""]
    return lines + _columns(spec.name, columns_of(spec.columns, spec.name))


def _folder(spec: FileSpec) -> str:
    return "/".join(spec.path.split("/")[:2]) if spec.path.startswith("parts/") else spec.path.rpartition("/")[0]


def _of_folder(folder: str, specs: list[FileSpec]) -> list[str]:
    lines = [
        f"### `{folder}/`" if folder else "### The folder itself",
        "",
        "| file | what | code |",
        "| --- | --- | --- |",
    ]
    for spec in specs:
        file = spec.path.removeprefix(f"{folder}/")
        lines.append(f"| `{file}` | {spec.text} | {_code(spec.columns, _link(f'steps.{spec.step}'))} |")
    lines.append("")
    for spec in specs:
        if spec.columns:
            columns = _columns(spec.name, columns_of(spec.columns, spec.name))
            lines += [f"Columns of `{spec.path.removeprefix(f'{folder}/')}`:", "", *columns]
    return lines


def _columns(name: str, columns: list[str]) -> list[str]:
    """The columns of a table: those of its place in a line, the others explained.

    Those with an ending stand behind the column that they belong to.
    """
    panel_columns = [column for column in columns if key_of(name, column) in PLACE]
    rows: dict[str, list[str]] = {}
    texts: dict[str, str] = {}
    for column in columns:
        key = key_of(name, column)
        base = column.removesuffix(key) if key in ENDINGS else ""
        if base in columns:
            rows[base].append(f"...{key}")
        elif key not in PLACE:
            label = f"...{key}" if key in ENDINGS else f"{key}..." if key in STARTS else column
            rows.setdefault(label, [label])
            texts[label] = meaning(name, column)
    lines = [f"Place: {', '.join(f'`{column}`' for column in panel_columns)}", ""] if panel_columns else []
    return lines + (_rows({"`, `".join(labels): texts[label] for label, labels in rows.items()}) if rows else [])


def _rows(meanings: Mapping[str, str]) -> list[str]:
    cells = [f"| `{name}` | {text} |" for name, text in meanings.items()]
    return ["| column | meaning |", "| --- | --- |", *cells, ""]


def _gathered(kind: str) -> str:
    return ", ".join(f"`{name}.csv`" for name in tables_of(kind))


def _step(kind: str) -> str:
    return _link(f"steps.{STEPS.get(kind, kind)}")


def _code(words: str, first: str) -> str:
    """Links to the step and to the modules whose columns a table has."""
    return ", ".join(dict.fromkeys([first, *_modules(words)]))


def _modules(words: str) -> Iterator[str]:
    for word in words.split():
        module = word.rpartition(".")[0]
        if module and not module.startswith("core."):
            yield _link(module)


def _link(module: str) -> str:
    path = module.replace(".", "/") + ".py"
    if not (ROOT / "src/leukoflow" / path).is_file():
        raise LeukoFlowError(f"{module}: there is no such module; correct the catalogue of outputs")
    return f"[{path}](../src/leukoflow/{path})"


def main() -> None:
    """Write the page."""
    write_text(PAGE, page())


if __name__ == "__main__":
    main()
