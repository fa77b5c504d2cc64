"""Sections of the report: their order, titles, questions, and the groups that its contents list."""

GROUPS: dict[str, dict[str, str]] = {
    "At a glance": {"summary": "Summary"},
    "Which model is best?": {
        "leaderboards": "Leaderboards",
        "statistics": "Statistics",
        "variants": "Ablations and sweeps",
        "details": "Results in detail",
    },
    "Can the accuracy be believed?": {
        "shortcuts": "Shortcut audit",
        "leakage": "Leakage audit",
        "splits": "Splits and leakage",
        "external": "External cohorts",
    },
    "Can an answer be trusted?": {
        "assessment": "Calibration and discrimination",
        "robustness": "Robustness",
        "abstention": "Abstention and novelty",
    },
    "What do the models look at?": {
        "explanations": "Where the networks look",
        "cells": "White cells",
        "features": "Features",
    },
    "How do the papers compare?": {"published": "Published and reproduced"},
    "What does it cost?": {"efficiency": "Efficiency"},
    "What is it made from?": {"cohorts": "Cohorts and image quality", "views": "Views", "methods": "Methods"},
}
"""Title of each section by name, in groups that follow a reader's questions, in the order of the page."""
TITLES = {name: title for sections in GROUPS.values() for name, title in sections.items()}
QUESTIONS = {
    "leaderboards": "Every model under every split, the colour baseline first.",
    "statistics": "Which differences between models are more than chance?",
    "variants": "What is each part worth, and which settings are best on validation images?",
    "details": "Learning curves, confusion matrices, ROC curves, and results by class.",
    "shortcuts": "Could colour, background, focus or compression explain the accuracies?",
    "leakage": "How much accuracy is lost under stricter splits and without copies?",
    "splits": "What do test images share with training images?",
    "external": "How do the models do on images from elsewhere?",
    "assessment": "Do probabilities mean what they say, and which classes are confused?",
    "robustness": "What happens under noise, blur, other light and other stains?",
    "abstention": "When should a model not answer, and does it notice?",
    "explanations": "Do heat maps lie on white cells, and do they depend on what was learned?",
    "cells": "How well are white cells found, and what do they measure?",
    "features": "Which features were chosen, and do they follow the slide?",
    "published": "Which published numbers can be true, and how do they compare with ours?",
    "efficiency": "Time, memory, operations, energy and training time of each model.",
    "cohorts": "Images, labels, duplicates and rejected files.",
    "views": "How the pictures look to the models.",
    "methods": "How numbers came about; software, configuration and tables.",
}
"""What each folded section answers, in one line."""
