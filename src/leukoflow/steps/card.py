"""Write what must be known of an exported model: its facts (export.json), its card and its licence notes."""

import hashlib
from dataclasses import asdict
from pathlib import Path

import leukoflow
from leukoflow.config.study import Study
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.files import read_json, read_table, write_json, write_text
from leukoflow.core.runs import Run, parse_run
from leukoflow.core.step import parser, run
from leukoflow.export import facts
from leukoflow.export.card import card, licence_notes, licences
from leukoflow.export.findings import findings
from leukoflow.images.stain import fitted
from leukoflow.quality.scale import usual_of
from leukoflow.runtime.schema import FILES, CohortScale, Export, File, Reader, Role, Rule, Segmenter

TABLES = ("scores", "shortcut_audit", "audit")


def main(argv: list[str] | None = None) -> None:
    """Run the step."""
    arguments = parser(__doc__)
    arguments.add_argument("--study", type=Path, required=True, help="the resolved study (study.json)")
    arguments.add_argument("--run", type=parse_run, required=True, help="name of the run's folder")
    arguments.add_argument("--description", type=Path, required=True, help="model.json")
    arguments.add_argument("--predictions", type=Path, required=True, help="the run's, of its own cohort")
    arguments.add_argument(
        "--siblings", nargs="*", type=parse_run, default=[], help="runs of the same model and seed on the other folds"
    )
    arguments.add_argument("--runs", type=Path, help="folder of the runs' folders, if there are siblings")
    arguments.add_argument(
        "--elsewhere", type=Path, help="the run's predictions of the cohort that it is calibrated on"
    )
    arguments.add_argument("--novelty", type=Path, help="novelty.parquet of the run, if it is calibrated elsewhere")
    arguments.add_argument("--thresholds", type=Path, required=True, help="thresholds.json of the run")
    arguments.add_argument("--gate", type=Path, required=True, help="limits of quality (JSON)")
    arguments.add_argument("--segmenter", type=Path, required=True, help="segmenter.json")
    arguments.add_argument("--stain", type=Path, help="stain of the view's target (JSON), if it was found")
    arguments.add_argument("--quality", type=Path, help="of the run's cohort, for the scale of its images")
    arguments.add_argument("--manifest", type=Path, help="the same cohort's")
    arguments.add_argument("--tables", type=Path, required=True, help="folder of the tables")
    arguments.add_argument("--costs", type=Path, required=True, help="what step export says of each form (JSON)")
    arguments.add_argument("--folder", type=Path, required=True, help="folder of the exported model")
    args = arguments.parse_args(argv)

    study = Study.model_validate(read_json(args.study))
    of: Run = args.run
    description, made = read_json(args.description), read_json(args.costs)
    tables = {name: read_table(args.tables / f"{name}.csv") for name in TABLES}
    results = facts.results(of, tables["scores"])
    siblings = {one: read_table(args.runs / one.name / "predictions" / f"{of.cohort}.parquet") for one in args.siblings}
    predictions = read_table(args.predictions)
    elsewhere = read_table(args.elsewhere) if args.elsewhere else None
    calibration = facts.calibrated(of, predictions, description["classes"], study.export, siblings, elsewhere)
    calibrated = calibration.facts
    scored = read_table(args.novelty) if args.novelty else None
    cohort = study.cohorts[of.cohort]
    known = Export(
        leukoflow=leukoflow.__version__,
        name=of.model,
        title=description["title"],
        source=description["source"],
        study=study.study,
        cohort=of.cohort,
        task=of.task,
        protocol=of.protocol,
        run=of.name,
        classes=description["classes"],
        train_images=description["train_images"],
        parameters=made["parameters"],
        view=fitted(study.views[of.view], args.stain),
        aspect=getattr(cohort, "aspect", None),
        bits=getattr(cohort, "bits", None),
        scale=_scale(args.quality, args.manifest),
        max_pixels=getattr(cohort, "max_pixels", MAX_PIXELS),
        files=_files(args.folder),
        quality=facts.gate(read_json(args.gate), of.fold),
        novelty=facts.novelty(read_json(args.thresholds), scored, calibrated["calibration_cohort"]),
        reader=_reader(study, of, calibration),
        segmenter=_segmenter(study, of.cohort, read_json(args.segmenter)),
        maps=made["maps"],
        ranked=made["ranked"],
        attention=made["attention"],
        inside=made["inside"],
        costs=made["costs"],
        results=results,
        findings=findings(of, tables, results, calibrated["confidence"]),
        licences=licences(study, of.cohort, description["weights"]),
        examples=made["examples"],
        **calibrated,
    )
    write_text(args.folder / "card.md", card(known, study))
    write_text(args.folder / "LICENCES.md", licence_notes(known))
    write_json(args.folder / "export.json", known.model_dump(mode="json"))


MAX_PIXELS = 100_000_000
"""Of cohorts that name no limit."""


def _scale(quality: Path | None, manifest: Path | None) -> CohortScale | None:
    """The scale of the cohort's images, if its files are given."""
    if quality is None or manifest is None:
        return None
    sizes = read_table(manifest, ["image_id", "width", "height"])
    settled = read_table(quality, ["image_id", "um_per_pixel", "scale_confidence", "scale_source"])
    usual = usual_of(settled.merge(sizes, on="image_id"))
    return None if usual is None else CohortScale(**asdict(usual))


def _reader(study: Study, of: Run, calibration: facts.Calibration) -> Reader | None:
    """How fields are read, by models of single cells."""
    if study.views[of.view].kind != "centred":
        return None
    asked = study.export
    return Reader(um_per_pixel=asked.cells_um_per_pixel, uncounted=asked.uncounted, confusion=calibration.confusion())


def _files(folder: Path) -> dict[Role, File]:
    """What step export has written; the segmenter is there where one was trained."""
    files: dict[Role, File] = {}
    for role, name in FILES.items():
        path = folder / name
        if path.exists():
            data = path.read_bytes()
            files[role] = File(sha256=hashlib.sha256(data).hexdigest(), bytes=len(data))
        elif role != "segmenter":
            raise LeukoFlowError(f"{path}: is missing; run step export again")
    return files


def _segmenter(study: Study, cohort: str, description: dict) -> Segmenter:
    asked, rules = study.segmentation, description["thresholds"]
    return Segmenter(
        method=description["method"],
        size=asked.size_of(cohort),
        cell_um=asked.cell_um,
        cell_rule=Rule(**rules["cell"]),
        nucleus_rule=Rule(**rules["nucleus"]),
        steps=asked.steps,
    )


if __name__ == "__main__":
    run(main)
