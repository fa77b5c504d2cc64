"""The papers' tables and figures of a made-up study."""

from pathlib import Path

from leukoflow.steps import paper_figures, published


def make_published(root: Path) -> None:
    """Write tables published_vs_reproduced, published_checks and paper_figures from those that lie there."""
    tables = root / "tables"
    names = ("leaderboard", "external", "scores", "efficiency", "cohorts")
    inputs = [text for name in names for text in (f"--{name}", str(tables / f"{name}.csv"))]
    inputs += ["--runs", str(root / "runs"), "--of", *sorted(path.name for path in (root / "runs").iterdir())]
    inputs += ["--splits", *map(str, sorted((root / "splits").glob("*.parquet")))]
    outputs = [str(tables / f"{name}.csv") for name in published.NAMES]
    published.main(["--study", str(root / "study.json"), *inputs, "--outputs", *outputs])
    arguments = ["--study", str(root / "study.json"), "--runs", str(root / "runs"), "--tables", str(tables)]
    arguments += ["--scores", str(root / "parts/scores")]
    paper_figures.main([*arguments, "--figures", str(root / "figures"), "--output", str(tables / "paper_figures.csv")])
