"""Protocols by name: the ready ones, and what a name says of what is kept together and of leaks.

A name says it on purpose: it is the key of every run, table and figure, so that none of these can be shown without it.
"""

from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import ValidationError

from leukoflow.config.base import Name, Section
from leukoflow.config.errors import explain, nearest
from leukoflow.config.models import Model
from leukoflow.config.splits import Division, Groups, Leak, Splits
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.runs import is_baseline

FILE = Path(__file__).parent / "protocols.yaml"
PLAIN: tuple[str, ...] = get_args(Groups)
"""Protocols that are named by what they keep together alone, divided as section `splits` says."""
LEAKY = "leaky_"
"""Names of protocols with leaks begin with it, and no others."""


class Ready(Section):
    """The ready protocols."""

    protocols: dict[Name, Division]
    """By name."""


@cache
def ready() -> dict[str, Division]:
    """The ready protocols by name. Raises LeukoFlowError: which key, what is wrong."""
    try:
        entries = yaml.safe_load(FILE.read_text(encoding="utf-8"))
        divisions = Ready.model_validate({"protocols": entries}).protocols
    except ValidationError as error:
        raise LeukoFlowError(f"{FILE}: {explain(error, Ready)}") from error
    except (OSError, yaml.YAMLError) as error:
        raise LeukoFlowError(f"{FILE}: cannot be read as YAML ({error})") from error
    for name, division in divisions.items():
        if problem := misnamed(name, division):
            raise LeukoFlowError(f"{FILE}: {problem}")
    return divisions


def is_leaky(name: str) -> bool:
    """Whether a protocol has leaks that were made on purpose, by its name."""
    return name.startswith(LEAKY)


@cache
def root_of(name: str) -> str:
    """What a name begins with, `leaky_` apart: a ready protocol, or what is kept together; empty if neither."""
    rest = name.removeprefix(LEAKY)
    known = [*get_args(Groups), *_ready_groups()]
    return max((start for start in known if f"{rest}_".startswith(f"{start}_")), key=len, default="")


@cache
def groups_of(name: str) -> Groups:
    """What a protocol keeps together, by its name. Raises LeukoFlowError for a name that does not say it."""
    root = root_of(name)
    if not root:
        raise LeukoFlowError(f"{name!r} is no name of a protocol: it says nothing of what is kept together")
    groups: Groups = _ready_groups().get(root, root)
    return groups


@cache
def _ready_groups() -> dict[str, Any]:
    # As written, for whether the names of ready protocols are right is looked at with this.
    entries = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return {name: entry.get("groups", "image") for name, entry in entries.items() if not is_leaky(name)}


def strictness(name: str) -> tuple[bool, int, bool, str]:
    """Key that sorts names of protocols from loose to strict: those with leaks first, then by what is kept together.

    Of protocols that keep the same together those named by it alone come first.
    """
    return not is_leaky(name), get_args(Groups).index(groups_of(name)), name not in PLAIN, name


def in_order(names: Iterable[str]) -> list[str]:
    """The names, once, from loose to strict."""
    return sorted(set(names), key=strictness)


def strictest(names: Iterable[str]) -> str:
    """The strictest of the names; one with leaks only if there is no other."""
    return max(names, key=strictness)


def misnamed(name: str, division: Division) -> str:
    """What is wrong with the name of a protocol, in one line; empty if nothing."""
    if name in PLAIN:
        return f"protocols.{name}: this name is taken, and section splits describes it; choose another"
    rest = name.removeprefix(LEAKY)
    right = f"{LEAKY if division.leaks else ''}{rest}"
    if is_leaky(name) != bool(division.leaks):
        why = "has leaks, so its name must begin" if division.leaks else "has no leaks, so its name must not begin"
        return f"protocols.{name}: it {why} with {LEAKY}; call it {right}"
    if not root_of(name) or groups_of(name) != division.groups:
        return (
            f"protocols.{name}: its name must begin with what it keeps together, or with a ready protocol that does; "
            f"call it {LEAKY if division.leaks else ''}{division.groups}_{rest}"
        )
    return ""


def division_of(name: str, protocols: Mapping[str, Division], splits: Splits) -> Division | None:
    """How a protocol divides images: an entry of the study's own, a ready one, or what section `splits` says."""
    if name in PLAIN:
        return Division.model_validate({"groups": name, **splits.model_dump()})
    return protocols.get(name, ready().get(name))


def leak_twins(protocols: Mapping[str, Division], names: Iterable[str], splits: Splits) -> dict[str, list[str]]:
    """For each protocol with leaks, those of the names that differ from it in their leaks alone and have fewer of them.

    The first has the fewest leaks, and of equal ones it is the one whose name begins alike.
    """
    twins: dict[str, list[str]] = {}
    divisions = {name: division for name in in_order(names) if (division := division_of(name, protocols, splits))}
    for name, division in divisions.items():
        others = [
            (len(other.leaks), root_of(twin) != root_of(name), twin)
            for twin, other in divisions.items()
            if set(other.leaks) < set(division.leaks) and other == division.model_copy(update={"leaks": other.leaks})
        ]
        if others:
            twins[name] = [twin for *_, twin in sorted(others)]
    return twins


def touches(leak: Leak, model: Model) -> bool:
    """Whether a leak can change what a model answers."""
    if leak == "fitted_on_all":
        return model.features is not None
    # Colours are fitted at once: no epoch is chosen.
    return leak != "validation_as_test" or not is_baseline(model.architecture)


def with_ready(config: Mapping[str, Any], source: str = "config") -> dict[str, Any]:
    """The config with the ready protocols that its section `protocols` names by `entry` written out.

    A key that the study gives replaces the entry's. Raises LeukoFlowError for an entry that is not known.
    """
    protocols = config.get("protocols")
    if not isinstance(protocols, Mapping):
        return dict(config)
    written = {}
    for name, protocol in protocols.items():
        if isinstance(protocol, Mapping) and "entry" in protocol:
            entry = protocol["entry"]
            if not isinstance(entry, str) or entry not in ready():
                hint = nearest(str(entry), ready())
                raise LeukoFlowError(f"{source}: protocols.{name}.entry: {entry!r} is not a ready protocol{hint}")
            changes = {key: value for key, value in protocol.items() if key != "entry"}
            protocol = ready()[entry].model_dump(mode="json", exclude_unset=True) | changes
        written[name] = protocol
    return {**config, "protocols": written}
