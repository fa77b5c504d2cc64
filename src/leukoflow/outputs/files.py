"""The files in `results/STUDY` besides its tables and figures: of each its path, its step and what it holds.

Names in capitals stand for what varies: SHARD is `000`, `001`, ... (1,024 images each), PANEL the parts of a panel with
dots between (`plan.Panel`), RUN `COHORT.TASK.VIEW.PROTOCOL.MODEL.foldN.seedN`, and SELECTION the same with an entry of
`features` in the model's place.
"""

import re
from dataclasses import dataclass

VARYING = {
    "SHARD": r"(?:\d{3,}|masks)",
    **dict.fromkeys(
        ("COHORT", "TASK", "VIEW", "PROTOCOL", "PANEL", "EXPERIMENT", "RUN", "SELECTION", "STAIN"), "[^/]+"
    ),
    **dict.fromkeys(("FEATURES", "SEGMENTER", "MODEL", "PAPER", "NUMBER", "CLASS", "IMAGE"), "[^/]+"),
}
"""What stands for parts of paths that vary, and the pattern of what it stands for."""


@dataclass(frozen=True)
class FileSpec:
    """What is known of one kind of file."""

    path: str
    """Below `results/STUDY`."""
    step: str
    """Step that writes it, a module of `leukoflow.steps`."""
    text: str
    """What it holds; of a table what a row is."""
    columns: str = ""
    """Columns of a table, as `reference.columns_of` reads them; empty for other files, and for parts of tables."""

    @property
    def name(self) -> str:
        """What the glossary of columns calls it: the path without suffix and without what varies but SHARD."""
        parts = self.path.rpartition(".")[0].split("/")
        return "/".join(part for part in parts if part == "SHARD" or not VARYING.keys() >= set(part.split(".")))

    @property
    def pattern(self) -> re.Pattern[str]:
        """Matches the paths of its files."""
        parts = re.split(rf"({'|'.join(VARYING)})", self.path)
        return re.compile("".join(VARYING[part] if part in VARYING else re.escape(part) for part in parts))


