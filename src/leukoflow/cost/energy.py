"""Energy of one image's forward pass by counting operations (Horowitz 2014, doi 10.1109/ISSCC.2014.6757323: 45 nm,
32-bit floating point, a multiplication and addition 4.6 pJ, an addition 0.9 pJ).

E = 4.6 pJ * MACs of layers that are given values + 0.9 pJ * synaptic operations (SOPs) of layers that are given spikes;
SOPs of a layer = firing rate of what it is given * its MACs over all time steps. The gates of squeeze-and-excitation
and the first linear layer of the head, behind the pooling, are given values. Memory, which costs more than arithmetic,
is left out, and so are norms, neurons' own updates and multiplications by gates.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from leukoflow.cost.macs import POINTWISE, VALUES, Layer

MAC_PJ = 4.6
ADDITION_PJ = 0.9
COLUMNS = [
    "steps", "macs", "macs_on_values", "sops", "energy_uj", "energy_stem_repeated_uj", "energy_between_uj",
    "energy_without_between_uj", "between", "between_rate", "twin_macs", "energy_twin_uj", "break_even_rate",
]  # fmt: skip
_PJ_TO_UJ = 1e-6


def energy(layers: Sequence[Layer], rates: Mapping[str, float]) -> dict[str, float | str]:
    """`COLUMNS` of one network: counts for one image, energies in microjoules.

    `rates` are the firing rates (spikes per neuron and step, in [0, 1]) of a spiking network; without them the energy
    is that of its MACs, and what only spiking networks have is empty. `energy_stem_repeated_uj`: the layers that see
    the same image at each step are computed again at each. `energy_between_uj` and `energy_without_between_uj`: with
    and without neurons between depthwise and pointwise convolution; if the network has none, they are taken to
    fire at the mean of the other rates (`between` says `assumed`). `energy_twin_uj`: the same layers without spikes,
    run once. `break_even_rate`: the mean rate at which spikes cost what the twin does; empty if none does.
    """
    macs = sum(layer.macs for layer in layers)
    if not rates:
        return {"steps": 1, "macs": macs, "macs_on_values": macs, "energy_uj": _uj(macs, 0), "between": ""}
    steps = max(layer.steps for layer in layers)
    on_values, sops = _split(layers, rates)
    once = sum(layer.macs for layer in layers if layer.steps == 1)
    twin = sum(layer.macs // layer.steps for layer in layers)
    pointwise = [layer for layer in layers if layer.kind == POINTWISE]
    others = [layer for layer in layers if layer.kind != POINTWISE]
    measured = [rates[layer.given] for layer in pointwise if layer.given != VALUES]
    between_rate = float(np.mean(measured or list(rates.values())))
    rest, rest_sops = _split(others, rates)
    between = sum(layer.macs * rates.get(layer.given, between_rate) for layer in pointwise)
    on_spikes = macs - on_values
    break_even = (twin - on_values) * MAC_PJ / (on_spikes * ADDITION_PJ) if on_spikes else np.nan
    return {
        "steps": steps,
        "macs": macs,
        "macs_on_values": on_values,
        "sops": sops,
        "energy_uj": _uj(on_values, sops),
        "energy_stem_repeated_uj": _uj(on_values + once * (steps - 1), sops),
        "energy_between_uj": _uj(rest, rest_sops + between),
        "energy_without_between_uj": _uj(rest + sum(layer.macs for layer in pointwise), rest_sops),
        "between": "measured" if measured else "assumed",
        "between_rate": between_rate,
        "twin_macs": twin,
        "energy_twin_uj": _uj(twin, 0),
        "break_even_rate": break_even if break_even > 0 else np.nan,
    }


def _split(layers: Sequence[Layer], rates: Mapping[str, float]) -> tuple[int, float]:
    """MACs of the layers that are given values, SOPs of those that are given spikes."""
    on_values = sum(layer.macs for layer in layers if layer.given == VALUES)
    return on_values, sum(layer.macs * rates[layer.given] for layer in layers if layer.given != VALUES)


def _uj(macs: float, additions: float) -> float:
    return (MAC_PJ * macs + ADDITION_PJ * additions) * _PJ_TO_UJ
