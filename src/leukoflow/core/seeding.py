"""Random streams named by what they are for, so that no draw depends on the order of the others."""

import hashlib

import numpy as np


def stream_seed(*name: str | int) -> int:
    """A 63-bit seed that depends on every part of the name, for instance (42, "augment", epoch, index)."""
    digest = hashlib.sha256("\x1f".join(map(str, name)).encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1


def generator(*name: str | int) -> np.random.Generator:
    """A NumPy generator for the named stream."""
    return np.random.default_rng(stream_seed(*name))
