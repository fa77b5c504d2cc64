"""Section `quality`: duplicates and acquisition clusters."""

from pydantic import Field

from leukoflow.config.base import Name, Section


class DeepLinks(Section):
    """Images that are alike in the features of a network are kept together, in addition to copies that are found."""

    features: Name
    """Entry of section `features` of kind `deep`; its extracted features are compared, whole rows (grid 1 is quickest),
    less their mean over all images."""
    view: Name
    """View that they are extracted from. Pictures must be known before groups are: no view with cells, and none whose
    stain is fitted on the training role."""
    similarity: float = Field(0.95, gt=0, le=1)
    """Smallest cosine of two images that are linked. Chains of links are one group, so a low value joins everything."""


TOGETHER = 100_000
"""Images to a part, unless the number of parts is given."""


class Quality(Section):
    """How images are compared with each other."""

    hash_distance: int = Field(11, ge=0, le=11)
    """Largest Hamming distance (bits of 64) between the difference hashes of two images that are then compared."""
    correlation: float = Field(0.80, ge=0.5, le=1)
    """Smallest pixel correlation (details of 64 x 64 grey pixels, shifted by up to 4) of two near-duplicates, and of
    two pictures of which one is the other mirrored or turned by quarter turns."""
    moved_correlation: float = Field(0.90, ge=0.5, le=1)
    """Smallest pixel correlation of two pictures of which one is the other turned by any other angle, cropped, zoomed
    or shifted; larger, as the best of many positions is taken."""
    deep: DeepLinks | None = None
    """Links by features. Absent: none. They change groups alone: no pair of them is listed or counted as a copy."""
    parts: int | None = Field(None, ge=1, le=999)
    """Parts that images are compared in, each by a job of its own. None: about one for each 100,000 images that are
    expected. What is found does not depend on it."""
    clusters_per_class: int = Field(12, ge=1)
    """Acquisition clusters in each class, from background and stain, where a cohort names no slides."""

    def parts_of(self, images: int) -> int:
        """Parts in which about this many images are compared."""
        return self.parts or max(1, round(images / TOGETHER))
