"""Section `experiments`: which models are trained on what."""

from typing import Annotated, Any, Literal

from pydantic import Field

from leukoflow.config.base import Name, Section

Share = Annotated[float, Field(gt=0, lt=1)]
Check = Literal["robustness", "explain", "novelty"]


class Experiment(Section):
    """Every listed model, trained on every combination of view, protocol, fold and seed."""

    cohort: Name
    """Cohort trained and tested on."""
    task: Name
    """Task predicted."""
    views: tuple[Name, ...] = Field(("plain",), min_length=1)
    """Views."""
    protocols: tuple[Name, ...] = Field(("image",), min_length=1)
    """Split protocols: `image`, `duplicate`, `blocks`, `acquisition` and `patient`, which section `splits` describes, a
    [ready protocol](#ready-protocols), or an entry of section `protocols`."""
    checked_under: Name | None = None
    """The one of these protocols whose models are put through the checks; without this key the strictest."""
    models: tuple[Name, ...] = Field(min_length=1)
    """Models, by their names in section `models`. `colour_histogram` comes first in every table."""
    recipe: Name | None = None
    """Entry of section `recipes` that all models are trained by in place of their own recipe. Such a model is called
    `MODEL_RECIPE`; `colour_histogram` stays as it is."""
    shares: tuple[Share, ...] = ()
    """Shares of the training images for curves of accuracy against sample size, such as [0.25, 0.5, 0.75]: every model
    is trained on each share besides, as `MODEL_share25`. Not for models that read features."""
    sweep: dict[str, tuple[Any, ...]] = {}
    """Values to try by key of a model, such as `training.learning_rate: [0.01, 0.001]`, `options.hidden: [64, 128]`, or
    of the features that it reads, `features.selection.method: [fcq, lasso]`. In place of every model but the colour
    baseline the experiment has one for each combination (at most 64), called `MODEL_learning_rate_0_01`. The best is
    chosen by its accuracy on validation images (table `sweeps`)."""
    ablation: dict[Name, dict[str, Any]] = {}
    """What to leave out or change, by name: keys of a model or its features with their other values, as in `sweep`, and
    `view` for another view, such as `without_attention: {features.attention: false}` or `without_stain: {view:
    unstained}`. Every model but the colour baseline is trained so besides, as `MODEL_without_attention`, or on that
    view; what each is worth against the model as it is on the first view is in table `ablation`."""
    part_of: Name | None = None
    """Set where the ablation of that experiment made this one, for a view of its own."""
    reference: Name | None = None
    """The one of these models that the others are compared with, image by image."""
    seeds: tuple[int, ...] = Field((42,), min_length=1)
    """Training seeds."""
    external: tuple[Name, ...] = ()
    """Cohorts that the trained models are tested on besides."""
    checks: tuple[Check, ...] = ("robustness", "explain", "novelty")
    """What models trained under `checked_under` are put through beyond prediction: `robustness` changed images and
    other stains, `explain` where they look, `novelty` whether they notice images of another kind."""
