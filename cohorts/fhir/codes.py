"""What the codes in a bundle mean to a population: outputs, covariates and compartments."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from cohorts.errors import PopulationError
from cohorts.specification.nodes import Node

LOINC, RXNORM, SNOMED = "http://loinc.org", "http://www.nlm.nih.gov/research/umls/rxnorm", "http://snomed.info/sct"
UCUM = "http://unitsofmeasure.org"
PICKS = ("baseline", "first", "last", "each")
"""Which of several values of a covariate counts: the last one up to the first dose (else the first after it), the
first, the last, or each from its time on."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What Observations with some LOINC codes are.

    Attributes
    ----------
    name
        The output or covariate.
    codes
        LOINC codes; the first is written.
    display
        What they are called.
    unit
        UCUM code of the unit the model or population has it in; empty for one with levels.
    levels
        For a covariate with levels: code or text in the bundle to the level.
    pick
        For a covariate: row of `PICKS`.
    """

    name: str
    codes: tuple[str, ...]
    display: str
    unit: str
    levels: tuple[tuple[str, str], ...] = ()
    pick: str = "baseline"


@dataclass(frozen=True, slots=True)
class Drug:
    """What MedicationAdministrations with some RxNorm codes are.

    Attributes
    ----------
    into
        State the dose goes into; "" for the model's first.
    codes, display
        RxNorm codes, the first is written; what they are called.
    unit
        UCUM code of the unit doses have in the model.
    routes
        SNOMED codes of the routes that go there, the first is written; empty for any.
    """

    into: str
    codes: tuple[str, ...]
    display: str
    unit: str
    routes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Codes:
    """Meaning of a bundle's codes.

    Attributes
    ----------
    name, source
        What it is called and where the codes come from.
    outputs, covariates
        Of Observations.
    drugs
        Of MedicationAdministrations.
    age
        Name of the covariate that is the age in years at the first dose; empty for none.
    sex
        Name of the covariate that is the gender; empty for none.
    sexes
        Gender in the bundle to the covariate's level.
    molar_mass
        In g/mol, of what is measured in amounts of substance; None where that is not to be converted.
    """

    name: str
    source: str
    outputs: tuple[Measured, ...]
    covariates: tuple[Measured, ...]
    drugs: tuple[Drug, ...]
    age: str = ""
    sex: str = ""
    sexes: tuple[tuple[str, str], ...] = ()
    molar_mass: float | None = None


def load_codes(source: "str | Path | Mapping[str, Any] | Codes") -> Codes:
    """Read codes: a name in ``conf/fhir``, a path to a YAML file, or a mapping.

    Raises
    ------
    PopulationError
        Naming the field, what it got and what it wanted.
    """
    if isinstance(source, Codes):
        return source
    if isinstance(source, Mapping):
        return _codes(Node("", source))
    path = Path(source)
    if path.suffix not in {".yaml", ".yml"}:
        path = _folder() / f"{source}.yaml"
    if not path.is_file():
        known = sorted(p.stem for p in _folder().glob("*.yaml"))
        raise PopulationError(f"codes: got {str(source)!r}, wanted a YAML file or one of {known}")
    try:
        written = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise PopulationError(f"{path}: not readable as YAML: {error}") from error
    return _codes(Node("", written))


def _folder() -> Path:
    root = Path(__file__).resolve().parents[2]
    beside = root / "conf" / "fhir"
    return beside if beside.is_dir() else root / "trials" / "_conf" / "fhir"


def _codes(node: Node) -> Codes:
    node.only("name", "source", "patient", "observations", "covariates", "drugs", "molar_mass")
    patient = node.inner("patient").only("age", "sex", "levels")
    return Codes(
        node.text("name"),
        node.text("source"),
        tuple(_measured(n, levels=False) for n in node.inner("observations").named()),
        tuple(_measured(n, levels=True) for n in node.inner("covariates").named()),
        tuple(_drug(n) for n in node.inner("drugs").named()),
        patient.optional("age"),
        patient.optional("sex"),
        tuple((str(k), str(v)) for k, v in patient.inner("levels").value.items()),
        node.number("molar_mass") if "molar_mass" in node.value else None,
    )


def _measured(node: Node, *, levels: bool) -> Measured:
    node.only("loinc", "display", "unit", *(("levels", "pick") if levels else ()))
    own = tuple((str(k), str(v)) for k, v in node.inner("levels").value.items())
    if bool(own) == ("unit" in node.value):
        raise PopulationError(f"{node.where}: wanted either unit or levels")
    pick = node.choice("pick", dict.fromkeys(PICKS), "baseline") if levels else "baseline"
    return Measured(node.name, _list(node, "loinc"), node.text("display"), node.optional("unit"), own, pick)


def _drug(node: Node) -> Drug:
    node.only("rxnorm", "display", "unit", "routes", "into")
    routes = _list(node, "routes") if "routes" in node.value else ()
    return Drug(node.optional("into"), _list(node, "rxnorm"), node.text("display"), node.text("unit"), routes)


def _list(node: Node, key: str) -> tuple[str, ...]:
    found = node.need(key)
    found = found if isinstance(found, list) else [found]
    if not found or not all(isinstance(v, str | int) and not isinstance(v, bool) for v in found):
        raise PopulationError(f"{node.path(key)}: got {found!r}, wanted a code or a list of codes")
    return tuple(str(v) for v in found)
