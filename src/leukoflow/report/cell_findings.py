"""What the tables of cells and features say that a reader must know."""

from collections.abc import Hashable, Mapping
from typing import Any

import pandas as pd

from leukoflow.config.features import DeepFeatures
from leukoflow.config.study import Study
from leukoflow.core import words
from leukoflow.report.cells import facts_of
from leukoflow.report.findings import UNLABELLED, Finding

FEW_KEPT = 0.5
LESS_DICE = 0.05
UNEVEN_SCALE = 1.1
MANY_WITHOUT = 0.05
FOLLOWS = 0.1
"""Part of the way from chance to certainty from which neighbours are said to follow the slide."""


def cell_findings(study: Study, tables: Mapping[str, pd.DataFrame]) -> list[Finding]:
    """Findings from the tables masks, segmentation, cells, neighbours and selection."""
    segmentation, cells = tables["segmentation"], tables["cells"]
    findings = [*_masks(tables["masks"]), *_adapted(study), *_archives(segmentation), *_left_out(segmentation)]
    findings += [*_scale(cells), *_without(cells)]
    return [*findings, *_slides(tables["neighbours"]), *_random(study, tables["selection"])]


def _masks(masks: pd.DataFrame) -> list[Finding]:
    findings = []
    for source, part in masks.fillna({"reason": ""}).groupby("source", sort=False):
        whole = part[part["reason"] == ""].set_index("fact")["masks"]
        if rejected := int(whole["rejected"]):
            reasons = part[(part["fact"] == "rejected") & (part["reason"] != "")].head(4)
            phrases = [f"{row['reason']} ({words.count(row['masks'])})" for row in reasons.to_dict("records")]
            text = f"{words.count(rejected)} of {words.plural(rejected + whole['used'], 'mask')} could not be used: "
            text += f"{words.listed(phrases)}. Each is named in masks/{source}/rejects.csv."
            action = f"Look at the masks named in masks/{source}/rejects.csv, and repair or replace them."
            findings.append(Finding("warn", f"Rejected masks of {source}", text, "cells", action))
        if empty := int(whole["without a cell"]):
            text = f"{words.count(empty)} of {words.plural(whole['used'], 'mask')} hold no cell. "
            text += "Check masks in the config if their images show cells."
            findings.append(Finding("warn", f"Masks of {source} without a cell", text, "cells"))
    return findings


def _adapted(study: Study) -> list[Finding]:
    adapt = study.segmentation.adapt
    if adapt is None:
        return []
    text = f"The network that finds the cells was trained further on pseudo-masks of images of {adapt.cohort}, without "
    text += (
        "labels or masks. Test images of every fold were among them (transductive): what views or features of cells "
    )
    text += f"reach on {adapt.cohort} may be less on images that the network has not seen."
    return [Finding("warn", f"Cells are found by a network that has seen images of {adapt.cohort}", text, "cells")]


def _archives(segmentation: pd.DataFrame) -> list[Finding]:
    findings: list[Finding] = []
    marked = segmentation[(segmentation["metric"] == "marked") & (segmentation["label"] != "")]
    marked = marked.dropna(subset=["value"])
    marked = marked.fillna({"network": ""})
    for (source, *_), part in marked.groupby(["source", "segmenter", "network"], sort=False):
        if any(finding.title.endswith(f" {source}") for finding in findings):
            continue  # the segmenter that was used comes first
        ordered = part.sort_values("value", kind="stable")
        shares = dict(zip(ordered["label"].astype(str), ordered["value"].astype(float), strict=True))
        few = [label for label, share in shares.items() if share < FEW_KEPT]
        kept = [f"{words.percent(share, 0)} in {label}" for label, share in shares.items()]
        text = (
            f"Of the white cells found, the masks that came with the archive keep {words.listed(kept)} (a cell counts "
        )
        text += "where the mask covers half of it; mean over images). "
        if few:
            text += f"They miss most cells of {words.listed(few)}: pictures cut out by them would give the class away. "
            text += "They are no ground truth, and nothing here learns from them."
            findings.append(
                Finding("warn", f"Archive's masks miss most cells of {words.listed(few)} in {source}", text, "cells")
            )
        else:
            findings.append(
                Finding("good", f"Archive's masks agree with the cells found in {source}", text.rstrip(), "cells")
            )
    return findings


def _left_out(segmentation: pd.DataFrame) -> list[Finding]:
    findings = []
    dice = segmentation[(segmentation["kind"] == "expert") & (segmentation["metric"] == "dice")]
    dice = dice[dice["part"] == "cell"].dropna(subset=["value"])
    for source, part in dice.groupby("source", sort=False):
        rows: dict[tuple[str, str, bool], Mapping[Hashable, Any]] = {}
        for row in part.fillna({"network": ""}).to_dict("records"):
            rows.setdefault((row["segmenter"], row["network"], bool(row["within"])), row)
        network = next((name for segmenter, name, within in rows if segmenter == "unet" and not within), None)
        if network is None:
            continue
        away, home = rows["unet", network, False], rows.get(("unet", network, True))
        text = f"Dice of whole cells is {_with_limits(away)} if nothing of {source} was trained on"
        text += f", {_with_limits(home)} where it was" if home is not None else ""
        plain = rows.get(("threshold", "", False))
        text += (
            f"; thresholds, tuned without it too, reach {words.decimal(plain['value'])}" if plain is not None else ""
        )
        worse = home is not None and home["value"] - away["value"] > LESS_DICE
        below = plain is not None and plain["value"] > away["value"]
        tone = "warn" if worse or below else "good"
        title = (
            "Cells of an unseen source are found less well" if tone == "warn" else "Cells of an unseen source are found"
        )
        findings.append(Finding(tone, f"{title}: {source}", f"{text}.", "cells"))
    return findings


