"""What is checked of the papers' numbers: each check names published numbers and what they are held against.

The arithmetic is `leukoflow.papers.plausible`'s; here are its inputs alone, all of them published or counted.
"""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from leukoflow.config.base import Name, Section

Share = Annotated[float, Field(ge=0, le=1)]


class _Check(Section):
    what: str
    """What is checked, for a reader who has not the paper at hand."""
    where: str
    """Where in the paper its inputs stand."""


class WholeImages(_Check):
    """Whether a share is that of a whole number of images."""

    kind: Literal["whole_images"]
    number: Name
    images: int = Field(ge=1)


class Counts(_Check):
    """An accuracy (or a class' recall) against the counts of a confusion matrix."""

    kind: Literal["counts"]
    number: Name | None = None
    """The published number; or `value` and `digits` where it is no headline."""
    value: Share | None = None
    digits: int = 3
    counts: dict[str, tuple[int, int]] = Field(min_length=1)
    """Right answers and images by class."""

    @model_validator(mode="after")
    def _one_of_two(self) -> "Counts":
        if (self.number is None) == (self.value is None):
            raise ValueError("name the number, or give its value, one of them")
        if any(not 0 <= right <= total for right, total in self.counts.values()):
            raise ValueError("counts are right answers, then images: the first cannot exceed the second")
        return self


class SplitSize(_Check):
    """Test images as counted against the share of the dataset that the paper says it held out."""

    kind: Literal["split_size"]
    images: int = Field(ge=1)
    whole: int = Field(ge=1)
    share: Share


class Confidence(_Check):
    """A calibration error against the confidences of right and wrong answers, and the temperature against both."""

    kind: Literal["confidence"]
    accuracy: Name
    ece: Name
    scaled: Name | None = None
    """ECE after temperature scaling."""
    temperature: float = Field(gt=0)
    right: Share
    """Mean confidence of right answers."""
    wrong: Share


class TopBin(_Check):
    """The gap of the most confident bin against ECE and mean confidence."""

    kind: Literal["top_bin"]
    accuracy: Name
    ece: Name
    mce: Name
    low: Share
    """Where the bin begins; it ends at 1."""
    right: Share
    wrong: Share


class Uncertainty(_Check):
    """The uncertainty term of a Brier score against the class counts."""

    kind: Literal["uncertainty"]
    value: float
    digits: int = 3


class Kappa(_Check):
    """Cohen's kappa against accuracy and class counts."""

    kind: Literal["kappa"]
    accuracy: Name
    kappa: Name
    counts: tuple[int, ...] = Field(min_length=2)
    """True images by class."""


class Mcc(_Check):
    """An MCC against an accuracy."""

    kind: Literal["mcc"]
    accuracy: Name
    mcc: Name


class OneVsRest(_Check):
    """Whether an accuracy no whole number of images gives is the mean of the classes' one-versus-rest accuracies."""

    kind: Literal["one_vs_rest"]
    number: Name
    images: int = Field(ge=1)
    classes: int = Field(ge=2)


class Auc(_Check):
    """A macro AUC against the few errors that the accuracy leaves."""

    kind: Literal["auc"]
    auc: Name
    images: int = Field(ge=1)
    errors: int = Field(ge=0)


class Anova(_Check):
    """p of an analysis of variance against means and deviations of the groups, and against an interval of a mean."""

    kind: Literal["anova"]
    means: tuple[float, ...] = Field(min_length=2)
    deviations: tuple[float, ...] = Field(min_length=2)
    runs: int = Field(ge=2)
    """Values in each group."""
    p: Share
    digits: int = 3


class RunInterval(_Check):
    """The interval of a mean of runs against their standard deviation."""

    kind: Literal["run_interval"]
    deviation: float = Field(gt=0)
    runs: int = Field(ge=2)
    half_width: float = Field(gt=0)
    digits: int = 3


class Interval(_Check):
    """An interval of a proportion against the one of independent images."""

    kind: Literal["interval"]
    right: int
    total: int
    low: Share
    high: Share
    digits: int = 4


class Versus(_Check):
    """Whether a comparator lies within the interval of a proportion."""

    kind: Literal["versus"]
    number: Name
    other: Name
    right: int
    total: int


class Same(_Check):
    """One quantity printed with several values."""

    kind: Literal["same"]
    values: tuple[float, ...] = Field(min_length=2)


class Mean(_Check):
    """A mean over classes against the classes' values."""

    kind: Literal["mean"]
    number: Name
    values: tuple[float, ...] = Field(min_length=2)
    digits: int = 2


class Part(_Check):
    """A total against one of its parts."""

    kind: Literal["part"]
    number: Name
    part: int
    part_is: str


class Blocks(_Check):
    """A total of parameters against the block that the text describes."""

    kind: Literal["blocks"]
    number: Name
    trunk: int
    tokens: int
    heads: int
    described: tuple[int, int]
    """Dimensions of a head, and width of the feed-forward part, as the text has them."""
    fitting: tuple[int, int]
    """The same as the printed total needs them."""
    blocks: int
    head: int
    """Parameters of the classifier."""


class Duration(_Check):
    """Seconds against minutes and seconds."""

    kind: Literal["duration"]
    seconds: float
    minutes: int
    rest: int


class Bound(_Check):
    """A quantity against what it can be."""

    kind: Literal["bound"]
    value: float
    low: float | None = None
    high: float | None = None
    because: str


class Rate(_Check):
    """A rate of errors against what its name means."""

    kind: Literal["rate"]
    value: Share
    digits: int = 3
    named: Literal["false positive rate", "false negative rate"]
    """What the paper counts it among."""
    negative: tuple[int, int]
    """Images of the negative class called positive, and all of that class."""
    positive: tuple[int, int]
    """Images of the positive class called negative, and all of that class."""


class Outdone(_Check):
    """A claim to outperform, against accuracies of the same task that the paper itself cites."""

    kind: Literal["outdone"]
    number: Name
    quote: str
    """The claim."""
    task: str
    """Task of the entries of `literature` that it is held against."""


class Mix(_Check):
    """An accuracy on a balanced test set against the dataset's own proportions of classes."""

    kind: Literal["mix"]
    number: Name
    right: int = Field(ge=0)
    each: int = Field(ge=1)
    """Test images of each class."""


class Angle(_Check):
    """A factor of rotation against the unit that the library gives it."""

    kind: Literal["angle"]
    factor: float = Field(gt=0)
    degrees: float = Field(gt=0)
    """The angle that the text gives."""
    library: str
    """Whose layer counts it in full turns."""


class Quoted(_Check):
    """Two places that cannot both hold, or a place and a fact, if there is nothing to calculate."""

    kind: Literal["quoted"]
    quote: str
    """What the place says, in its words."""
    fact: str
    """What is against it."""
    because: str
    """Where the fact is from, and what follows."""
    certain: bool = True
    """Whether one of the two is wrong; else they can both hold in some way."""


Check = Annotated[
    WholeImages | Counts | SplitSize | Confidence | TopBin | Uncertainty | Kappa | Mcc | OneVsRest | Auc | Anova
    | RunInterval | Interval | Versus | Same | Mean | Part | Blocks | Duration | Bound | Rate | Outdone | Mix | Angle
    | Quoted,
    Field(discriminator="kind"),
]  # fmt: skip
"""Any of them, told by its `kind`."""


def named_by(check: Check) -> list[str]:
    """Keys of the published numbers that a check is about."""
    keys = ("number", "other", "accuracy", "ece", "scaled", "mce", "kappa", "mcc", "auc")
    return [value for key in keys if isinstance(value := getattr(check, key, None), str)]
