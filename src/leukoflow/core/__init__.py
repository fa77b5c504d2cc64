"""Atomic files, errors, logging and progress, seeding, code fingerprints. Knows no other part of the package."""