def _with_limits(row: Mapping[Hashable, Any]) -> str:
    if words.missing(row["low"]):
        return words.decimal(row["value"])
    return f"{words.decimal(row['value'])} ({row['low']:.3f}{words.DASH}{row['high']:.3f})"


def _scale(cells: pd.DataFrame) -> list[Finding]:
    findings = []
    for cohort, part in cells.groupby("cohort", sort=False):
        whole = facts_of(part[part["label"] == ""])
        if "um_per_pixel" not in whole:
            continue
        scale = part[(part["feature"] == "um_per_pixel") & ~part["label"].isin(["", UNLABELLED])]
        medians = sorted((row["median"], row["label"]) for row in scale.dropna(subset=["median"]).to_dict("records"))
        if medians and medians[-1][0] > UNEVEN_SCALE * medians[0][0]:
            phrases = [f"{value:.3f} in {label}" for value, label in medians]
            text = f"Median micrometres a pixel: {words.listed(phrases)}. "
            text += "The size of a cell in pixels then tells the class; "
            findings.append(
                Finding(
                    "warn", f"Scale goes with the class in {cohort}", f"{text}sizes here are in micrometres.", "cells"
                )
            )
        images, assumed = whole["um_per_pixel"]["images"], whole["scale_assumed"]["images"]
        if assumed > images / 2:
            text = (
                f"For {words.count(assumed)} of {words.plural(images, 'image')} too few red cells were seen to measure "
            )
            text += "the scale, and one is assumed: sizes in micrometres are as good as that."
            findings.append(Finding("warn", f"Assumed scale in {cohort}", text, "cells"))
    return findings


def _without(cells: pd.DataFrame) -> list[Finding]:
    findings = []
    for cohort, part in cells[cells["label"] == ""].groupby("cohort", sort=False):
        whole = facts_of(part)
        none, images = whole["images_without_cells"]["images"], whole["cells_per_image"]["images"]
        if images and none > MANY_WITHOUT * images:
            text = (
                f"In {words.count(none)} of {words.plural(images, 'image')} ({words.percent(none / images)}) no white "
            )
            text += "cell was found. They have no morphology, and views of cells show nothing of them."
            findings.append(Finding("warn", f"Images without a white cell in {cohort}", text, "cells"))
    return findings


def _slides(neighbours: pd.DataFrame) -> list[Finding]:
    findings = []
    for (cohort, task, view, name), every in neighbours.groupby(["cohort", "task", "view", "features"], sort=False):
        part = every[every["protocol"] == every["protocol"].iloc[-1]]
        by_group: dict[str, Any] = {row["group"]: row for row in part.to_dict("records")}
        if not {"class", "cluster"} <= set(by_group):
            continue
        kind, slide = by_group["class"], by_group["cluster"]
        count = words.count(kind["neighbours"])
        text = f"Of an image's {count} nearest neighbours in feature space ({view} view), "
        text += (
            f"{words.percent(kind['share'], 0)} are of its class (by chance {words.percent(kind['expected'], 0)}). Of "
        )
        text += f"those, {words.percent(slide['share'], 0)} are from its acquisition cluster "
        text += f"(by chance {words.percent(slide['expected'], 0)})."
        where = f"{name} of {cohort}, {task}"
        if _way(slide) > max(_way(kind), FOLLOWS):
            title = f"Features cluster by slide rather than class: {where}"
            action = f"Judge models that read {name} on {cohort} by a split that holds whole slides or patients out."
            findings.append(Finding("bad", title, text, "features", action))
        elif _way(slide) > FOLLOWS:
            findings.append(Finding("warn", f"Features follow the slide besides the class: {where}", text, "features"))
        else:
            findings.append(Finding("good", f"Features do not follow the slide: {where}", text, "features"))
    return findings


def _way(row: Mapping[str, Any]) -> float:
    """How far a share lies between what chance gives (0) and all (1)."""
    return float((row["share"] - row["expected"]) / max(1 - row["expected"], 1e-9))


def _random(study: Study, selection: pd.DataFrame) -> list[Finding]:
    networks = {
        name: [backbone.name for backbone in entry.backbones if backbone.weights is None]
        for name, entry in study.features.items()
        if isinstance(entry, DeepFeatures) and name in set(selection["features"])
    }
    return [
        Finding(
            "warn",
            f"Features of untrained networks: {name}",
            f"{words.listed(random)} had random weights: these features are random projections of the pictures, and "
            "their results are not comparable with a publication that used pretrained networks.",
            "features",
        )
        for name, random in networks.items()
        if random
    ]
