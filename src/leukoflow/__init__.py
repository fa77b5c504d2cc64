"""Leukaemia and blood-cell classification from smear images: five published systems, reproduced and audited."""

__version__ = "0.1.0"
