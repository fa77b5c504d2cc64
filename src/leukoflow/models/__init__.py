"""Architectures: one file for each registered name, the blocks they share in `layers`."""
