"""The picture of the whole in the README: `python -m leukoflow.outputs.overview` draws it for light and dark pages."""

from html import escape
from pathlib import Path

from leukoflow.core.files import write_text

FOLDER = Path(__file__).resolve().parents[3] / "docs"
STAGES = (
    ("Smear images", ("folders, tables, archives,", "public sets, synthetic smears")),
    ("Check", ("unreadable files, duplicates,", "scale bars, shared patients,", "acquisitions")),
    ("Prepare", ("stain normalisation, contrast,", "Attention U-Net, watershed,", "single cells")),
    ("Extract features", ("deep features, morphology,", "mRMR selection")),
    ("Train", ("five published systems,", "baselines, ablations,", "folds and seeds")),
    ("Evaluate", ("held-out groups, other cohorts,", "intervals, calibration,", "paired tests")),
    ("Audit", ("leakage, shortcuts, stain swap,", "robustness, explanations,", "published numbers")),
    ("Use", ("report, tables and figures,", "exported models, predictions,", "web page and API")),
)
"""Stages of the pipeline in their order, four a row: title, and what each holds."""
COLOURS = {
    "light": {"text": "#1f2328", "quiet": "#59636e", "line": "#8c959f", "fill": "#f6f8fa", "last": "#ddf4ff"},
    "dark": {"text": "#f0f6fc", "quiet": "#9198a1", "line": "#6e7681", "fill": "#151b23", "last": "#121d2f"},
}
"""Colours by the background of the page."""
WIDTH, HEIGHT, GAP, MARGIN = 236, 104, 34, 8
PER_ROW = 4


def picture(colours: dict[str, str]) -> str:
    """The picture as SVG."""
    rows = -(-len(STAGES) // PER_ROW)
    width = PER_ROW * WIDTH + (PER_ROW - 1) * GAP + 2 * MARGIN
    height = rows * HEIGHT + (rows - 1) * GAP + 2 * MARGIN
    places = [
        (MARGIN + number % PER_ROW * (WIDTH + GAP), MARGIN + number // PER_ROW * (HEIGHT + GAP))
        for number in range(len(STAGES))
    ]
    title = "LeukoFlow: " + ", ".join(stage.lower() for stage, _ in STAGES)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" font-family="sans-serif">',
        f"<title>{escape(title)}</title>",
    ]
    for number, ((x, y), (name, contents)) in enumerate(zip(places, STAGES, strict=True)):
        fill = colours["last" if number == len(STAGES) - 1 else "fill"]
        frame = f'fill="{fill}" stroke="{colours["line"]}"'
        lines.append(f'<rect x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}" rx="8" {frame}/>')
        lines.append(_text(x + 14, y + 28, name, colours["text"], 'font-size="16" font-weight="bold"'))
        for line, content in enumerate(contents):
            lines.append(_text(x + 14, y + 50 + 18 * line, content, colours["quiet"], 'font-size="13"'))
        if number + 1 < len(STAGES):
            lines.append(_arrow((x, y), places[number + 1], colours["line"]))
    return "\n".join([*lines, "</svg>", ""])


def _text(x: int, y: int, text: str, colour: str, style: str) -> str:
    return f'<text x="{x}" y="{y}" fill="{colour}" {style}>{escape(text)}</text>'


def _arrow(start: tuple[int, int], end: tuple[int, int], colour: str) -> str:
    """From one stage to the next: to the right, or down to the beginning of the next row."""
    (x, y), (next_x, next_y) = start, end
    if next_y == y:
        points = [(x + WIDTH + 4, y + HEIGHT // 2), (next_x - 6, y + HEIGHT // 2)]
        head = [(next_x - 12, y + HEIGHT // 2 - 5), points[-1], (next_x - 12, y + HEIGHT // 2 + 5)]
    else:
        middle = next_y - GAP // 2
        points = [(x + WIDTH // 2, y + HEIGHT + 2), (x + WIDTH // 2, middle), (next_x + WIDTH // 2, middle)]
        points.append((next_x + WIDTH // 2, next_y - 3))
        head = [(next_x + WIDTH // 2 - 5, next_y - 9), points[-1], (next_x + WIDTH // 2 + 5, next_y - 9)]
    paths = ("M" + " L".join(f"{a} {b}" for a, b in line) for line in (points, head))
    return f'<path d="{" ".join(paths)}" fill="none" stroke="{colour}" stroke-width="1.5"/>'


if __name__ == "__main__":
    for page, colours in COLOURS.items():
        write_text(FOLDER / f"overview-{page}.svg", picture(colours))
