"""Check a split for leaks: fail where its protocol promises that there are none, report them where it does not."""

import logging

from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.files import read_table, write_json
from leukoflow.core.step import parser, run
from leukoflow.quality.audit import LABELS, audit, summary

log = logging.getLogger("leukoflow")
NAMED = 5


def main(argv: list[str] | None) -> int | None:
    arguments = parser(__doc__)
    arguments.add_argument("--protocol", required=True, help="its name")
    arguments.add_argument("--dropped", action="store_true", help="whether copies are removed from training")
    arguments.add_argument("--cohort", required=True)
    arguments.add_argument("--split", required=True)
    arguments.add_argument("--manifest", required=True)
    arguments.add_argument("--groups", required=True)
    arguments.add_argument("--duplicates", required=True)
    arguments.add_argument("--output", required=True, help="report, JSON; not written if a promise is broken")
    options = arguments.parse_args(argv)

    cohort = options.cohort
    split = read_table(options.split)
    groups = read_table(options.groups)
    groups = groups.loc[groups["cohort"] == cohort, ["image_id", "duplicate_group", "acquisition"]]
    images = read_table(options.manifest, ["image_id", "sha256", "patient", "slide", "site"])
    images = images.merge(groups, on="image_id", how="left")
    pairs = read_table(options.duplicates)
    pairs = pairs[(pairs["cohort_a"] == cohort) & (pairs["cohort_b"] == cohort)]

    findings = audit(split, images, pairs, options.protocol, options.dropped)
    for finding in findings:
        log.info("%s: %d found, %d test images touched", finding.check, finding.count, finding.test_images)
        if finding.check.startswith("alike") and finding.count:
            log.warning("%s: write them alike if they mean the same; %s", finding.check, finding.examples[0])
        if finding.check == LABELS and finding.count:
            named = "; ".join(finding.examples[:NAMED])
            log.warning("%d pairs of copies have different classes: %s", finding.count, named)
    broken = [finding for finding in findings if finding.broken]
    if broken:
        counts = ", ".join(f"{finding.count} by {finding.check}" for finding in broken)
        examples = list(dict.fromkeys(example for finding in broken for example in finding.examples))
        raise LeukoFlowError(
            f"{options.split}: the promise of protocol {options.protocol!r} is broken: {counts}; "
            f"{'; '.join(examples[:NAMED])}{'; ...' if len(examples) > NAMED else ''}; delete the split and run again"
        )
    write_json(options.output, summary(split, findings, cohort, options.protocol))
    return None


if __name__ == "__main__":
    run(main)
