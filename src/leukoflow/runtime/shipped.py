"""The model that is part of the package: white cells of a smear, found and classified."""

from pathlib import Path

from leukoflow.core.errors import LeukoFlowError

FOLDER = Path(__file__).resolve().parent.parent / "shipped" / "cells"


def shipped_model() -> Path:
    """Its folder, as `open_model` takes it. LeukoFlowError if this copy of the package lacks it."""
    if not (FOLDER / "export.json").is_file():
        raise LeukoFlowError(f"{FOLDER}: the model of the package is missing; install again, or name one with --model")
    return FOLDER
