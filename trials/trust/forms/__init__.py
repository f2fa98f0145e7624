"""Whether files have the form of the standard they follow, with what is installed and without a network.

The schemas here are short and our own: the names and types that a standard demands of what we write. Define-XML and
CycloneDX are held to the official schemas, which installed packages bring along.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from trials.trust.finding import Finding

DESCRIPTOR = ("@type", "about", "conformsTo")
ROOT = ("@type", "name", "description", "datePublished", "license", "conformsTo", "mainEntity", "mentions", "hasPart")
FILE = ("@type", "name", "encodingFormat", "contentSize")
"""What RO-Crate 1.1 and Workflow Run Crate 0.5 ask of the descriptor, of the root and, as we write them, of files."""


def dataset_json(bag: Path, paths: Sequence[Path]) -> Iterator[Finding]:
    """Dataset-JSON 1.1: its fields, and rows as long as there are columns, as many as it says."""
    for path in paths:
        found = json.loads(path.read_bytes())
        faults = list(_faults("dataset-json", {name: value for name, value in found.items() if name != "rows"}))
        faults = faults or list(_row_faults(found))
        yield from (Finding(_name(bag, path), fault) for fault in faults)


def _row_faults(found: dict[str, Any]) -> Iterator[str]:
    """Rows by themselves: a schema would take a second for each hundred thousand cells."""
    rows, width = found.get("rows"), len(found["columns"])
    if not isinstance(rows, list) or len(rows) != found["records"]:
        yield f"says {found['records']} records and has {len(rows) if isinstance(rows, list) else 'no rows'}"
        return
    plain = (str, int, float, bool, type(None))
    for number, row in enumerate(rows, 1):
        if not isinstance(row, list) or len(row) != width or any(type(cell) not in plain for cell in row):
            yield f"row {number} has not {width} cells of text, numbers or null"
            return


def define(bag: Path, paths: Sequence[Path]) -> Iterator[Finding]:
    """Define-XML 2.1 with Analysis Results Metadata, by CDISC's schema."""
    from trials.errors import TrialError
    from trials.evidence.transport.define import validate

    for path in paths:
        try:
            validate(path)
        except TrialError as error:
            yield Finding(_name(bag, path), str(error))


def ars(bag: Path, paths: Sequence[Path]) -> Iterator[Finding]:
    """Analysis results: the fields, and every method and operation that is named is there."""
    for path in paths:
        found = json.loads(path.read_bytes())
        faults = list(_faults("ars", found))
        methods = {each["id"]: {one["id"] for one in each["operations"]} for each in found.get("methods", ())}
        for each in found.get("analyses", ()) if not faults else ():
            used = {result["operationId"] for result in each.get("results", ())}
            if each["methodId"] not in methods or used - methods[each["methodId"]]:
                faults.append(f"analysis {each['id']} names a method or an operation that is not there")
        yield from (Finding(_name(bag, path), fault) for fault in faults)


def usdm(bag: Path, paths: Sequence[Path]) -> Iterator[Finding]:
    """USDM 4.0: the fields of every class, no identifier of a class twice, and what is referred to is there."""
    wanted = _schema("usdm")["$defs"]["classes"]
    for path in paths:
        found = json.loads(path.read_bytes())
        ids = [(one["instanceType"], one["id"]) for one in _objects(found) if "id" in one and "instanceType" in one]
        twice = sorted({each for each in ids if ids.count(each) > 1})
        faults = [*_faults("usdm", found), *(f"{kind} {one} stands twice" for kind, one in twice)]
        known = {one for _, one in ids}
        for one in _objects(found):
            kind, place = one.get("instanceType"), f"{one.get('instanceType')} {one.get('id')}"
            lacking = sorted(set(wanted.get(kind, {"required": ()})["required"]) - set(one))
            faults += [f"{place} lacks {', '.join(lacking)}"] if lacking else []
            faults += [f"{place} refers to {each}, which is not there" for each in _referred(one) if each not in known]
        yield from (Finding(_name(bag, path), fault) for fault in faults)


