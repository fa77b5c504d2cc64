"""How a network is trained; part of each entry of section `models`."""

from itertools import pairwise
from typing import Literal

from pydantic import Field, model_validator

from leukoflow.config.base import Section


class Schedule(Section):
    """Learning rate over epochs (epoch 0 is the first)."""

    kind: Literal["constant", "exponential", "cosine", "plateau"] = "constant"
    """`exponential`: lr * 10^(-epoch / decade); `cosine`: to zero at the last epoch; `plateau`: times `factor` after
    `patience` epochs without a better loss (`plateau_of`)."""
    decade: float = Field(20.0, gt=0)
    """Epochs in which `exponential` falls tenfold."""
    factor: float = Field(0.1, gt=0, lt=1)
    """Factor of `plateau`."""
    patience: int = Field(5, ge=0)
    """Epochs that `plateau` waits."""
    plateau_of: Literal["validation", "train"] = "validation"
    """Whose loss `plateau` looks at."""
    warmup: int = Field(0, ge=0)
    """First epochs over which the rate rises: times (epoch + 1) / (warmup + 1)."""


class Loss(Section):
    """What training makes small."""

    kind: Literal["cross_entropy", "focal"] = "cross_entropy"
    """`focal`: (1 - p)^gamma times the cross-entropy of the true class's probability p (Lin et al. 2017)."""
    gamma: float = Field(2.0, ge=0)
    """Exponent of `focal`; 0 is cross-entropy."""
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    """Share of the target spread evenly over all classes; for `cross_entropy`."""

    @model_validator(mode="after")
    def _smoothing_is_for_cross_entropy(self) -> "Loss":
        if self.kind == "focal" and self.label_smoothing:
            raise ValueError("label_smoothing goes with cross_entropy; remove it or change kind")
        return self


class Stain(Section):
    """Other stains and lamps for training images."""

    share: float = Field(0.0, ge=0, le=1)
    """Share of the images that get the colours of another training image of their batch: mean and deviation of each
    channel of l-alpha-beta (Reinhard et al. 2001)."""
    jitter: float = Field(0.1, ge=0, le=1)
    """Largest relative change of those means and deviations."""
    density: float = Field(0.0, ge=0, le=0.5)
    """Standard deviation of the mixing between the channels' optical densities."""
    strength: float = Field(0.0, ge=0, le=2)
    """Largest change of the strength of the stain either way: optical densities are multiplied by e^-s to e^s."""
    hue: float = Field(0.0, ge=0, le=180)
    """Largest turn of the hue either way, degrees."""
    grey: float = Field(0.0, ge=0, le=1)
    """Share of the images that lose their colour."""


class Optics(Section):
    """Other microscopes and cameras for training images: of each image, how far it is changed is drawn."""

    resolution: float = Field(1.0, gt=0, le=1)
    """Smallest share of the side that images are shrunk to before they are enlarged again: 0.5 for half the detail."""
    noise: float = Field(0.0, ge=0, le=0.5)
    """Largest standard deviation of the noise, as a share of the range of levels."""
    gamma: float = Field(0.0, ge=0, le=2)
    """Largest change of the exponent of levels either way: levels become level ^ e^-g to level ^ e^g."""
    aperture: float = Field(0.0, ge=0, le=1)
    """Share of the images of which a disc about the middle is left, with a radius of 0.3 to 0.55 of the side: single
    cells without their neighbours."""


class Stage(Section):
    """What is trained from an epoch on, of a network that starts from loaded weights."""

    epoch: int = Field(ge=0)
    """First epoch of the stage; that of the first stage is 0."""
    train: Literal["head", "last", "all"]
    """`head`: new layers alone, the trunk stays as it was loaded; `last`: all but the layers that the paper leaves as
    they were loaded; `all`. Layers that stay keep their batch norms' statistics too."""
    trunk_rate: float = Field(1.0, gt=0)
    """Factor on the learning rate of the trunk."""


class Augmentation(Section):
    """Random changes of training images, drawn for each (seed, epoch, image)."""

    rotation: float = Field(0.0, ge=0, le=180)
    """Largest rotation either way, degrees."""
    translation: float = Field(0.0, ge=0, lt=1)
    """Largest shift along each axis, fraction of the side."""
    shear: float = Field(0.0, ge=0, lt=90)
    """Largest horizontal shear either way, degrees."""
    scale: tuple[float, float] = (1.0, 1.0)
    """Range of the cropped area, fraction of the image (random resized crop)."""
    flip_horizontal: bool = False
    """Mirror left to right with probability one half."""
    flip_vertical: bool = False
    """Mirror top to bottom with probability one half."""
    brightness: float = Field(0.0, ge=0, lt=1)
    """Largest relative change of brightness."""
    contrast: float = Field(0.0, ge=0, lt=1)
    """Largest relative change of contrast about the image's mean."""
    stain: Stain = Stain()
    """Other stains and lamps."""
    optics: Optics = Optics()
    """Other microscopes and cameras."""


