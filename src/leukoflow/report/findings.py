"""What the audit found, in plain words computed from the tables."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from leukoflow.config.protocols import groups_of
from leukoflow.config.study import Study
from leukoflow.core import words
from leukoflow.core.runs import MEAN, is_baseline
from leukoflow.report.headlines import best_of, rows_of

UNLABELLED = "(no label)"
FEW_ODD, MANY_ODD = 0.01, 0.25
"""Shares of a cohort's images with implausible exposure from which that is a finding, and a grave one."""
KINDS = {
    "identical": "byte-identical",
    "near": "near-identical",
    "turned": "mirrored or quarter-turned",
    "moved": "turned, cropped or shifted",
}
"""Kinds of duplicate pairs in words."""
LOST = 0.05
"""Accuracy that is lost on laboratories left out from which on that is to bear in mind."""
NAMED = 5
"""Pairs of copies with different labels that a finding names."""


@dataclass(frozen=True)
class Finding:
    """One thing a reader must know."""

    tone: str
    """`bad` (undermines a result), `warn` (to bear in mind), `good` (checked and in order)."""
    title: str
    text: str
    section: str = ""
    """Name of the section whose tables it is from."""
    action: str = ""
    """What a reader should do about it, as one sentence; empty if nothing."""


def findings(study: Study, tables: Mapping[str, pd.DataFrame]) -> list[Finding]:
    """Findings from the tables leaderboard, external, cohorts, label_conflicts and audit, in the order of the pipeline;
    wrong labels come first."""
    leaderboard, external, cohorts, audit = (tables[name] for name in ("leaderboard", "external", "cohorts", "audit"))
    findings = [
        *_cautions(study),
        *_conflicts(tables["label_conflicts"]),
        *_exposure(cohorts),
        *_leakage(audit),
        *_overlap(study, external),
        *_laboratories(tables["laboratories"]),
    ]
    findings += [*_duplicates(cohorts), *_left_out(study), *_bars(cohorts), *_rejects(cohorts), *_warnings(cohorts)]
    return [*findings, *_published(cohorts), *_weights(leaderboard)]


def _cautions(study: Study) -> list[Finding]:
    """What the descriptions of cohorts warn of, of each cohort that an experiment uses."""
    named = {name for experiment in study.experiments.values() for name in (experiment.cohort, *experiment.external)}
    used = named | {part for name in named for part in study.laboratories(name)}
    findings = []
    for name, cohort in study.cohorts.items():
        caution = getattr(cohort, "caution", "")
        if name in used and caution:
            action = f"Do not quote results on {name} without this caution."
            findings.append(Finding("bad", f"Caution: {name}", caution, "cohorts", action))
    return findings


def gravest_first(findings: list[Finding]) -> list[Finding]:
    """Findings by tone, otherwise in their order."""
    order = {"bad": 0, "warn": 1, "good": 2}
    return sorted(findings, key=lambda finding: order[finding.tone])


def _exposure(cohorts: pd.DataFrame) -> list[Finding]:
    """Pictures that no network can see much in, first among the findings of their tone."""
    findings = []
    for cohort, facts in cohorts.groupby("cohort", sort=False):
        images = facts.loc[(facts["fact"] == "images") & (facts["label"] == ""), "measured"].sum()
        filled = facts.loc[facts["fact"] == "bits filled of 16", "measured"]
        if len(filled):
            bits = int(filled.iloc[0])
            text = f"The samples of its 16-bit files stay below {2**bits:,}, which {bits} bits hold, but are scaled as "
            text += (
                f"16 bits, so its pictures are dark. If the camera has {bits} bits, set cohorts.{cohort}.bits: {bits}."
            )
            tone = "warn" if bits == 15 else "bad"
            action = (
                f"Ask how many bits the camera of {cohort} has, and set cohorts.{cohort}.bits if it has fewer than 16."
            )
            findings.append(Finding(tone, f"{cohort} fills {bits} of 16 bits", text, "cohorts", action))
        odd = facts[facts["fact"] == "implausible exposure"]
        share = odd["measured"].sum() / max(1, images)
        if share >= FEW_ODD:
            kinds = [f"{words.count(n)} {kind}" for kind, n in zip(odd["label"], odd["measured"], strict=True)]
            text = f"Of {words.plural(images, 'image')}, {words.listed(kinds)}. No such smear is of use to a reader; "
            text += "look at the files, and at the range that their samples fill (bits)."
            tone = "bad" if share >= MANY_ODD else "warn"
            action = f"Look at the images of {cohort} with implausible exposure, and exclude those that show nothing."
            findings.append(Finding(tone, f"Implausible exposure in {cohort}", text, "cohorts", action))
    return findings


