"""Kaggle datasets: the address behind `kaggle:OWNER/DATASET`, and the user's own token for it."""

import json
import os
from pathlib import Path

from requests import PreparedRequest
from requests.auth import AuthBase, HTTPBasicAuth

from leukoflow.core.errors import LeukoFlowError

API = "https://www.kaggle.com/api/v1"
PREFIX = "kaggle:"
_HELP = (
    "make one at https://www.kaggle.com/settings and save it as ~/.kaggle/kaggle.json (or set KAGGLE_USERNAME and "
    "KAGGLE_KEY), or set the cohort's `local` to a folder that holds the images"
)


class Bearer(AuthBase):
    """A token in the Authorization header, which requests takes off where it is sent on to another host."""

    def __init__(self, token: str) -> None:
        self.token = token

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self.token}"
        return request


def address(dataset: str) -> str:
    """Address of the archive of `kaggle:OWNER/DATASET`."""
    return f"{API}/datasets/download/{dataset.removeprefix(PREFIX)}"


def credentials(dataset: str) -> AuthBase:
    """The user's token: KAGGLE_API_TOKEN, KAGGLE_USERNAME with KAGGLE_KEY, or a file in KAGGLE_CONFIG_DIR or ~/.kaggle.

    Raises LeukoFlowError saying how to get one if there is none, or where kaggle.json cannot be read.
    """
    environment = os.environ
    if token := environment.get("KAGGLE_API_TOKEN", "").strip():
        return Bearer(token)
    if environment.get("KAGGLE_USERNAME") and environment.get("KAGGLE_KEY"):
        return HTTPBasicAuth(environment["KAGGLE_USERNAME"], environment["KAGGLE_KEY"])
    folder = Path(environment.get("KAGGLE_CONFIG_DIR") or Path.home() / ".kaggle")
    if (folder / "access_token").is_file():
        return Bearer((folder / "access_token").read_text(encoding="utf-8").strip())
    path = folder / "kaggle.json"
    if not path.is_file():
        raise LeukoFlowError(f"{dataset}: Kaggle wants a token and there is none; {_HELP}")
    try:
        saved = json.loads(path.read_text(encoding="utf-8"))
        return HTTPBasicAuth(str(saved["username"]), str(saved["key"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        # The error itself is not shown: it may quote the token.
        raise LeukoFlowError(f"{path}: holds no username and key; {_HELP}") from error


def refusal(status: int, dataset: str) -> str:
    """What to do about a refused request."""
    page = f"https://www.kaggle.com/datasets/{dataset.removeprefix(PREFIX)}"
    if status == 401:
        return f"Kaggle does not accept the token; {_HELP}"
    if status == 403:
        return f"Kaggle refuses; open {page} signed in, accept the terms, or set the cohort's `local`"
    return f"check that {page} is there, or set the cohort's `local`"
