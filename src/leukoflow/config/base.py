"""What every section of the config shares."""

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, StringConstraints

from leukoflow.core.names import plain

Value = TypeVar("Value")


class Section(BaseModel):
    """A section: closed (an unknown key is an error) and immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]
"""A name that becomes part of a path: lower case letters, digits and underscores."""


def _text(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError("holds half of a character, which no file can hold") from error
    if not plain(text):
        raise ValueError("must not be empty")
    return plain(text)


def _told_apart(value: Any) -> Any:
    if isinstance(value, Mapping):
        names: dict[str, str] = {}
        for name in value:
            if isinstance(name, str) and names.setdefault(plain(name), name) != name:
                raise ValueError(f"{name!r} and {names[plain(name)]!r} are one name; leave one out")
    return value


Text = Annotated[str, AfterValidator(_text)]
"""A class, a label, the name of a column: brought to its `plain` form, as those of images and tables are."""
TextMap = Annotated[dict[Text, Value], BeforeValidator(_told_apart)]
"""Values by such names."""
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
"""Digest of a file, hexadecimal."""
