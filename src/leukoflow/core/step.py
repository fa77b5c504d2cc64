"""The frame of every step: arguments, one-line errors, exit status.

A step is a module of `leukoflow.steps` with `main(argv)`, run as `python -m leukoflow.steps.NAME`. Its settings come as
one JSON text, so that Snakemake sees every value that the step depends on.
"""

import argparse
import atexit
import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError
from tqdm import tqdm

from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.inputs import Inputs, function_below
from leukoflow.core.names import shown

log = logging.getLogger("leukoflow")
Settings = TypeVar("Settings", bound=BaseModel)
Item = TypeVar("Item")


def parser(description: str | None) -> argparse.ArgumentParser:
    """An argument parser whose help is the step's docstring."""
    return argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )


def settings(model: type[Settings]) -> Callable[[str], Settings]:
    """An argparse type: JSON text validated as the given pydantic model."""

    def parse(text: str) -> Settings:
        try:
            return model.model_validate_json(text)
        except ValidationError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return parse


def named_files(words: Iterable[str]) -> dict[str, list[Path]]:
    """Files by name from words NAME=FILE; a name may come several times. LeukoFlowError for a word without a name."""
    files: dict[str, list[Path]] = {}
    for word in words:
        name, equals, path = word.partition("=")
        if not (name and equals and path):
            raise LeukoFlowError(f"{word}: is not NAME=FILE")
        files.setdefault(name, []).append(Path(path))
    return files


def asked(doc: str | None, package: str, argv: list[str] | None) -> tuple[Callable[[Inputs], Any], Inputs, Path]:
    """What a step that makes one output is asked for: a function of a package, its inputs, and the output."""
    arguments = parser(doc)
    arguments.add_argument("name", metavar="NAME", help=f"function below {package}, MODULE.FUNCTION")
    arguments.add_argument("--inputs", nargs="*", default=[], metavar="NAME=FILE", help="what it is made from")
    arguments.add_argument("--settings", type=json.loads, default={}, help="what else it depends on, as JSON")
    arguments.add_argument("--output", type=Path, required=True, help="file to write")
    args = arguments.parse_args(argv)
    return function_below(package, args.name), Inputs(named_files(args.inputs), args.settings), args.output


def texts(text: str) -> list[str]:
    """An argparse type: texts as a JSON list, as one that starts with a dash would be taken for an option."""
    try:
        return TypeAdapter(list[str]).validate_json(text)
    except ValidationError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no JSON list of texts") from error


def progress(items: Iterable[Item], total: int | None, unit: str) -> Iterator[Item]:
    """Iterate with a rate and the time left on standard error; sparse lines where that is a log file."""
    interval = 0.5 if sys.stderr.isatty() else 10.0
    yield from tqdm(items, total=total, unit=unit, mininterval=interval, maxinterval=interval, ascii=True)


def one_line(error: Exception) -> str:
    """What an error says, on one line."""
    return shown(" ".join(str(error).split()))


class OneLine(logging.Formatter):
    """Messages on one line each: a line break in a file's name must not look like another message."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        """The record as text; a traceback that follows keeps its lines."""
        record.message = shown(record.message)
        return super().formatMessage(record)


def run(main: Callable[[list[str] | None], int | None]) -> None:
    """Run a step's `main` and exit: 0 done, 1 a LeukoFlowError said in one line, 130 interrupted."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(OneLine("%(asctime)s %(message)s", "%H:%M:%S"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        status = main(None) or 0
    except LeukoFlowError as error:
        print(f"error: {one_line(error)}", file=sys.stderr)
        status = 1
    except KeyboardInterrupt:
        print("error: interrupted; run the same command again to go on", file=sys.stderr)
        status = 130
    _leave(status)


def _leave(status: int) -> NoReturn:
    """Exit as Python does (threads end, exit handlers run, streams are written out) without taking every module apart,
    which takes 0.2 to 0.5 s of each job that uses a large library."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:  # nobody reads any more; Python says 120 then
        status = status or 120
    os._exit(status)
