"""The model card, in words for a haematologist, and the licence notes."""

import re
from collections.abc import Iterator
from typing import Any

from leukoflow.config.study import Study
from leukoflow.core.names import shown
from leukoflow.runtime.schema import FILES, Export

RESEARCH = (
    "**For research only. This is no medical device and no diagnosis.** It must not decide about a patient, and its "
    "answer must not take the place of a haematologist's look at the smear."
)
FORMS = {
    "torch": "PyTorch",
    "exact": "PyTorch, 64 bits",
    "onnx": "ONNX Runtime",
    "int8": "ONNX Runtime, 8-bit integers",
}
TITLES = {
    "accuracy": "right",
    "balanced_accuracy": "right, mean over classes",
    "macro_f1": "macro F1",
    "macro_auc": "macro AUC",
    "mcc": "Matthews correlation",
}

CHAIN = {
    "reinhard": "their stain brought to a reference",
    "reinhard_rgb": "mean and deviation of their colours brought to constants",
    "clahe": "contrast equalised",
    "multiscale": "levels of a pyramid blended",
    "enhance": "detail enhanced",
    "denoise": "noise filtered",
    "edge": "edges added",
    "grey": "without colours",
    "white": "the lamp's colour taken away",
    "cells": "white cells cut out by the segmenter",
    "hsv": "cells cut out by colour",
    "kmeans": "nuclei cut out by clusters of colours",
    "otsu": "dark parts cut out",
    "adaptive": "background removed",
}
"""What each operation of a view's chain does to pictures, in words."""


def literal(text: str) -> str:
    """Text in which nothing is Markdown or HTML, also within a table."""
    return re.sub(r"[\\`*_\[\]<>|&$~]", r"\\\g<0>", shown(text))


def card(facts: Export, study: Study) -> str:
    """The card, Markdown."""
    classes = ", ".join(map(literal, facts.classes))
    parts = [
        f"# {facts.title}: {facts.task} on {facts.cohort}",
        RESEARCH,
        f"{_task(facts)} {len(facts.classes)} classes ({classes}). "
        f"Architecture: {facts.title}, {facts.source}; {facts.parameters:,} parameters; study `{facts.study}`, run "
        f"`{facts.run}`.",
        "## What it is for",
        "Comparing methods, teaching, and finding out on your own images where such a model fails. Not for screening, "
        "triage, diagnosis or treatment, and not for images of other stains, tissues or microscopes than those below.",
        "## What the audits found",
        "\n".join(f"- {literal(finding)}" for finding in facts.findings),
        "## What it was trained on",
        _data(facts, study),
        "## Results",
        "\n".join(_results(facts)),
        "## When it does not answer",
        "\n".join(f"- {sentence}" for sentence in _held_back(facts)),
        "## Forms of the network",
        "\n".join(_costs(facts)),
        "## How it explains itself",
        "\n".join(f"- {sentence}" for sentence in _explains(facts)),
        "## Limits",
        "\n".join(f"- {sentence}" for sentence in _limits(facts)),
        "## Use",
        f"```sh\nleukoflow predict IMAGES --model {_folder(facts)} --output answers.csv\n"
        f"leukoflow serve {_folder(facts)}\n```",
        f"Licences of the data and weights: `LICENCES.md`. Files: {', '.join(FILES[file] for file in facts.files)}.",
    ]
    return "\n\n".join(parts) + "\n"


def _folder(facts: Export) -> str:
    return f"results/{facts.study}/export/{facts.name}"


def _data(facts: Export, study: Study) -> str:
    sources = [study.cohorts[name] for name in study.laboratories(facts.cohort) or (facts.cohort,)]
    drawn = all(cohort.kind == "synthetic" for cohort in sources)
    kind = "drawn by a program, not photographed" if drawn else "photographed"
    text = f"{facts.train_images:,} pictures of cohort `{facts.cohort}`, {kind}. "
    text += f"They are shown to it {facts.view.size} x {facts.view.size} pixels large, "
    said = [CHAIN[step.do] for step in facts.view.chain] or ["colours as they are"]
    bars = "burnt-in scale bars painted out" if facts.view.bar == "removed" else "burnt-in scale bars left"
    return f"{text}{', then '.join(said)}, {bars}."


def _results(facts: Export) -> Iterator[str]:
    yield "| images | figure | value | 95 % interval | images | groups |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for result in facts.results:
        source = "test images" if result.role == "test" else f"other source: {result.target}"
        interval = "" if result.low is None or result.high is None else f"{result.low:.3f} to {result.high:.3f}"
        yield (
            f"| {source} | {TITLES[result.metric]} | {result.value:.3f} | {interval} | "
            f"{result.images} | {result.groups} |"
        )