def _leakage(audit: pd.DataFrame) -> list[Finding]:
    findings = []
    for (cohort, task, protocol), folds in audit.groupby(["cohort", "task", "protocol"], sort=False):
        test, where = folds["test"].sum(), f"{cohort}, {task}, {protocol} split"
        duplicate, acquisition = folds["test_with_duplicate"].sum(), folds["test_with_acquisition"].sum()
        patient = folds["test_with_patient"].sum(min_count=1)
        parts = []
        if duplicate:
            parts.append(f"{_share(duplicate, test)} have a duplicate among the images trained on")
        if acquisition:
            parts.append(f"{_share(acquisition, test)} come from an acquisition that was also trained on")
        if patient > 0:
            parts.append(f"{_share(patient, test)} are of a patient who was also trained on")
        images = words.plural(test, "test image")
        if parts:
            text = f"Of {images}, {words.listed(parts)}. Such a split rewards recognising the picture or the slide."
            tone = "bad" if duplicate or patient > 0 or groups_of(protocol) == "image" else "warn"
            action = (
                f"Do not quote results of the {protocol} split of {cohort} as the main result: its test images are "
            )
            action += "not independent of the training images."
            findings.append(Finding(tone, f"Leakage: {where}", text, "splits", action if tone == "bad" else ""))
        elif not folds[["test_with_alike_patient", "test_with_alike_slide"]].sum().any():
            text = f"None of {images} shares a duplicate or an acquisition with the images trained on."
            findings.append(Finding("good", f"No leakage found: {where}", text, "splits"))
    return findings


def _share(part: float, whole: float) -> str:
    return f"{words.count(part)} ({words.percent(part / whole)})"


def _overlap(study: Study, external: pd.DataFrame) -> list[Finding]:
    findings = []
    for name, experiment in study.experiments.items():
        rows = rows_of(experiment, external)
        for target, part in rows[rows["target"].isin(experiment.external)].groupby("target", sort=False):
            strictest = part[part["protocol"] == part["protocol"].iloc[-1]]
            best, baseline = best_of(strictest)
            row = best if best is not None else baseline
            if row is not None:
                findings.append(_overlap_of(name, str(target), row))
    return findings


def _overlap_of(name: str, target: str, row: pd.Series) -> Finding:
    total = words.plural(row["images"] + row["unlabelled"], "image")
    scored = "None of its images has a label of this task"
    if row["images"]:
        limits = words.interval(row["low"], row["high"])
        scored = f"{row['model']} is right on {words.percent(row['accuracy'])} ({limits}) "
        scored += f"of all {words.plural(row['images'], 'labelled image')}"
    if row["removed"] == 0:
        text = f"No duplicate of its {total} was found among the images trained on. {scored}."
        return Finding("good", f"{target} is apart from {row['cohort']} ({name})", text, "external")
    text = (
        f"{words.count(row['removed'])} of its {total} have a duplicate among the {row['cohort']} images trained on. "
    )
    if row["unseen_images"] == 0:
        text += f"{scored}; without the overlap no labelled image is left, so it checks nothing."
    else:
        limits = words.interval(row["unseen_low"], row["unseen_high"])
        text += f"{scored}, and on {words.percent(row['unseen_accuracy'])} ({limits}) "
        text += f"of the {words.count(row['unseen_images'])} left without the overlap."
    action = f"Remove from {target} the images that are also in {row['cohort']}, and judge it by the others alone."
    if row["unseen_images"] == 0:
        action = f"Find another external cohort than {target}: all its labelled images are in {row['cohort']} too."
    return Finding("bad", f"{target} overlaps with {row['cohort']} ({name})", text, "external", action)


