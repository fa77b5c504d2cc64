"""Section `cohorts`: where images come from."""

import os
import re
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from leukoflow.config.base import Name, Section, Text, TextMap
from leukoflow.config.masks import SYNTHETIC, Masks


class Faults(Section):
    """Faults planted in a synthetic cohort, so that the audits can be tested against a known truth."""

    stain_confounding: float = Field(0.0, ge=0, le=1)
    """How far the stain depends on the class (0 not at all, 1 each class has a stain of its own)."""
    exact_duplicates: float = Field(0.0, ge=0, le=0.5)
    """Fraction of the images that are byte-identical copies of another image of their class."""
    near_duplicates: float = Field(0.0, ge=0, le=0.5)
    """Fraction of the images that are re-encoded, slightly shifted copies of another image of their class."""
    augmented_duplicates: float = Field(0.0, ge=0, le=0.5)
    """Fraction of the images that are mirrored, turned or cropped copies of another image of their class."""
    scale_bars: TextMap[Annotated[float, Field(ge=0, le=1)]] = {}
    """For each class, the fraction of its images that carry a burnt-in red scale bar at the lower right."""
    corrupt: float = Field(0.0, ge=0, le=0.5)
    """Fraction of the files that are damaged (truncated, empty, or not an image)."""


class SyntheticCohort(Section):
    """Procedural smears of hematogones (Benign) and early pre-B, pre-B and pro-B blasts, with instance masks."""

    kind: Literal["synthetic"]
    """Drawn by LeukoFlow."""
    images: int = Field(240, ge=4)
    """Number of images."""
    size: int = Field(224, ge=32, le=2048)
    """Side of the square images, pixels."""
    patients: int = Field(24, ge=4)
    """Number of patients; each has one class, one or two slides, and images of no other patient's."""
    site: Literal["home", "away"] = "home"
    """Optics, camera and stain: `home`, or `away`, another hospital's."""
    seed: int = Field(42, ge=0)
    """Seed of every draw; the same seed gives the same bytes."""
    faults: Faults = Faults()
    """Faults planted on purpose."""

    @property
    def masks(self) -> Masks:
        """Every image has a mask of its cells."""
        return SYNTHETIC


class Columns(Section):
    """Names of the columns of a cohort's table."""

    path: Text = "path"
    """Image file, relative to the root."""
    path_pattern: str = "{path}"
    """Image file where the column holds an id: `{path}` stands for it, as in `images/{path}.png`."""
    path_digits: int = Field(0, ge=0, le=20)
    """Digits that an id is filled up to with zeros."""
    label: Text = "label"
    """Label."""
    patient: Text | None = None
    """Patient id."""
    slide: Text | None = None
    """Slide id."""
    site: Text | None = None
    """Site (hospital, scanner)."""
    mask: Text | None = None
    """Mask file, relative to the root."""


