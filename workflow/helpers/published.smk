# What the papers publish, beside what is reproduced.

PUBLISHED_TABLES = ("published_vs_reproduced", "published_checks")


def papers_digest():
    """Digest of the papers' numbers, which are no Python and so in no fingerprint."""
    return tree_digest(os.path.join(SOURCE, "leukoflow", "config", "papers"))
