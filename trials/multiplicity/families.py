"""Families of hypotheses, tested together by one procedure, scored on what a run left."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trials.checks import Labels, Number, fields, refuse
from trials.errors import TrialError
from trials.making import make
from trials.multiplicity.base import Procedure
from trials.multiplicity.decisions import adjust, familywise

if TYPE_CHECKING:
    from trials.operating import Estimate
    from trials.protocol import Result

type Source = "Result | str | Path"


@dataclass(frozen=True, slots=True)
class Family:
    """Analyses whose hypotheses a procedure tests at one familywise level, in the order it takes them."""

    procedure: Procedure
    alpha: float
    """Familywise level; of one-sided p-values a one-sided one."""
    hypotheses: tuple[str, ...] = ()
    """Names of analyses; none is all that decide."""

    def __post_init__(self) -> None:
        """Coerce and check the fields."""
        fields(self, "family", alpha=Number(above=0, below=1), hypotheses=Labels())
        if not isinstance(self.procedure, Procedure):
            raise refuse("family.procedure", self.procedure, "a multiplicity procedure")


def score(source: Source, families: Mapping[str, Any]) -> dict[str, dict[str, dict[str, "Estimate"]]]:
    """Return what families of hypotheses achieve over the replicates that a run left; nothing is simulated again.

    Parameters
    ----------
    source
        A result, or the folder of a run.
    families
        By name a `Family`, or a mapping of its fields whose ``procedure`` is one or a mapping with ``_target_``, as in
        ``conf/multiplicity``.

    Returns
    -------
    ``{scenario: {family: {name: estimate}}}`` with the names of `familywise`.

    Raises
    ------
    TrialError
        When a family names what the outcomes do not have.
    """
    from trials.rules.scoring import stored

    if not families:
        raise TrialError("families: got none, wants at least one")
    outcomes, truth = stored(source)
    found: dict[str, dict[str, dict[str, Estimate]]] = {}
    for name, spec in families.items():
        family = spec if isinstance(spec, Family) else _family(f"families.{name}", spec)
        decisions = adjust(outcomes, family.procedure, alpha=family.alpha, hypotheses=family.hypotheses or None)
        for scenario, achieved in familywise(decisions, truth["null"]).items():
            found.setdefault(scenario, {})[name] = achieved
    return found


def _family(where: str, spec: Any) -> Family:
    """Make a family out of a mapping."""
    if not isinstance(spec, Mapping) or not {"procedure", "alpha"} <= set(spec) <= {"procedure", "alpha", "hypotheses"}:
        raise refuse(where, spec, "a mapping of procedure, alpha and optionally hypotheses")
    procedure = spec["procedure"]
    made = make(f"{where}.procedure", procedure) if isinstance(procedure, Mapping) else procedure
    return Family(made, spec["alpha"], tuple(spec.get("hypotheses") or ()))
