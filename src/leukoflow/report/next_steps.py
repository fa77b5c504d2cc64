"""What to do next: actions that follow from the findings and from the best results."""

from collections.abc import Sequence
from dataclasses import dataclass

from leukoflow.config.study import Study
from leukoflow.report.findings import Finding
from leukoflow.report.headlines import Headline


@dataclass(frozen=True)
class Step:
    """One thing to do, and the sections that say why."""

    text: str
    sections: tuple[str, ...]


def next_steps(study: Study, headlines: Sequence[Headline], found: Sequence[Finding]) -> list[Step]:
    """Actions without repeats: those of grave findings, of weak results, of other findings, and what is not tested."""
    grave = [(each.action, each.section) for each in found if each.action and each.tone == "bad"]
    other = [(each.action, each.section) for each in found if each.action and each.tone != "bad"]
    reasons: dict[str, list[str]] = {}
    for action, section in [*grave, *_weak(headlines), *other, *_untested(study)]:
        reasons.setdefault(action, []).append(section)
    return [Step(action, tuple(dict.fromkeys(filter(None, sections)))) for action, sections in reasons.items()]


def _weak(headlines: Sequence[Headline]) -> list[tuple[str, str]]:
    """Experiments whose best network does no more than colours do; the strictest split of each decides."""
    strictest = {each.experiment: each for each in reversed(headlines)}
    weak = [each.experiment for each in headlines if each.tone == "bad" and strictest[each.experiment] is each]
    text = "Do not use the networks of experiment {}: none is above the colour baseline on the strictest split."
    return [(text.format(name), "leaderboards") for name in weak]


def _untested(study: Study) -> list[tuple[str, str]]:
    """Experiments that meet no images from elsewhere."""
    if any(each.external for each in study.experiments.values()):
        return []
    text = "Test the best models on images from another laboratory: no experiment of this study does (key external)."
    return [(text, "external")]
