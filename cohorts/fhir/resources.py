"""Resources of a FHIR R4 bundle, field by field, with messages that name the resource."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from cohorts.errors import PopulationError

Resource = Mapping[str, Any]


def bundle_of(source: "str | Path | Mapping[str, Any]") -> Resource:
    """A bundle from a path or a mapping.

    Raises
    ------
    PopulationError
        If it is not a bundle.
    """
    if isinstance(source, Mapping):
        found: Any = source
    else:
        path = Path(source)
        if not path.is_file():
            raise PopulationError(f"bundle: there is no file {str(source)!r}")
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise PopulationError(f"{path}: not readable as JSON: {error}") from error
    if not isinstance(found, Mapping) or found.get("resourceType") != "Bundle":
        got = found.get("resourceType") if isinstance(found, Mapping) else type(found).__name__
        raise PopulationError(f"bundle: got resourceType {got!r}, wanted 'Bundle'")
    return found


def entries(bundle: Resource) -> Iterator[tuple[str, Resource]]:
    """Each resource with what refers to it: its fullUrl, else ``Type/id``."""
    for number, entry in enumerate(bundle.get("entry") or []):
        resource = entry.get("resource")
        if not isinstance(resource, Mapping) or "resourceType" not in resource:
            raise PopulationError(f"entry[{number}].resource: got {resource!r:.60}, wanted a resource")
        yield str(entry.get("fullUrl", "")), resource


def where(resource: Resource) -> str:
    """What a message calls a resource."""
    return f"{resource['resourceType']}/{resource.get('id', '?')}"


def codes(concept: Any, system: str) -> list[str]:
    """Codes of a CodeableConcept in a system."""
    coding = concept.get("coding") or [] if isinstance(concept, Mapping) else []
    return [str(c["code"]) for c in coding if c.get("system") == system and "code" in c]


def moment(text: Any, place: str) -> datetime:
    """A FHIR dateTime or instant that has a time of day, in UTC.

    Raises
    ------
    PopulationError
        If there is none, or it has no time of day or no zone.
    """
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError as error:
        raise PopulationError(f"{place}: got {text!r}, wanted a date with a time of day and a zone") from error
    if found.tzinfo is None or len(str(text)) <= len("2024-01-01"):
        raise PopulationError(f"{place}: got {text!r}, wanted a date with a time of day and a zone")
    return found.astimezone(UTC)


def born(text: Any, place: str) -> date:
    """A birth date; one without a day or month counts from its middle."""
    parts = str(text).split("-")
    try:
        year = int(parts[0])
        month = int(parts[1]) if len(parts) > 1 else 7
        day = int(parts[2]) if len(parts) > 2 else (15 if len(parts) > 1 else 2)
        return date(year, month, day)
    except ValueError as error:
        raise PopulationError(f"{place}: got {text!r}, wanted YYYY, YYYY-MM or YYYY-MM-DD") from error


def quantity(value: Any, place: str) -> tuple[float, str]:
    """Number and UCUM code of a Quantity.

    Raises
    ------
    PopulationError
        If it has no number, no unit, or a unit that is not of UCUM.
    """
    if not isinstance(value, Mapping) or not isinstance(value.get("value"), int | float):
        raise PopulationError(f"{place}: got {value!r:.80}, wanted a quantity with a value")
    system = value.get("system")
    if system not in (None, "http://unitsofmeasure.org"):
        raise PopulationError(f"{place}.system: got {system!r}, wanted UCUM (http://unitsofmeasure.org)")
    code = value.get("code", value.get("unit"))
    if not code:
        raise PopulationError(f"{place}: got {value!r:.80}, wanted a unit")
    return float(value["value"]), str(code)
