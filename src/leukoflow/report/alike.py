"""Names that are probably meant to be one, as the report says it: in several roles of a split, in labels, elsewhere."""

from collections.abc import Iterator, Mapping

import pandas as pd

from leukoflow.config.study import Study
from leukoflow.core import words
from leukoflow.core.names import OVERLOOKED
from leukoflow.report.findings import Finding

KEPT_APART = {"patient": ("patient",), "slide": ("acquisition", "patient")}
"""For each kind of name, the protocols that promise to keep it in one role."""
KINDS = ("patient", "slide", "site", "label")
LABELS = "Name each of them in the cohort's labels, or write them in one way."
SHOWN = 8
"""Most groups of names in one finding."""


def alike_findings(study: Study, tables: Mapping[str, pd.DataFrame]) -> list[Finding]:
    """Findings from the tables audit and cohorts."""
    return [*_in_several_roles(tables["audit"]), *_in_cohorts(tables["cohorts"])]


def _in_several_roles(audit: pd.DataFrame) -> Iterator[Finding]:
    for (cohort, task, protocol), folds in audit.groupby(["cohort", "task", "protocol"], sort=False):
        for kind, protocols in KEPT_APART.items():
            touched, test = folds[f"test_with_alike_{kind}"].sum(), folds["test"].sum()
            if touched and protocol in protocols:
                names = "; ".join(dict.fromkeys(folds["alike"].dropna()))
                text = (
                    f"{words.count(touched)} of {words.plural(test, 'test image')} are of a {kind} whose name differs "
                )
                text += f"from that of a {kind} trained on {OVERLOOKED}: {names}. "
                text += f"If these are one {kind}, the split leaks: write its name in one way and run again."
                title = f"One {kind} in several roles? {cohort}, {task}, {protocol} split"
                action = f"Write the name of each {kind} of {cohort} in one way, and run the study again."
                yield Finding("bad", title, text, "splits", action)


def _in_cohorts(cohorts: pd.DataFrame) -> Iterator[Finding]:
    for name, facts in cohorts[cohorts["label"] != ""].groupby("cohort", sort=False):
        by_fact = {fact: part.set_index("label")["measured"] for fact, part in facts.groupby("fact")}
        nothing = pd.Series(dtype=object)
        for label, images in by_fact.get("alike class", nothing).items():
            text = f"{words.plural(images, 'image')} take no part, as their label differs from a class {OVERLOOKED}: "
            title, action = f"A label that looks like a class: {name}", f"Correct the labels of {name} in the config."
            yield Finding("bad", title, f"{text}{label}. {LABELS}", "cohorts", action)
        lost = by_fact.get("unlabelled by a name", nothing)
        for label, images in lost.items():
            text = f"{words.plural(images, 'image')} have no label, as names differ {OVERLOOKED}: {label}. {LABELS}"
            action = f"Correct the names in the table of labels of {name}, and run the study again."
            yield Finding("bad", f"Labels lost in {name}", text, "cohorts", action)
        for kind in KINDS:
            names = [str(label) for label in by_fact.get(f"alike {kind}", nothing).index if label not in lost]
            if names:
                more = f", and {words.count(len(names) - SHOWN)} more" if len(names) > SHOWN else ""
                text = f"Names differ {OVERLOOKED}: {'; '.join(names[:SHOWN])}{more}. "
                text += f"Each counts as a {kind} of its own; write those that mean the same in one way."
                yield Finding("warn", f"{kind.capitalize()}s with look-alike names in {name}", text, "cohorts")
