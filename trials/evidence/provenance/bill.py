"""Software bill of materials: CycloneDX 1.6 of what the program needs, as it is installed."""

from __future__ import annotations

from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_URL, uuid5

from trials.evidence.provenance.distributions import ROOT, Installed, installed
from trials.evidence.writing import write_text

if TYPE_CHECKING:
    from trials.evidence.study import Study


def write_bill(study: Study, answers: object, folder: Path) -> None:  # noqa: ARG001
    """Write ``provenance/sbom.cdx.json``."""
    write_text(folder / "provenance" / "sbom.cdx.json", bill(study))


def bill(study: Study) -> str:
    """CycloneDX 1.6 JSON; serial number and time are those of the run."""
    from cyclonedx.model.bom import Bom
    from cyclonedx.output import make_outputter
    from cyclonedx.schema import OutputFormat, SchemaVersion

    parts = {one.name: _component(one) for one in installed()}
    bom = Bom(serial_number=uuid5(NAMESPACE_URL, f"trialtwin:{study.manifest['digests']['config']}"))
    bom.metadata.timestamp = datetime.fromisoformat(study.finished)
    bom.metadata.component = parts[ROOT]
    for name, part in parts.items():
        if name != ROOT:
            bom.components.add(part)
    for one in installed():
        bom.register_dependency(parts[one.name], [parts[need] for need in one.needs])
    return str(make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string(indent=1))


def _component(one: Installed) -> Any:
    """One distribution; its licence as an SPDX expression where it is one, else by its name."""
    from cyclonedx.contrib.license.factories import LicenseFactory
    from cyclonedx.model.component import Component, ComponentType

    url = import_module("packageurl").PackageURL("pypi", None, one.name, one.version)
    return Component(
        name=one.name,
        version=one.version,
        type=ComponentType.APPLICATION if one.name == ROOT else ComponentType.LIBRARY,
        bom_ref=url.to_string(),
        purl=url,
        description=one.summary or None,
        licenses=[LicenseFactory().make_from_string(one.licence)] if one.licence else (),
    )
