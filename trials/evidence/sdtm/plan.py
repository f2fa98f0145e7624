"""What a trial's author states so that its data can be told in SDTM: domains of measurements, names of treatments.

A file of ``conf/sdtm`` holds it for one trial.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from trials.checks import Choice, fields
from trials.endpoints.count import Count
from trials.endpoints.ordinal import Drawn
from trials.errors import TrialError
from trials.evidence.sdtm.domains import DOMAINS, FINDINGS
from trials.protocol import Protocol

DOSES = ("protocol", "constant", "none")


@dataclass(frozen=True, slots=True)
class Finding:
    """Where a measurement or a covariate stands.

    Attributes
    ----------
    domain
        Domain of findings; of a covariate also ``DM``.
    code, test
        --TESTCD and --TEST; in ``DM`` the variable, such as AGE.
    category, specimen, location, method, evaluator, group, symbol
        --CAT, --SPEC, --LOC, --METHOD, --EVAL, --GRPID and, of genomics findings, the gene.
    unit
        Unit by controlled terminology; empty: that of the model's unit.
    values
        Of a covariate with levels, level to result.
    """

    domain: str
    code: str
    test: str = ""
    category: str = ""
    specimen: str = ""
    location: str = ""
    method: str = ""
    evaluator: str = ""
    group: str = ""
    symbol: str = ""
    unit: str = ""
    values: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what is no domain of findings, and names that SDTM cannot hold."""
        known = (*(name for name, one in DOMAINS.items() if one.of == FINDINGS and name != "PP"), "DM")
        fields(self, f"sdtm.{self.code}", domain=Choice(known))
        if not (self.code.isascii() and self.code.isalnum() and self.code.isupper() and len(self.code) <= 8):
            raise TrialError(f"sdtm.{self.code}: wants a code of at most 8 letters A-Z and digits, got {self.code!r}")
        if len(self.test) > 40 or (self.domain != "DM" and not self.test):
            raise TrialError(f"sdtm.{self.code}.test: wants a name of 1 to 40 characters, got {self.test!r}")


@dataclass(frozen=True, slots=True)
class Treatment:
    """What the subjects of an arm are given.

    Attributes
    ----------
    treatment
        EXTRT.
    route, form
        EXROUTE and EXDOSFRM.
    doses
        ``protocol``: the doses that were simulated; ``constant``: the model knows the treatment as constant, and EX
        has one record of `dose`, `unit` and `frequency` from the first simulated dose, or the start, to its end;
        ``none``: nothing is given.
    dose, unit, frequency
        Of a constant treatment.
    before
        Treatment given, at dose 0, from the start to the first simulated dose of a constant treatment.
    ends
        Intercurrent events that end a constant treatment, besides those that stop doses or leave.
    """

    treatment: str
    route: str = ""
    form: str = ""
    doses: str = "protocol"
    dose: float = 0.0
    unit: str = ""
    frequency: str = ""
    before: str = ""
    ends: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse half a statement."""
        fields(self, f"sdtm.treatments.{self.treatment}", doses=Choice(DOSES))
        object.__setattr__(self, "ends", tuple(self.ends))
        if self.doses == "constant" and not (self.unit and self.frequency):
            raise TrialError(f"sdtm.treatments.{self.treatment}: wants unit and frequency of a constant treatment")


@dataclass(frozen=True, slots=True)
class Event:
    """DSTERM and DSDECOD of an intercurrent event."""

    term: str
    decode: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What a trial's author states.

    Attributes
    ----------
    arms
        Code of at most 8 characters and description of each arm.
    treatments, measurements, covariates, events
        By the names that the trial has for arms, measurements, covariates and intercurrent events.
    summary
        Trial summary parameters (TSPARMCD) that the protocol does not tell, and their values.
    death
        Time-to-event endpoint that is death, or empty.
    """

    arms: Mapping[str, tuple[str, str]]
    treatments: Mapping[str, Treatment]
    measurements: Mapping[str, Finding]
    covariates: Mapping[str, Finding] = field(default_factory=dict)
    events: Mapping[str, Event] = field(default_factory=dict)
    summary: Mapping[str, str] = field(default_factory=dict)
    death: str = ""

    def check(self, protocol: Protocol) -> None:
        """Refuse a plan that is not of this protocol.

        Raises
        ------
        TrialError
            With everything that is missing and everything that the protocol does not have.
        """
        wanted: dict[str, tuple[str, ...]] = {
            "arms": tuple(arm.name for arm in protocol.arms),
            "treatments": tuple(arm.name for arm in protocol.arms),
            "measurements": tuple(one.name for one in protocol.measurements),
            "covariates": tuple(protocol.population.covariate_names),
            "events": tuple(event.name for event in protocol.intercurrent),
        }
        faults = []
        for part, names in wanted.items():
            have = getattr(self, part)
            faults += [f"{part}.{name} is missing" for name in names if name not in have]
            faults += [f"{part}.{name} is none of the trial's" for name in have if name not in names]
        if self.death and self.death not in {endpoint.name for endpoint in protocol.endpoints}:
            faults.append(f"death: {self.death} is none of the trial's endpoints")
        drawn = (one for one in protocol.endpoints if isinstance(one, (Count, Drawn)))
        faults += [f"endpoint {one.name} is drawn and never measured: SDTM has no place for it" for one in drawn]
        if faults:
            raise TrialError(f"sdtm: {'; '.join(faults)}")


_PARTS: Mapping[str, Any] = MappingProxyType(
    {"treatments": Treatment, "measurements": Finding, "covariates": Finding, "events": Event}
)


def read(source: str | Path) -> Plan:
    """Read a plan.

    Parameters
    ----------
    source
        Path of a YAML file, or name of a trial in ``conf/sdtm``.

    Raises
    ------
    TrialError
        When there is none, or it has fields that are not known.
    """
    import yaml

    from trials.compose import conf_dir

    path = Path(source) if str(source).endswith(".yaml") else conf_dir() / "sdtm" / f"{source}.yaml"
    if not path.is_file():
        raise TrialError(f"sdtm: there is no {path.name} that says in which domains the trial's data stand (conf/sdtm)")
    return made(yaml.safe_load(path.read_text(encoding="utf-8")))


def made(content: Mapping[str, Any]) -> Plan:
    """Make a plan of what a YAML file holds."""
    given: dict[str, Any] = {}
    for part, value in content.items():
        if part in _PARTS:
            given[part] = {name: _one(part, name, one) for name, one in (value or {}).items()}
        elif part == "arms":
            given[part] = {name: _arm(name, one) for name, one in value.items()}
        elif part in ("summary", "death"):
            given[part] = value if part == "death" else {str(name): str(one) for name, one in value.items()}
        else:
            raise TrialError(f"sdtm.{part}: is not known; wants arms, summary, death, {', '.join(_PARTS)}")
    for part in ("arms", "treatments", "measurements"):
        if part not in given:
            raise TrialError(f"sdtm.{part}: is missing")
    return Plan(**given)


def _one(part: str, name: str, value: Mapping[str, Any]) -> Any:
    try:
        return _PARTS[part](**value)
    except TypeError:
        known = ", ".join(_PARTS[part].__dataclass_fields__)
        raise TrialError(f"sdtm.{part}.{name}: got {', '.join(value)}; wants some of {known}") from None


def _arm(name: str, value: Any) -> tuple[str, str]:
    code, _, description = str(value).partition(": ")
    if not (0 < len(code) <= 8 and description):
        raise TrialError(
            f"sdtm.arms.{name}: wants a code of at most 8 characters, a colon and a description, got {value!r}"
        )
    return code, description