def _conflicts(conflicts: pd.DataFrame) -> list[Finding]:
    """Copies of one picture under different labels: one of the two labels is wrong."""
    findings = []
    for (one, two), pairs in conflicts.groupby(["cohort_a", "cohort_b"], sort=False):
        where = f"within {one}" if one == two else f"in {one} and {two}"
        counts = pairs["kind"].value_counts()
        kinds = [words.plural(counts[kind], f"{text} pair") for kind, text in KINDS.items() if kind in counts]
        named = [
            f"{row.image_a} ({row.label_a}) and {row.image_b} ({row.label_b})" for row in pairs.head(NAMED).itertuples()
        ]
        text = f"One picture has two labels in {words.listed(kinds)}: {'; '.join(named)}"
        if len(pairs) > NAMED:
            text += f"; and {words.count(len(pairs) - NAMED)} more"
        text += ". At least one label of each pair is wrong. All are named in tables/label_conflicts.csv."
        action = "Correct or exclude the images named in tables/label_conflicts.csv, and run the study again."
        findings.append(Finding("bad", f"Copies with different labels {where}", text, "cohorts", action))
    return findings


def _duplicates(cohorts: pd.DataFrame) -> list[Finding]:
    findings = []
    for cohort, facts in cohorts.groupby("cohort", sort=False):
        measured = facts[facts["label"] == ""].set_index("fact")["measured"]
        counts, images = {kind: measured[f"{kind} pairs"] for kind in KINDS}, words.plural(measured["images"], "image")
        if sum(counts.values()):
            pairs = [words.plural(count, f"{KINDS[kind]} pair") for kind, count in counts.items() if count]
            text = f"{words.listed(pairs)}, which touch {words.count(measured['images with a duplicate'])} of {images}."
            findings.append(Finding("warn", f"Duplicates within {cohort}", text, "cohorts"))
        else:
            findings.append(Finding("good", f"No duplicates within {cohort}", f"None among {images}.", "cohorts"))
    return findings


def _bars(cohorts: pd.DataFrame) -> list[Finding]:
    findings = []
    for cohort, facts in cohorts.groupby("cohort", sort=False):
        images = facts[(facts["fact"] == "images") & (facts["label"] != "")].set_index("label")["measured"]
        kinds = {kind: _shares(facts, images, kind) for kind in ("scale bars", "red scale bars", "dark scale bars")}
        # Where every image has a bar, its colour may still go with the class.
        kind = max(kinds, key=lambda name: float(np.ptp(kinds[name])) if len(kinds[name]) else 0.0)
        shares = kinds[kind]
        if len(shares) and shares.iloc[0] > 0:
            phrases = [f"{words.percent(share, 0)} of {label}" for label, share in shares.items()]
            uneven = shares.iloc[0] - shares.iloc[-1] > 0.05
            text = f"{kind.capitalize()} burnt into the picture: {words.listed(phrases)}."
            text += " Such a bar gives the class away; every view has" if uneven else " Every view has"
            text += " them painted out."
            findings.append(Finding("warn" if uneven else "good", f"Scale bars in {cohort}", text, "cohorts"))
    return findings


def _shares(facts: pd.DataFrame, images: pd.Series, kind: str) -> pd.Series:
    """Share of each class's images with such a bar, the largest first."""
    bars = facts[facts["fact"] == kind].set_index("label")["measured"].drop(index=UNLABELLED, errors="ignore")
    return (bars / images.reindex(bars.index)).astype(float).dropna().sort_values(ascending=False, kind="stable")


