"""Names that look alike, as the report says it."""

import pandas as pd
import pytest

from leukoflow.report.alike import alike_findings
from leukoflow.report.findings import Finding


def told(audit: list[tuple], cohorts: list[tuple]) -> dict[str, Finding]:
    columns = ["protocol", "fold", "test", "test_with_alike_patient", "test_with_alike_slide", "alike"]
    tables = {
        "audit": pd.DataFrame(audit, columns=columns).assign(cohort="home", task="kind"),
        "cohorts": pd.DataFrame(cohorts, columns=["fact", "label", "measured"]).assign(cohort="home"),
    }
    return {finding.title: finding for finding in alike_findings(None, tables)}  # type: ignore[arg-type]


@pytest.mark.parametrize("protocol", ["image", "duplicate", "acquisition", "patient"])
def test_it_matters_where_the_protocol_keeps_them_apart(protocol: str) -> None:
    by_title = told([(protocol, 0, 10, 4, 0, "patient 'P1', 'p1'"), (protocol, 1, 10, 1, 0, "patient 'P1', 'p1'")], [])
    if protocol != "patient":
        assert not by_title
        return
    finding = by_title["One patient in several roles? home, kind, patient split"]
    assert finding.tone == "bad" and "5 of 20 test images" in finding.text
    assert finding.text.count("'P1', 'p1'") == 1


@pytest.mark.parametrize(("protocol", "slides"), [("image", 0), ("acquisition", 1), ("patient", 1)])
def test_slides_likewise(protocol: str, slides: int) -> None:
    by_title = told([(protocol, 0, 10, float("nan"), 3, "slide 'S1', 's1'")], [])
    assert len(by_title) == slides and all("3 of 10 test images" in finding.text for finding in by_title.values())


def test_lost_labels_are_grave_and_the_rest_is_noted() -> None:
    by_title = told(
        [("patient", 0, 10, 0, 0, "")],
        [
            ("images", "", 40),
            ("alike patient", "'P1', 'p1'", 7),
            ("alike label", "'b', 'B'", 5),
            ("unlabelled by a name", "'b', 'B'", 2),
            ("alike class", "'a', 'A' of task kind", 9),
        ],
    )
    assert {title: finding.tone for title, finding in by_title.items()} == {
        "A label that looks like a class: home": "bad",
        "Labels lost in home": "bad",
        "Patients with look-alike names in home": "warn",
    }
    assert "2 images have no label" in by_title["Labels lost in home"].text
    assert "9 images take no part" in by_title["A label that looks like a class: home"].text
