"""Sections of the report: their order, titles and the groups that its contents list."""

GROUPS: dict[str, dict[str, str]] = {
    "Findings": {"know": "What a reader must know", "leaderboards": "Leaderboards"},
    "Audits": {
        "shortcuts": "Shortcut audit",
        "leakage": "Leakage audit",
        "splits": "Splits and leakage",
        "external": "External cohorts",
    },
    "Trust": {
        "assessment": "Calibration and discrimination",
        "robustness": "Robustness",
        "abstention": "Abstention and novelty",
        "statistics": "Statistics",
    },
    "Papers": {"published": "Published and reproduced"},
    "Detail": {
        "details": "Results in detail",
        "cells": "White cells",
        "features": "Features",
        "efficiency": "Efficiency",
        "explanations": "Where the networks look",
    },
    "Material": {"cohorts": "Cohorts and image quality", "views": "Views", "methods": "Methods"},
}
"""Title of each section by name, in groups, in the order of the page."""
TITLES = {name: title for sections in GROUPS.values() for name, title in sections.items()}