def _referred(one: dict[str, Any]) -> Iterator[str]:
    """Identifiers that an instance of USDM names in its fields."""
    for name, value in one.items():
        if name.endswith("Id") and value is not None:
            yield str(value)
        elif name.endswith("Ids"):
            yield from map(str, value)


def biocompute(bag: Path, paths: Sequence[Path]) -> Iterator[Finding]:
    """IEEE 2791: the domains, and the etag, SHA-256 of all but the three fields of identification."""
    import hashlib

    for path in paths:
        found = json.loads(path.read_bytes())
        faults = list(_faults("bco", found))
        body = {name: value for name, value in found.items() if name not in ("object_id", "spec_version", "etag")}
        text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        if not faults and hashlib.sha256(text.encode()).hexdigest() != found["etag"]:
            faults.append("its etag is that of another object")
        yield from (Finding(_name(bag, path), fault) for fault in faults)


def crate(bag: Path, paths: Sequence[Path]) -> Iterator[Finding]:
    """RO-Crate 1.1: one root, every reference to a file is to one that is there, every file listed with its digest."""
    from trials.bag import digest, payload

    (path,) = paths
    graph = json.loads(path.read_bytes())["@graph"]
    entities = {each["@id"]: each for each in graph}
    name = _name(bag, path)
    if len(entities) != len(graph) or "./" not in entities or "ro-crate-metadata.json" not in entities:
        yield Finding(name, "lacks its root or its descriptor, or describes something twice")
        return
    for what, wanted in ((path.name, DESCRIPTOR), ("./", ROOT)):
        if lacking := [each for each in wanted if not entities[what].get(each)]:
            yield Finding(name, f"{what} lacks {', '.join(lacking)}")
    listed = {each["@id"] for each in entities["./"].get("hasPart", ())}
    for each in payload(bag):
        inside = each.removeprefix("data/")
        about = entities.get(inside)
        if inside == path.name:
            continue
        if about is None or inside not in listed:
            yield Finding(each, f"is not listed in {name}")
        elif about.get("sha256") != digest(bag / each, "sha256"):
            yield Finding(each, f"has another digest than {name} says")
        elif lacking := [field for field in FILE if not about.get(field)]:
            yield Finding(name, f"{inside} lacks {', '.join(lacking)}")
    for each in graph:
        for one in _objects({key: value for key, value in each.items() if key != "@id"}):
            if set(one) == {"@id"} and one["@id"] not in entities and not one["@id"].startswith("http"):
                yield Finding(name, f"{each['@id']} refers to {one['@id']}, which is not described")
    for gone in sorted(each for each in listed if not (bag / "data" / each).exists()):
        yield Finding(name, f"lists {gone}, which is not there")


def bill(bag: Path, paths: Sequence[Path]) -> Iterator[Finding]:
    """CycloneDX 1.6 by its official schema."""
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    for path in paths:
        fault = JsonStrictValidator(SchemaVersion.V1_6).validate_str(path.read_text(encoding="utf-8"))
        if fault is not None:
            yield Finding(_name(bag, path), f"is not valid: {fault}")


def pdf(bag: Path, paths: Sequence[Path]) -> Iterator[Finding]:
    """PDF, marked as PDF/A in its metadata and ended as it should be."""
    for path in paths:
        content = path.read_bytes()
        whole = content.startswith(b"%PDF-1.") and content.rstrip().endswith(b"%%EOF")
        if not whole or b"pdfaid:part" not in content:
            yield Finding(_name(bag, path), "is no PDF/A: it has not the mark of one")


def _faults(form: str, value: object) -> Iterator[str]:
    """First faults of a file against one of the schemas here."""
    from jsonschema import Draft202012Validator

    for number, fault in enumerate(Draft202012Validator(_schema(form)).iter_errors(value)):
        if number < 5:
            yield f"{'/'.join(map(str, fault.absolute_path)) or 'file'}: {fault.message[:200]}"


def _schema(form: str) -> Any:
    """One of the schemas here."""
    return json.loads(files("trials.trust.forms").joinpath(f"{form}.schema.json").read_bytes())


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    """Every mapping within a value."""
    if isinstance(value, dict):
        yield value
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _objects(each)


def _name(bag: Path, path: Path) -> str:
    return path.relative_to(bag).as_posix()
