"""The command `leukoflow`: answers with an exported model, and checks of results and installation."""

import argparse
import os
import sys
from pathlib import Path

import leukoflow
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.names import shown
from leukoflow.core.step import one_line, run

RESEARCH = "For research only: no medical device, no diagnosis."


def main(argv: list[str] | None = None) -> int:
    """Run a subcommand; its exit status: 0 done, 1 failed or not all well, 2 not understood, 3 some images rejected."""
    parser = argparse.ArgumentParser(
        prog="leukoflow",
        description=f"Blood-smear images, classified by a model that a study has exported. {RESEARCH}",
        epilog="A study is run by Snakemake; it exports its models to results/STUDY/export/MODEL.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"leukoflow {leukoflow.__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for add in (_add_init, _add_predict, _add_serve, _add_doctor, _add_verify, _add_crate):
        add(commands)
    args = parser.parse_args(argv)
    try:
        return int(args.call(args))
    except LeukoFlowError as error:
        print(f"error: {one_line(error)}", file=sys.stderr)
        return 1


def _add_init(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "init",
        help="write a study for your own folder of images",
        description="Look at a folder of images and write a study for it: classes from its folders or table, masks, "
        "patients, sizes. Nothing is trained and nothing in the folder is changed.",
        allow_abbrev=False,
    )
    parser.add_argument("folder", nargs="?", type=Path, help="folder that holds the images, of any layout")
    parser.add_argument("--entry", help="a public set that is described already, such as taleqani or pbc, in its place")
    parser.add_argument("--output", type=Path, metavar="FILE", help="study to write (default: NAME.yaml, here)")
    parser.add_argument("--name", help="name of the study (default: that of the folder or entry)")
    parser.set_defaults(call=_init)


def _init(args: argparse.Namespace) -> int:
    import yaml

    from leukoflow.cohorts.draft import draft, entry_draft, study_name
    from leukoflow.cohorts.look import look
    from leukoflow.config.load import parse_study
    from leukoflow.core.files import write_text

    if (args.folder is None) == (args.entry is None):
        raise LeukoFlowError("init: give a folder of images, or --entry and the name of a public set")
    cores = len(os.sched_getaffinity(0))
    name = args.name or study_name(args.folder or Path(args.entry))
    output = args.output or Path(f"{name}.yaml")
    if output.exists():
        raise LeukoFlowError(f"{output}: exists already; remove it, or name another file with --output")
    made = entry_draft(args.entry, name, cores) if args.entry else draft(look(args.folder), name, cores)
    parse_study(yaml.safe_load(made.text), str(output))
    write_text(output, made.text)
    for note in made.notes:
        print(note)
    time = f"{max(1, round(60 * made.hours))} minutes" if made.hours < 2 else f"{made.hours:.0f} hours"
    print(f"the study takes about {time} on this machine")
    print(f"{shown(str(output))}: written; lines that begin with 'To decide' ask what only you know. Next:")
    clone = Path(__file__).resolve().parents[2] / "Snakefile"
    elsewhere = "" if Path("Snakefile").exists() or not clone.exists() else f"--snakefile {shown(str(clone))} "
    print(f"  snakemake {elsewhere}--cores {cores} --configfile {shown(str(output))}")
    return 0


def _add_predict(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "predict",
        help="answer for files and folders of images",
        description="Answer for every image: class, calibrated probabilities, the classes that cannot be ruled out, "
        f"and whether and why the answer is held back. {RESEARCH}",
        epilog="Exit status: 0 all done, 3 some images rejected (named in OUTPUT.rejects.csv), 1 failed. The same "
        "command goes on where an earlier one stopped. An answer is kept while file, model and options are the same; "
        "otherwise the image is answered again.",
        allow_abbrev=False,
    )
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="image, or folder of images")
    parser.add_argument(
        "--model", type=Path, metavar="DIR", help="results/STUDY/export/MODEL (default: the model that is shipped)"
    )
    parser.add_argument(
        "--output", type=Path, required=True, metavar="FILE", help="table: .csv, or .jsonl for JSON lines"
    )
    parser.add_argument("--explain", type=Path, metavar="DIR", help="write pictures with cells outlined and heat there")
    parser.add_argument(
        "--differential", type=Path, metavar="FILE", help="write counts of white cells by type there, with intervals"
    )
    parser.add_argument(
        "--geojson", type=Path, metavar="DIR", help="write outlines, types and measurements of cells there, for QuPath"
    )
    parser.add_argument(
        "--um-per-pixel",
        type=float,
        metavar="UM",
        help="scale of the images, for models of single cells, if it is known",
    )
    parser.add_argument("--without-cells", action="store_true", help="do not look for white cells: faster")
    parser.add_argument("--int8", action="store_true", help="use the network of 8-bit integers: faster, less exact")
    parser.add_argument("--processes", type=_count, default=len(os.sched_getaffinity(0)), metavar="N", help="all cores")
    parser.set_defaults(call=_predict)


def _predict(args: argparse.Namespace) -> int:
    # Imported here, as in the other commands, so that --help is quick and each needs its own packages alone.
    from leukoflow.quality.scale import Usual
    from leukoflow.runtime.batch import Job, answer_all, listed
    from leukoflow.runtime.shipped import shipped_model

    if args.output.suffix not in (".csv", ".jsonl"):
        raise LeukoFlowError(f"{args.output}: the output must be called .csv or .jsonl")
    if args.differential and args.without_cells:
        raise LeukoFlowError("--differential counts cells, and --without-cells looks for none; give one of them")
    if args.differential and args.differential.suffix != ".csv":
        raise LeukoFlowError(f"{args.differential}: the differential count must be called .csv")
    if args.um_per_pixel is not None and not 0.01 <= args.um_per_pixel <= 10:
        raise LeukoFlowError(f"--um-per-pixel: {args.um_per_pixel} is no scale of a smear; give 0.01 to 10 micrometres")
    scale = Usual(args.um_per_pixel, of_side=False, given=True) if args.um_per_pixel else None
    model = args.model or shipped_model()
    job = Job(model, args.int8, not args.without_cells, args.explain, args.differential, args.geojson, scale)
    paths, left_out = listed(args.paths, args.explain)
    for reason, count in left_out.items():
        print(f"left out: {count} file{'' if count == 1 else 's'}, {reason}", file=sys.stderr)
    done = answer_all(paths, job, args.output, args.processes, args.paths)
    again = f" ({done.again} of them again: file, model or options are others)" if done.again else ""
    told = [f"{done.answered} images answered{again}"]
    told += [f"{done.kept} answers kept"] if done.kept else []
    told += [f"{done.gone} answers removed, as their files are gone"] if done.gone else []
    told += [f"{done.others} answers to other files left as they are"] if done.others else []
    output = shown(str(args.output))
    print(f"{output}: {'; '.join(told)}")
    if args.differential:
        print(f"{shown(str(args.differential))}: differential count")
    if done.rejected:
        print(f"{output}.rejects.csv: {done.rejected} images rejected", file=sys.stderr)
    return 3 if done.rejected else 0


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return value


def _add_serve(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    from leukoflow.serve.options import add_options

    parser = commands.add_parser(
        "serve", help="a page in the browser that answers, on this machine alone", allow_abbrev=False
    )
    add_options(parser)
    parser.set_defaults(call=_serve)


def _serve(args: argparse.Namespace) -> int:
    try:
        from leukoflow.serve.app import main
    except ModuleNotFoundError as error:
        raise LeukoFlowError(f"serve: {error.name} is not installed; run: pip install 'leukoflow[serve]'") from error
    return main(args)


def _add_doctor(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "doctor",
        help="check this installation",
        description="Check this installation and, if one is named, an exported model. Exit status 1: a check fails.",
        allow_abbrev=False,
    )
    parser.add_argument("--model", type=Path, metavar="DIR", help="results/STUDY/export/MODEL")
    parser.set_defaults(call=_doctor)


def _doctor(args: argparse.Namespace) -> int:
    from leukoflow.runtime.doctor import checks

    marks = {True: "ok ", False: "BAD", None: "   "}
    good = True
    for state, text in checks(args.model):
        print(marks[state], text)
        good &= state is not False
    return 0 if good else 1


def _add_verify(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "verify",
        help="say which results, images and masks were changed since the study ran",
        allow_abbrev=False,
    )
    parser.add_argument("results", type=Path, help="folder such as results/demo")
    parser.set_defaults(call=_verify)


def _verify(args: argparse.Namespace) -> int:
    from leukoflow.cohorts.sources import STUDY, edited_sources
    from leukoflow.core.provenance import verify

    differences = verify(args.results)
    if not any(difference.path == STUDY for difference in differences):  # it says where the images are
        sources, absent = edited_sources(args.results)
        differences += sources
        for name in absent:
            print(f"images of {name} are not here: not compared")
    for difference in differences:
        print(f"{difference.kind:8} {shown(difference.path)}")
    if differences:
        print(f"{len(differences)} files are not as the study left them", file=sys.stderr)
        return 1
    print(f"{shown(str(args.results))}: every file is as the study left it")
    return 0


def _add_crate(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "crate", help="write results and workflow as one archive, a Workflow Run RO-Crate", allow_abbrev=False
    )
    parser.add_argument("results", type=Path, help="folder such as results/demo")
    parser.add_argument("--output", type=Path, help="the archive (default: next to the folder, .crate.zip)")
    parser.set_defaults(call=_crate)


def _crate(args: argparse.Namespace) -> int:
    from leukoflow.core.crate import write_crate

    target = args.output or args.results.with_name(f"{args.results.name}.crate.zip")
    kept = write_crate(args.results, Path(__file__).resolve().parents[2], target)
    print(f"{shown(str(target))}: {kept} files of {shown(str(args.results))} and the workflow that made them")
    return 0


def command() -> None:
    """Entry point of the console script."""
    run(main)


if __name__ == "__main__":
    command()