def _rejects(cohorts: pd.DataFrame) -> list[Finding]:
    findings = []
    for cohort, facts in cohorts.groupby("cohort", sort=False):
        rejected = facts[facts["fact"] == "rejected"]
        total = rejected.loc[rejected["label"] == "", "measured"].sum()
        if total:
            listed = facts.loc[facts["fact"] == "listed", "measured"].sum()
            rows = rejected[rejected["label"] != ""].head(4)
            reasons = [
                f"{reason} ({words.count(n)})" for reason, n in zip(rows["label"], rows["measured"], strict=True)
            ]
            text = (
                f"{words.count(total)} of {words.plural(listed, 'file')} could not be used: {words.listed(reasons)}. "
            )
            text += f"Each is named in cohorts/{cohort}/rejects.csv."
            action = f"Look at the files named in cohorts/{cohort}/rejects.csv, and repair or replace them."
            findings.append(Finding("warn", f"Rejected files in {cohort}", text, "cohorts", action))
    return findings


def _warnings(cohorts: pd.DataFrame) -> list[Finding]:
    """What a listing warned of: patterns and labels that fit nothing, and the like."""
    findings = []
    for cohort, part in cohorts[cohorts["fact"] == "warning"].groupby("cohort", sort=False):
        text = " ".join(f"{warning[:1].upper()}{warning[1:]}." for warning in part["label"].astype(str))
        action = f"Check the entry cohorts.{cohort} of the config."
        findings.append(Finding("warn", f"Check the config of {cohort}", text, "cohorts", action))
    return findings


def _laboratories(table: pd.DataFrame) -> list[Finding]:
    """Of each experiment by laboratory, how its best network does at home and on laboratories left out."""
    found = []
    networks = table[~table["model"].map(is_baseline)] if len(table) else table
    for (cohort, task, view, _), part in networks.groupby(["cohort", "task", "view", "protocol"], sort=False):
        means = part[part["laboratory"] == MEAN]
        best = means.sort_values("accuracy", ascending=False).iloc[0]
        rows = part[(part["model"] == best["model"]) & (part["laboratory"] != MEAN)]
        worst = rows.sort_values("accuracy").iloc[0]
        text = (
            f"{best['model']} is right on {words.percent(best['home_accuracy'])} of images of the laboratories that it "
            f"was trained on, and on {words.percent(best['accuracy'])} (mean of {len(rows)}) of those of a laboratory "
            f"that it has seen nothing of; worst {worst['laboratory']}, {words.percent(worst['accuracy'])} "
            f"({words.interval(worst['low'], worst['high'])})."
        )
        tone = "warn" if best["home_accuracy"] - best["accuracy"] > LOST else "good"
        found.append(Finding(tone, f"Laboratories left out: {cohort}, {task}, {view} view", text, "external"))
    return found


def _left_out(study: Study) -> list[Finding]:
    """Optional cohorts that this study went on without."""
    findings = []
    for name, cohort in study.cohorts.items():
        if cohort.kind == "folder" and cohort.left_out:
            text = f"Its folder is {cohort.root}, and this environment variable was not set. It is no external cohort "
            text += "and no source of masks here; set the variable and run again to have it."
            action = f"Set the variable that names the folder of {name}, and run the study again."
            findings.append(Finding("warn", f"Cohort {name} was left out", text, "cohorts", action))
    return findings


def _published(cohorts: pd.DataFrame) -> list[Finding]:
    findings = []
    for cohort, facts in cohorts.groupby("cohort", sort=False):
        whole = facts[(facts["fact"] == "images") & (facts["label"] == "")].iloc[0]
        if not words.missing(whole["published"]) and whole["published"] != whole["measured"]:
            here, there = words.plural(whole["measured"], "image"), words.count(whole["published"])
            text = f"{here} here; the source publishes {there}. Results are on the images here."
            findings.append(Finding("warn", f"{cohort} is not as published", text, "cohorts"))
    return findings


def _weights(leaderboard: pd.DataFrame) -> list[Finding]:
    models = list(dict.fromkeys(leaderboard.loc[leaderboard["weights"] == "random", "model"]))
    if not models:
        return []
    text = f"{words.listed(models)} started from random weights. "
    text += "Where a publication used pretrained ones, its numbers are not comparable."
    action = "Train from pretrained weights before comparing with a publication that used them."
    return [Finding("warn", "Random weights, not pretrained", text, "leaderboards", action)]
