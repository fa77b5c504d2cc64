"""Where a cohort's folder is: `${NAME}` and `~` in the config, put to their values. Light: the workflow imports it."""

import os
from pathlib import Path

from leukoflow.config.cohorts import VARIABLE, DownloadCohort, unset
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.names import Disk


def resolve_root(text: str) -> Path:
    """The folder that `text` names, `${NAME}` (environment variables) and a leading `~` (home folder) expanded.

    A relative path is relative to the working folder. Raises LeukoFlowError if a variable is unset or empty, or
    there is no such folder.
    """
    for name in unset(text):
        raise LeukoFlowError(f"root {text}: the environment variable {name} is not set; export {name}=/path/to/images")
    folder = Path(VARIABLE.sub(lambda match: os.environ[match[1]], text)).expanduser()
    if not folder.exists() and (path := Disk(Path("/")).find(folder.absolute().as_posix().lstrip("/"))):
        folder = Path("/", path)
    if not folder.is_dir():
        state = "is not a folder" if folder.exists() else "does not exist"
        raise LeukoFlowError(f"root {text}: {folder} {state}; set it to the folder that holds the images")
    return folder


def local_root(cohort: DownloadCohort) -> Path | None:
    """The folder used in place of the download, or None if `local` is not given or names an unset variable.

    Raises LeukoFlowError if every variable is set and the folder is missing: the download is not started in silence.
    """
    if cohort.local is None or unset(cohort.local):
        return None
    try:
        return resolve_root(cohort.local)
    except LeukoFlowError as error:
        raise LeukoFlowError(f"{error}, or remove `local` from the cohort to download it") from error
