"""Families of hypotheses, tested together by one procedure: read from a trial, scored on what its run left."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from trials.checks import Labels, Number, fields, refuse
from trials.errors import TrialError
from trials.making import make, near
from trials.multiplicity.base import Procedure
from trials.multiplicity.decisions import adjust, familywise

if TYPE_CHECKING:
    from trials.operating import Characteristics
    from trials.protocol import Protocol, Result

type Source = "Result | str | Path"


@dataclass(frozen=True, slots=True)
class Family:
    """Analyses whose hypotheses a procedure tests at one familywise level, in the order it takes them."""

    procedure: Procedure
    alpha: float
    """Familywise level; of one-sided p-values a one-sided one."""
    hypotheses: tuple[str, ...] = ()
    """Names of analyses; none is all that decide."""
    name: str = ""
    """What the characteristics call it."""

    def __post_init__(self) -> None:
        """Coerce and check the fields."""
        fields(self, "family", alpha=Number(above=0, below=1), hypotheses=Labels())
        if not isinstance(self.procedure, Procedure):
            raise refuse("family.procedure", self.procedure, "a multiplicity procedure")


def read_families(spec: Mapping[str, Any], where: str = "multiplicity") -> tuple[Family, ...]:
    """Read families by name, as a trial's ``multiplicity:`` holds them.

    Each is a `Family`, or a mapping of its fields whose ``procedure`` is one or a mapping with ``_target_``, as in
    ``conf/multiplicity``.

    Raises
    ------
    TrialError
        Naming the field that is unknown, missing or wrong.
    """
    if not isinstance(spec, Mapping):
        raise refuse(where, spec, "a mapping of families by name")
    return tuple(_family(f"{where}.{name}", str(name), each) for name, each in spec.items())


def check_families(families: Sequence[Family], protocol: "Protocol") -> None:
    """Refuse families of analyses that are not there, have no p-values, or whose p-values are of another kind.

    Raises
    ------
    TrialError
        Naming the field; also where a trial may stop early, since the p-values of its last look are then not those of
        one test.
    """
    analyses = {analysis.name: analysis for analysis in protocol.analyses}
    for family in families:
        where = f"multiplicity.{family.name}"
        if family.name in analyses:
            raise refuse(where, family.name, "another name than that of an analysis")
        for name in family.hypotheses:
            if name not in analyses:
                raise TrialError(f"{where}.hypotheses: there is no analysis {name!r}{near(name, analyses)}")
        tested = [analyses[name] for name in family.hypotheses or _deciding(protocol)]
        for each in tested:
            if not (each.decides and each.has_p):
                raise refuse(f"{where}.hypotheses", each.name, "analyses that test with a p-value")
        family.procedure(np.ones((1, len(tested))))
        design = protocol.design
        if (design.looks, design.reestimation, design.escalation) != (None, None, None):
            raise TrialError(f"{where}: wants a design of one final analysis, not one with an interim look")


def _deciding(protocol: "Protocol") -> list[str]:
    return [analysis.name for analysis in protocol.analyses if analysis.decides]


def score(source: Source, families: Mapping[str, Any] | None = None) -> "Characteristics":
    """Return what families of hypotheses achieve over the replicates that a run left; nothing is simulated again.

    Parameters
    ----------
    source
        A result, or the folder of a run.
    families
        None for the trial's own; else by name, as `read_families` takes them.

    Returns
    -------
    ``{scenario: {family: {name: estimate}}}`` with the names of `familywise`.

    Raises
    ------
    TrialError
        When a family names what the outcomes do not have.
    """
    from trials.rules.scoring import stored

    if families is not None and not families:
        raise TrialError("families: got none, wants at least one")
    read = own_families(source) if families is None else read_families(families, "families")
    return scored(*stored(source), read)


def scored(outcomes: xr.Dataset, truth: xr.Dataset, families: Sequence[Family]) -> "Characteristics":
    """As `score`, from outcomes (scenario, replicate, analysis) and truth (scenario, analysis)."""
    found: Characteristics = {str(name): {} for name in outcomes["scenario"].values}
    for family in families:
        decisions = adjust(outcomes, family.procedure, alpha=family.alpha, hypotheses=family.hypotheses or None)
        for scenario, achieved in familywise(decisions, truth["null"]).items():
            found[scenario][family.name] = achieved
    return found


def own_families(source: Source) -> tuple[Family, ...]:
    """Families of the trial that a result or a run's folder belongs to."""
    import yaml

    if not isinstance(source, str | Path):
        return source.trial.families
    config = yaml.safe_load((Path(source) / "config.yaml").read_text(encoding="utf-8"))
    return read_families(config.get("multiplicity") or {})


def _family(where: str, name: str, spec: Any) -> Family:
    """Make a family out of one, or a mapping."""
    if isinstance(spec, Family):
        return Family(spec.procedure, spec.alpha, spec.hypotheses, name)
    if not isinstance(spec, Mapping) or not {"procedure", "alpha"} <= set(spec) <= {"procedure", "alpha", "hypotheses"}:
        raise refuse(where, spec, "a mapping of procedure, alpha and optionally hypotheses")
    procedure = spec["procedure"]
    made = make(f"{where}.procedure", procedure) if isinstance(procedure, Mapping) else procedure
    try:
        return Family(made, spec["alpha"], spec.get("hypotheses") or (), name)
    except TrialError as error:
        raise TrialError(str(error).replace("family.", f"{where}.", 1)) from None
