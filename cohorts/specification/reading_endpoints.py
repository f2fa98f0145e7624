"""Residual errors and other outcomes from YAML."""

import math

from cohorts.errors import PopulationError
from cohorts.specification.nodes import Node, quantity
from cohorts.specification.outcomes import OUTCOMES, Outcome
from cohorts.specification.quantities import Quantity
from cohorts.specification.residuals import BLQ, ERRORS, Residual

_POSITIVE = (0.0, math.inf)
_DEFAULTS = {"proportional": "proportional", "lognormal": "lognormal"}


def read_residual(node: Node) -> Residual:
    """Residual error of the output that the node is named after."""
    kind = node.choice("kind", ERRORS)
    node.only("kind", *ERRORS[kind].sigmas, "student", "blq", "source")
    source = node.optional("source")
    student: Quantity | None = None
    if "student" in node.value:
        student = quantity(node, "student", source, _POSITIVE, strict=True, default="student")
    blq = node.choice("blq", dict.fromkeys(BLQ)) if "blq" in node.value else ""
    sigmas = tuple(quantity(node, s, source, _POSITIVE, default=_DEFAULTS.get(s, "")) for s in ERRORS[kind].sigmas)
    return Residual(node.name, kind, sigmas, student, blq)


def read_outcome(node: Node) -> Outcome:
    """Outcome that the node is named after."""
    kind = node.choice("kind", OUTCOMES)
    row = OUTCOMES[kind]
    node.only("kind", *row.fields, *row.outputs, "source")
    source = node.optional("source")
    own = tuple(quantity(node, field, source, _POSITIVE, strict=True, default=field) for field in row.fields)
    drivers = tuple(node.text(output) for output in row.outputs)
    if len(set(drivers)) < len(drivers):
        raise PopulationError(f"{node.where}: got {list(drivers)}, wanted different outputs for {list(row.outputs)}")
    return Outcome(node.name, kind, own, drivers)
