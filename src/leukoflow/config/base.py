"""What every section of the config shares."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints


class Section(BaseModel):
    """A section: closed (an unknown key is an error) and immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]
"""A name that becomes part of a path: lower case letters, digits and underscores."""


def _weights(text: str) -> str:
    if text.startswith("hub:"):
        repository, _, revision = text.removeprefix("hub:").partition("@")
        if not repository or not revision:
            raise ValueError("weights of a hub are written hub:REPOSITORY@REVISION")
    return text


Weights = Annotated[str, AfterValidator(_weights)]
"""Where weights come from: `hub:REPOSITORY@REVISION`, or a safetensors file."""
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
"""Digest of a file, hexadecimal."""