FILES = (
    FileSpec("study.json", "study", "The resolved config: every key with its value."),
    FileSpec("report.html", "report", "The report: one file, readable without a network."),
    FileSpec(
        "provenance.json", "provenance",
        "Where the results are from: digests of config, code, images and every other file, versions, machine, commit, "
        "seconds by rule.",
    ),
    FileSpec(
        "figures/PAPER/NUMBER.png", "paper_figures",
        "What a figure of a paper shows, under its number; also as SVG, and as CSV with the numbers that it shows. "
        "`tables/paper_figures.csv` lists them.",
    ),
    FileSpec(
        "cohorts/COHORT/listing.parquet", "list_images", "An image of a cohort that is a folder or was downloaded.",
        "cohorts.folder.COLUMNS",
    ),
    FileSpec(
        "cohorts/COHORT/names.csv", "list_images", "A group of names that differ only in what people overlook.",
        "cohorts.alike.COLUMNS",
    ),
    FileSpec(
        "cohorts/COHORT/left_out.parquet", "list_images", "A file of the tree that is no image of the cohort.",
        "cohorts.account.LEFT_OUT",
    ),
    FileSpec("cohorts/COHORT/warnings.csv", "list_images", "A key of the config that fits nothing.", "text"),
    FileSpec(
        "cohorts/COHORT/drawn/SHARD.parquet", "synthesise", "An image of a synthetic cohort.", "steps.measure.LISTED"
    ),
    FileSpec("cohorts/COHORT/images/CLASS/IMAGE.jpg", "synthesise", "Drawn images of a synthetic cohort."),
    FileSpec(
        "cohorts/COHORT/masks/CLASS/IMAGE.png", "synthesise",
        "Masks of the drawn cells: label maps of 16 bits, as in `cells/`.",
    ),
    FileSpec(
        "cohorts/COHORT/measured/SHARD.parquet", "measure",
        "An image of the shard, or why it is rejected (`reason`); else the columns of manifest and quality.",
    ),
    FileSpec(
        "cohorts/COHORT/thumbnails/SHARD.npy", "measure",
        "Grey thumbnails of the accepted images, by which duplicates are compared: uint8 [images, side, side].",
    ),
    FileSpec("cohorts/COHORT/manifest.parquet", "manifest", "An accepted image.", "steps.manifest.MANIFEST"),
    FileSpec(
        "cohorts/COHORT/quality.parquet", "manifest", "Quality and scale of an accepted image.",
        "image_id quality.measure.QUALITY_COLUMNS scale_source core.exposure.SAMPLES",
    ),
    FileSpec(
        "cohorts/COHORT/files.parquet", "manifest", "What an accepted image is read by.", "core.shards.FILES"
    ),
    FileSpec("cohorts/COHORT/rejects.csv", "manifest", "A file that cannot be used.", "path reason"),
    FileSpec(
        "quality/duplicates.parquet", "group_images", "A pair of copies, within a cohort or across two.",
        "quality.duplicates.COLUMNS",
    ),
    FileSpec(
        "quality/described/SHARD.npz", "describe_images",
        "What a part of the images is compared by; kept until all are compared. For some 150,000 images and more.",
    ),
    FileSpec(
        "quality/described/SHARD.npy", "describe_images",
        "Sketches of a part of the images: float32 [images, 16, 16]; likewise.",
    ),
    FileSpec(
        "quality/compared/SHARD.npz", "compare_images",
        "Pairs that a part of the images gave, before they are gathered. For some 150,000 images and more.",
    ),
    FileSpec(
        "quality/groups.parquet", "group_images", "An image: the copies and the acquisition that it belongs to.",
        "cohort image_id duplicate_group acquisition linked",
    ),
    FileSpec(
        "splits/COHORT.TASK.PROTOCOL.parquet", "split", "An image of the task in a fold.",
        "image_id y label group fold role",
    ),
    FileSpec(
        "splits/COHORT.TASK.PROTOCOL.audit.json", "audit_split",
        "Whether the split keeps what its protocol promises: images in each role, and what roles share.",
    ),
    FileSpec(
        "masks/COHORT/images.npy", "annotate",
        "Images that have a mask, letterboxed: uint8 [images, side, side, 3].",
    ),
    FileSpec(
        "masks/COHORT/parts.npy", "annotate",
        "Their masks: uint8 [images, side, side]; 0 background, 1 cytoplasm, 2 nucleus, 3 cell, 255 not annotated.",
    ),
    FileSpec(
        "masks/COHORT/labels.npy", "annotate",
        "Label maps of masks that tell cells apart, uint16 [images, side, side], as in `cells/`; else no image.",
    ),
    FileSpec(
        "masks/COHORT/index.parquet", "annotate", "A mask that is used, in the order of the arrays.",
        "image_id label group role um_per_pixel cell_pixels",
    ),
    FileSpec("masks/COHORT/rejects.csv", "annotate", "A mask that cannot be used.", "path reason"),
    FileSpec(
        "segmenters/SEGMENTER/weights.safetensors", "train_segmenter",
        "Weights of the Attention U-Net; SEGMENTER is `all`, `without_SOURCE`, `gates_WIDTH` of other gates, or "
        "`adapted` (by step `adapt_segmenter`).",
    ),
    FileSpec("segmenters/SEGMENTER/segmenter.json", "train_segmenter", "What it is, and the tuned thresholds."),
    FileSpec(
        "segmenters/SEGMENTER/history.csv", "train_segmenter", "An epoch of its training.",
        "epoch train_loss validation_loss validation_cell_dice validation_nucleus_dice learning_rate seconds",
    ),
    FileSpec("segmenters/SEGMENTER/scores.csv", "score_segmenter", "Its rows of `tables/segmentation.csv`."),
    FileSpec("segmenters/SEGMENTER/instances.csv", "score_segmenter", "Its rows of `tables/instances.csv`."),
    FileSpec(
        "cells/COHORT/SHARD.npy", "segment",
        "Label maps: uint16 [images, side, side]; 0 background, 2 k the cytoplasm and 2 k + 1 the nucleus of cell k.",
    ),
    FileSpec("cells/COHORT/SHARD.parquet", "segment", "An image of the label maps, in order, as in `files.parquet`."),
    FileSpec(
        "cells/COHORT/measured/SHARD.parquet", "measure_cells", "A white cell of the shard, as in `cells.parquet`."
    ),
    FileSpec(
        "cells/COHORT/cells.parquet", "gather_cells", "A white cell.",
        "image_id cells.morphology.PLACE um_per_pixel cells.morphology.FEATURE_NAMES",
    ),
    FileSpec(
        "cells/COHORT/images.parquet", "gather_cells", "An image: its white cells summed up.",
        "image_id cells.aggregate.COUNTS cells.aggregate.feature_names",
    ),
    FileSpec(
        "stains/STAIN.json", "fit_stain",
        "Stain that a view with a `target` is brought to: mean and standard deviation of L, a, b, and the number of "
        "images. STAIN is COHORT.TASK.PROTOCOL.foldN, of another cohort cohort.COHORT, of a template image the view.",
    ),
    FileSpec(
        "views/COHORT.VIEW/SHARD.npy", "render",
        "Images as networks see them: uint8 [images, side, side, 3]; of the view of cells one for each cell. The "
        "folder of a view that is fitted in a fold ends with `~COHORT.TASK.PROTOCOL.foldN`.",
    ),
    FileSpec(
        "views/COHORT.VIEW/SHARD.parquet", "render",
        "An image of the array, in order. Of the view of cells also the number of the cell (`cell`).",
        "image_id shard_digest",
    ),
    FileSpec(
        "augmented/COHORT.TASK/000.npy", "augment_examples",
        "Images of the panel of stages as training changes them: uint8 [images, side, side, 3].",
    ),
    FileSpec("augmented/COHORT.TASK/000.parquet", "augment_examples", "An image of the array, in order.", "image_id"),
    FileSpec("views/COHORT.VIEW/view.json", "gather_view", "The view's shards with numbers of images and digests."),
    FileSpec(
        "features/COHORT.VIEW.FEATURES/SHARD.npy", "deep_features",
        "Features as extracted: float32 [images, features]. Those of cells are written by `morphology_features`.",
    ),
    FileSpec(
        "features/COHORT.VIEW.FEATURES/SHARD.parquet", "deep_features", "An image of the array, in order.", "image_id"
    ),
    FileSpec("features/COHORT.VIEW.FEATURES/SHARD.json", "deep_features", "Networks and digest of the shard."),
    FileSpec(
        "features/COHORT.VIEW.FEATURES/matrix.json", "gather_features",
        "The shards, what the columns are, where the networks' weights are from.",
    ),
    FileSpec(
        "selections/SELECTION/stack.safetensors", "fit_features", "Weights of the fusion stack; empty without one."
    ),
    FileSpec("selections/SELECTION/scaler.safetensors", "fit_features", "The scaler, and the projection of a PCA."),
    FileSpec(
        "selections/SELECTION/ranking.csv", "fit_features", "A feature, the best first.", "position feature score"
    ),
    FileSpec(
        "selections/SELECTION/stability.csv", "fit_features",
        "Agreement of two rankings, each made without another part of the training images.",
        "k pair jaccard kuncheva",
    ),
    FileSpec(
        "selections/SELECTION/boxes.csv", "fit_features",
        "A leading feature over the training images, before or after scaling.", "features.boxes.COLUMNS",
    ),
    FileSpec("selections/SELECTION/features.json", "fit_features", "What was fitted: networks, stack, method, names."),
    FileSpec(
        "selections/SELECTION/scaled/COHORT.npy", "transform_features",
        "Scaled features of a cohort: float32 [images, features].",
    ),
    FileSpec(
        "selections/SELECTION/scaled/COHORT.parquet", "transform_features", "An image of the array, in order.",
        "image_id",
    ),
    FileSpec("neighbours/PANEL.csv", "neighbours", "Rows of `tables/neighbours.csv`."),
    FileSpec("runs/RUN/weights.safetensors", "train", "Weights of the epoch that was kept."),
    FileSpec(
        "runs/RUN/model.json", "train",
        "What the model is and how its training went: architecture, options, classes, parameters, epochs, device, "
        "firing rates.",
    ),
    FileSpec(
        "runs/RUN/history.csv", "train", "An epoch of the training; no row for a model that is no network.",
        "epoch train_loss train_accuracy validation_loss validation_accuracy learning_rate images_per_second seconds "
        "kept",
    ),
    FileSpec("runs/RUN/pretrained.safetensors", "pretrain", "Weights of the trunk after self-supervised training."),
    FileSpec(
        "runs/RUN/pretraining.csv", "pretrain", "An epoch of the self-supervised training.",
        "epoch loss spread collapsed learning_rate images_per_second seconds",
    ),
    FileSpec(
        "runs/RUN/predictions/COHORT.parquet", "predict",
        "An image and what the model answers: validation and test images of its own cohort (written by `train`), all "
        "of another.",
        "training.predictions.COLUMNS",
    ),
    FileSpec(
        "runs/RUN/changed.parquet", "predict_changed", "A test image under one change, and what the model answers.",
        "steps.predict_changed.COLUMNS",
    ),
    FileSpec("runs/RUN/modules.csv", "modules", "Rows of `tables/modules.csv`."),
    FileSpec(
        "runs/RUN/module_images.parquet", "modules", "A module of attention on one test image under one change.",
        "audits.modules.IMAGE_COLUMNS",
    ),
    FileSpec(
        "runs/RUN/novelty.parquet", "novelty", "A score of strangeness of an image.",
        "image_id group role kind score value",
    ),
    FileSpec(
        "runs/RUN/novelty.safetensors", "novelty", "What new images are compared with: a summary of training images."
    ),
    FileSpec(
        "runs/RUN/thresholds.json", "novelty",
        "Thresholds of confidence, prediction sets and novelty, all set on validation images.",
    ),
    FileSpec(
        "runs/RUN/explain.parquet", "explain", "A heat map: image, method and scores.",
        "image_id group y predicted method reference_map empty cells_area nuclei_area probability blurred cells nuclei "
        "deletion insertion rank_edges rank_head rank_all",
    ),
    FileSpec("runs/RUN/explain.npy", "explain", "The heat maps in the same order: uint8 [maps, height, width]."),
    FileSpec(
        "runs/RUN/feature_attention.parquet", "feature_attention",
        "A feature that the classifier reads, over the test images of one class or of all: how far it is attended to.",
        "explain.features.OF_RUN",
    ),
    FileSpec(
        "attention_maps/PANEL.parquet", "attention_maps",
        "A channel of a network's maps on a test image, before or behind its attention, or of its twin without "
        "attention.",
        "steps.attention_maps.COLUMNS",
    ),
    FileSpec("comparisons/EXPERIMENT.csv", "compare", "Rows of `tables/comparisons.csv`."),
    FileSpec(
        "gates/COHORT.TASK.PROTOCOL.json", "gate", "Limits of the gate on image quality for each fold."
    ),
    FileSpec(
        "parts/scores/PANEL/confusion.csv", "score", "A cell of a run's confusion matrix.",
        "stats.scores.CONFUSION_COLUMNS",
    ),
    FileSpec(
        "parts/assessment/PANEL/curves.csv", "assess", "A point of a model's curve, folds and seeds pooled.",
        "stats.assess.COLUMNS",
    ),
    FileSpec(
        "parts/abstention/PANEL/risk_curves.csv", "abstain",
        "Accuracy of a run on the part of the images of which it is surest, from 1 to 100 %.", "steps.abstain.CURVE",
    ),
    FileSpec(
        "parts/probes/PANEL/answers.parquet", "probe", "A probe's answer for an image.",
        "fold image_id group role y probe right cohort task protocol",
    ),
    FileSpec("parts/export/MODEL.json", "export", "Size, time and accuracy of each form of the exported model."),
    FileSpec("export/MODEL/export.json", "card", "Facts that a program needs: classes, view, limits, thresholds."),
    FileSpec("export/MODEL/card.md", "card", "The model card."),
    FileSpec("export/MODEL/LICENCES.md", "card", "Licences of code, weights and images."),
    FileSpec("export/MODEL/model.onnx", "export", "The network; it takes the bytes of a picture."),
    FileSpec("export/MODEL/model_int8.onnx", "export", "The same in 8-bit integers."),
    FileSpec("export/MODEL/heat.onnx", "export", "Grad-CAM by its gradient; effects of ranked features."),
    FileSpec("export/MODEL/segmenter.onnx", "export", "The segmenter of white cells, if it is a U-Net."),
    FileSpec("export/MODEL/weights.safetensors", "export", "Weights as in PyTorch."),
    FileSpec("export/MODEL/novelty.safetensors", "export", "What new images are compared with."),
    FileSpec("export/MODEL/examples.safetensors", "export", "Training images that may be shown, and their features."),
    FileSpec(
        ".content/COHORT.SHARD.parquet", "measure",
        "An image file as it was read; every start of the workflow compares it with the file. `COHORT.masks` is that "
        "of masks, by `annotate`.",
        "core.content.COLUMNS",
    ),
)  # fmt: skip
"""Every kind of file, about as they are made; parts of tables that are gathered are not listed one by one."""
