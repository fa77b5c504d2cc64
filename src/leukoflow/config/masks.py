"""Masks of white cells: where they are, and how they are coded."""

from typing import Literal

from pydantic import model_validator

from leukoflow.config.base import Section

Code = int | str


class Masks(Section):
    """A mask file for an image, brought to background, cytoplasm and nucleus."""

    path: str = ""
    """Mask file relative to the root; `{folder}`, `{name}` and `{stem}` stand for the image's folder (below `folder`),
    its file name and that without suffix, as in `masks/{stem}.png`. An image whose mask is not there has none. Files
    named like this are no images. Needed unless the cohort's table has a column of masks (`columns.mask`)."""
    coding: Literal["codes", "inferred", "instances", "ids", "foreground"] = "codes"
    """`codes`: listed grey levels or colours; `inferred`: the code along the borders is background, of the others the
    one over the darker pixels nucleus and the other cytoplasm, over all masks together; `instances`: 16-bit, 2 k + 1
    in the nucleus and 2 k in the cytoplasm of cell k; `ids`: a level of its own for each whole cell, 0 for background;
    `foreground`: everything but black is a cell (in a JPEG, everything above level 20)."""
    nucleus: tuple[Code, ...] = ()
    """Grey levels as stored (0 to 65535; indices of a palette) or colours (`"#ff0000"`) of nuclei. In a file without
    loss a level means itself alone; in a JPEG the nearest code counts."""
    cytoplasm: tuple[Code, ...] = ()
    """Grey levels or colours of cytoplasm."""
    cell: tuple[Code, ...] = ()
    """Grey levels or colours of cells whose nucleus is not distinguished."""
    background: tuple[Code, ...] = (0, "#000000")
    """Grey levels or colours of everything else."""
    expert: bool = True
    """Whether an expert drew them. Others are compared with, never trained on."""

    @model_validator(mode="after")
    def _codes_are_told_apart(self) -> "Masks":
        codes = [*self.nucleus, *self.cytoplasm, *self.cell]
        if self.coding == "codes" and not codes:
            raise ValueError("coding 'codes' needs grey levels or colours of nucleus and cytoplasm, or of cell")
        for code in (*codes, *self.background):
            if isinstance(code, int) and not 0 <= code <= 65535:
                raise ValueError(f"{code} is no grey level (0 to 65535)")
            if isinstance(code, str) and not (len(code) == 7 and code[0] == "#" and _is_hex(code[1:])):
                raise ValueError(f"{code!r} is no colour; write it as '#rrggbb'")
        if len(set(codes) | set(self.background)) != len(codes) + len(set(self.background)):
            raise ValueError("the same grey level or colour stands for two things")
        return self


def _is_hex(text: str) -> bool:
    return all(digit in "0123456789abcdefABCDEF" for digit in text)


SYNTHETIC = Masks(path="masks/{folder}/{stem}.png", coding="instances")
"""The masks of synthetic cohorts."""