class Files(Section):
    """What folder and downloaded cohorts share: which files are images, and what they are labelled."""

    folder: str = ""
    """Folder below the root that holds the images, for instance `Original`."""
    labels: TextMap[Text] = {}
    """Label for each class folder or table label, by name; where given, images of any other name have no label."""
    label_pattern: str | None = None
    """Regular expression whose first group is the label in the image's path, in place of the folder's name:
    `_([01])\\.\\w+$` for `Im001_1.jpg`."""
    exclude: tuple[str, ...] = ()
    """Glob patterns (relative to `folder`) of files to leave out."""
    table: str | None = None
    """CSV file relative to the root that lists the images; without it the tree is walked and folders are labels.
    Commas, semicolons, tabs or bars stand between cells; the text is UTF-8 or UTF-16. Patients, slides, sites and
    labels are taken without blanks around them and with composed accents (NFC)."""
    columns: Columns = Columns()
    """Names of the table's columns."""
    um_per_pixel: float | None = Field(None, gt=0)
    """Scale of the images, micrometres a pixel, if it is known; otherwise their red cells tell it."""
    aspect: float | None = Field(None, ge=0.2, le=5)
    """Width over height of the fields, where the files were squeezed into another shape (1.333 for fields of 4:3 saved
    as squares): images and masks are stretched back when they are read, so that cells keep their shapes."""
    bits: int | None = Field(None, ge=8, le=16)
    """Bits that the camera fills of the 16 of each sample (12 for files whose white is 4095), if the files do not state
    it themselves; pictures are scaled by them, and one with samples beyond them is rejected. Files of 8 bits are read
    as they are."""
    masks: Masks | None = None
    """Masks of the white cells, if there are any."""
    images: int = Field(1024, ge=1)
    """About how many images there are: a job is planned for each 1,024, but no more than 512. It need not be exact."""
    expected: TextMap[int] = {}
    """Published number of images for each label; a difference is shown in the report."""
    max_pixels: int = Field(100_000_000, ge=1)
    """Largest accepted image, pixels; larger ones are rejected before they are decoded."""
    citation: str = ""
    """How the source asks to be cited; shown in the report."""
    licence: str = ""
    """Licence that allows images and what is made from them to be passed on, such as `CC BY 4.0`; shown in the licence
    notes of exported models. Empty if the owners have to be asked."""
    caution: str = ""
    """What weighs against results on these images, in a sentence; shown among the problems of every report."""

    @model_validator(mode="after")
    def _masks_are_named(self) -> "Files":
        if self.masks and bool(self.masks.path) == bool(self.table and self.columns.mask):
            raise ValueError(
                "masks are named by masks.path or by a column of the table (columns.mask): give one of them"
            )
        return self

    @field_validator("label_pattern")
    @classmethod
    def _is_a_pattern(cls, pattern: str | None) -> str | None:
        try:
            groups = re.compile(pattern).groups if pattern is not None else 1
        except re.error as error:
            raise ValueError(f"{pattern!r} is no regular expression ({error})") from error
        if not groups:
            raise ValueError(f"{pattern!r} has no group; put the label in parentheses")
        return pattern


class FolderCohort(Files):
    """Any tree of images, labelled by folder or by a CSV table."""

    kind: Literal["folder"]
    """Images that are there already."""
    root: str
    """The cohort's folder; `${NAME}` stands for an environment variable, `~` for the home folder."""
    optional: bool = False
    """Whether the study goes on without this cohort when its root names an environment variable that is not set. The
    cohort is then no external cohort and no source of masks, and the report says so."""
    left_out: bool = False
    """Set when the study goes on without this cohort."""


class DownloadCohort(Files):
    """An archive from the web (HTTP, HTTPS) or a Kaggle dataset, downloaded once and unpacked."""

    kind: Literal["download"]
    """Images that are fetched once."""
    url: str = Field(pattern=r"^(https?://|kaggle:[^/]+/[^/]+$)")
    """Address of a zip or tar archive, or `kaggle:OWNER/DATASET` (with the user's own token)."""
    sha256: str | None = Field(None, pattern=r"^[0-9a-f]{64}$")
    """Digest that the archive must have; without one the digest found is recorded and shown."""
    local: str | None = None
    """Folder used in place of the download if every `${NAME}` in it is set in the environment."""
    max_members: int = Field(1_000_000, ge=1)
    """Most files that the archive may hold."""
    max_bytes: int = Field(200_000_000_000, ge=1)
    """Most bytes that the archive may unpack to."""
    max_ratio: float = Field(200.0, ge=1)
    """Most times that a member may be larger unpacked than packed."""


class PooledCohort(Section):
    """Several cohorts as one, such as those of several laboratories. Every image keeps its laboratory: protocol
    `laboratory` leaves out each in turn. Labels are joined by the names that the cohorts give them."""

    kind: Literal["pooled"]
    """Images of other cohorts."""
    cohorts: tuple[Name, ...] = Field(min_length=2)
    """The cohorts that are joined, by name; each stands for one laboratory."""
    masks: None = None
    """Masks stay with the cohorts that are joined."""

    @field_validator("cohorts")
    @classmethod
    def _differ(cls, cohorts: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(cohorts)) < len(cohorts):
            raise ValueError("one cohort is named twice")
        return cohorts


VARIABLE = re.compile(r"\$\{([^}]*)\}")
"""`${NAME}` in a folder's name; the first group is the name."""


def unset(text: str) -> list[str]:
    """Environment variables that a folder's name holds and that are not set, or empty."""
    return [name for name in VARIABLE.findall(text) if not os.environ.get(name)]


Cohort = Annotated[SyntheticCohort | FolderCohort | DownloadCohort | PooledCohort, Field(discriminator="kind")]