class Training(Section):
    """One training recipe."""

    share: float = Field(1.0, gt=0, le=1)
    """Share of the training images that is trained on, drawn in each class by the run's seed; images that the split
    keeps together stay together. A smaller share is part of a larger one."""
    epochs: int = Field(20, ge=1)
    """Most epochs."""
    batch_size: int = Field(16, ge=2)
    """Images in a batch."""
    optimiser: Literal["adam", "adamw", "sgd", "rmsprop", "adamax"] = "adam"
    """Optimiser (`sgd` with momentum 0.9; the others with PyTorch's defaults)."""
    learning_rate: float = Field(1e-3, gt=0)
    """Learning rate of new layers at the first epoch."""
    backbone_learning_rate: float | None = Field(None, gt=0)
    """Learning rate of the backbone, where the model has one; otherwise as the rest."""
    weight_decay: float | None = Field(None, ge=0)
    """Weight decay; nothing for what is customary: 0.01 with `adamw` (`adam` has none of it), 0 with the others."""
    schedule: Schedule = Schedule()
    """Learning rate over epochs."""
    loss: Loss = Loss()
    """What training makes small."""
    weighted_loss: bool = False
    """Against unequal classes: weights n / (K n_k) in the loss."""
    weighted_sampling: bool = False
    """Against unequal classes: images drawn with those weights, with replacement. With both, rare classes
    count twice."""
    monitor: Literal["accuracy", "loss"] = "accuracy"
    """Validation figure that chooses the best epoch and stops early. Of epochs with the same accuracy the one with the
    lowest validation loss is the best."""
    patience: int = Field(5, ge=1)
    """Epochs without a better figure after which training stops."""
    accumulate: int = Field(1, ge=1)
    """Batches whose mean gradient makes one step."""
    clip: float | None = Field(None, gt=0)
    """Largest norm of the gradient; longer ones are shortened to it."""
    average: float = Field(0.0, ge=0, lt=1)
    """Share of the old weights kept at each step in a moving average, which is then validated and saved (0.99 forgets
    half in 69 steps); 0 saves the weights themselves."""
    frozen_epochs: int = Field(0, ge=0)
    """First epochs in which the layers that the paper freezes stay as they were loaded, batch norms included; then they
    train too. As many as `epochs` for never. Layers that start from random weights are not frozen: `model.json` says
    what was."""
    stages: tuple[Stage, ...] = ()
    """Unfreezing in stages, in place of `frozen_epochs`; in order of their epochs. As with that key, layers that start
    from random weights are never frozen."""
    precision: Literal["auto", "32-true", "bf16-mixed", "16-mixed"] = "32-true"
    """Number format, as Lightning names it (`16-mixed` needs a GPU). `auto`: `bf16-mixed` where the GPU, or the CPU
    (AMX or AVX512-BF16), computes in it, else `32-true`."""
    channels_last: bool = False
    """Lay out the weights of convolutions as pictures are, channels last."""
    compile: bool = False
    """Compile the network (torch.compile). Where that fails, training goes on without, and `model.json` says why."""
    recompute: bool = False
    """Keep what goes into a block, and compute the rest again for the gradient: less memory for a third more time
    (gradient checkpointing)."""
    devices: int = Field(1, ge=1)
    """GPUs that share every batch; if there is none, processes on the CPU. Snakemake must be allowed as many
    (`--resources gpu=N`), and `profiles/slurm-gres` asks for one unless told."""
    augmentation: Augmentation = Augmentation()
    """Random changes of training images."""
    statistics_batches: int = Field(32, ge=0)
    """Training batches over which the statistics of batch norm are taken again after each epoch; 0 keeps the moving
    average. Spiking networks need it: with a moving average over a few small batches their thresholds are off, and
    validation accuracy jumps about by tens of points."""
    workers: int = Field(0, ge=0, le=64)
    """Loader processes; the weights do not depend on it."""

    @model_validator(mode="after")
    def _stages_follow_each_other(self) -> "Training":
        epochs = [stage.epoch for stage in self.stages]
        if epochs and self.frozen_epochs:
            raise ValueError("frozen_epochs and stages say the same; give one of them")
        if epochs and (epochs[0] != 0 or any(after <= before for before, after in pairwise(epochs))):
            raise ValueError(f"stages: their epochs must rise from 0, not {', '.join(map(str, epochs))}")
        if epochs and epochs[-1] >= self.epochs:
            raise ValueError(f"stages: the last one begins at epoch {epochs[-1]} of {self.epochs} (counted from 0)")
        return self