def _held_back(facts: Export) -> Iterator[str]:
    if facts.reader:
        yield "No white cell is found in the picture."
    else:
        yield (
            "Poor or unusual picture: one of these is beyond what training images show: "
            + ", ".join(measure.words for measure in facts.quality.values())
            + "."
        )
    limit = facts.novelty.threshold
    novel = f"images of `{facts.calibration_cohort}`" if facts.calibration_cohort else "validation images"
    if limit is None:
        yield "Unlike the training images: never, as there were too few validation images to derive a limit."
    else:
        yield (
            f"Unlike the training images: its features are farther than {limit:.3g} from every class (Mahalanobis); "
            f"{facts.novelty.accepted:.0%} of the {novel} are nearer."
        )
    least = facts.confidence.threshold
    source = "images of groups left out" if facts.calibration_groups else "validation images"
    source = f"images of `{facts.calibration_cohort}`" if facts.calibration_cohort else source
    if least is None:
        yield f"Not sure: never, as no level of certainty reached the wanted accuracy on {source}."
    else:
        yield (
            f"Not sure: the likeliest class has a probability below {least:.3f}; above it, "
            f"{facts.confidence.accuracy:.0%} of the answers on {source} were right."
        )
    note = f" ({facts.calibration_note})" if facts.calibration_note else ""
    if facts.calibration_cohort:
        source += ", another cohort, on which its figures are therefore no test"
    elif facts.calibration_groups:
        source = f"test images of the other folds, of {facts.calibration_groups} groups that their networks never saw"
    yield (
        f"Probabilities are calibrated with a temperature of {facts.temperature:.3g}, fitted on "
        f"{facts.calibrated_on} {source}{note}."
    )
    units = f"groups of `{facts.calibration_cohort}`" if facts.calibration_cohort else "groups left out"
    units = units if facts.calibration_groups else "validation images"
    origin = f"`{facts.calibration_cohort}`" if facts.calibration_cohort else "the same source"
    if facts.conformal.threshold is None:
        yield (
            f"The set of classes that cannot be ruled out always holds all: there were {facts.conformal.images} "
            f"{units}, {facts.conformal.needed} are needed."
        )
    elif facts.calibration_groups:
        yield (
            f"The set of classes that cannot be ruled out holds the truth in {facts.conformal.coverage:.0%} of images "
            f"of new groups of {origin} ({facts.conformal.images} groups, each counted once), and in no such "
            "share of images from elsewhere."
        )
    else:
        yield (
            f"The set of classes that cannot be ruled out holds the truth in {facts.conformal.coverage:.0%} of images "
            "like those of validation, and in no such share of images from elsewhere."
        )


def _costs(facts: Export) -> Iterator[str]:
    yield "| form | file | a picture, one thread | right, held out | as PyTorch | logits to 1e-4 | largest difference |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for cost in facts.costs:
        yield (
            f"| {FORMS[cost.form]} | {cost.bytes / 1e6:.1f} MB | {cost.milliseconds:.1f} ms | "
            f"{cost.accuracy:.1%} of {cost.images} | {cost.same:.1%} | {cost.within:.1%} | "
            f"{cost.largest_difference:.2g} |"
        )
    exact = any(cost.form == "exact" for cost in facts.costs)
    if exact and facts.ranked:
        yield (
            "\nThe time of a picture is that of the whole network: both trunks, fusion stack, scaling, choice of "
            "features, classifier. Scaling enlarges what rounding leaves of the trunks' maps; 64 bits show by how much."
        )
    elif exact:
        yield (
            "\nA spiking neuron fires or does not: if rounding tips one that was at its threshold, its spike is "
            "seen in the logits. 64 bits show on how many pictures PyTorch's own rounding does so; ONNX Runtime rounds "
            "elsewhere."
        )


def _explains(facts: Export) -> Iterator[str]:
    for kind in facts.maps:
        yield f"{literal(kind.title)}: {literal(kind.text)}"
    if facts.ranked:
        attends = literal(facts.attention) if facts.attention else "Its classifier attends to none of them."
        yield (
            f"Ranked features: {len(facts.ranked)} are read, {literal(facts.ranked[0])} first. An answer lists ten, by "
            f"attention or else by effect (gradient times value, on the logit of the named class). {attends}"
        )


def _task(facts: Export) -> str:
    if facts.reader:
        return "It finds the white cells of a field or of a picture of a single cell, and names for each one of"
    return "It names for a picture of a blood smear one of"


def _limits(facts: Export) -> Iterator[str]:
    yield "It knows no other class than those above: any other cell or disease gets one of these names, or is refused."
    yield "Refusing what is unlike the training images misses much that is: an answer is no proof that it knows."
    yield "Probabilities and sets hold for images like those of the calibration: one laboratory, stain and microscope."
    yield "A map shows where the network's maps weigh in, or where it gathers from, not that it reasons as a person."
    how = "a network trained on masks" if facts.segmenter.method == "unet" else "thresholds"
    yield f"White cells are found by {how}; outlines are estimates, and sizes go by the red cells of the same picture."


def licences(study: Study, cohort: str, weights: str) -> tuple[str, ...]:
    """One line for each cohort that was trained on, and for the weights that training started from."""
    adapt = study.segmentation.adapt
    trained_on = study.laboratories(cohort) or (cohort,)
    names = dict.fromkeys([*trained_on, *study.segmentation.sources, *([adapt.cohort] if adapt else [])])
    lines = [f"{name}: {_terms(study.cohorts[name])}" for name in names]
    if weights in ("random", "fitted"):
        lines.append("No pretrained weights were used.")
    else:
        lines.append(f"Training started from weights that have their own licence: {weights}.")
    return (*lines, "The program LeukoFlow and networks drawn up by it: MIT licence.")


def _terms(cohort: Any) -> str:
    if cohort.kind == "synthetic":
        return "pictures drawn by LeukoFlow; no rights of others in them."
    citation = getattr(cohort, "citation", "")
    source = f" Source: {citation}" if citation else ""
    if licence := getattr(cohort, "licence", ""):
        return f"images under {licence}; keep the notice of their source.{source}"
    return f"images of others; ask their owners before you pass on what was made from them.{source}"


def licence_notes(facts: Export) -> str:
    """The licence notes, Markdown."""
    return "# Licences\n\n" + "\n".join(f"- {literal(note)}" for note in facts.licences) + "\n"
