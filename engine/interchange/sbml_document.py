"""SBML text to a document of libsbml: read, checked, raised to Level 3 Version 2, and refused where we lack words."""

from pathlib import Path
from typing import Any

from engine.errors import ModelError
from engine.interchange.extras import library

PURPOSE = "reading SBML"
# Packages of SBML that change what a model computes; others (layout, rendering, groups) may stand.
_REFUSED = {"comp": "a model made of models", "qual": "a qualitative model", "multi": "multistate species",
            "distrib": "random values", "spatial": "a spatial model", "arrays": "arrays", "fbc": "flux balance",
            "dyn": "dynamic processes"}  # fmt: skip


def read_text(source: str | Path, sign: str) -> tuple[str, str]:
    """Text and a name for messages; ``source`` is text itself when it has ``sign`` in it, else a path."""
    if isinstance(source, str) and (sign in source or "\n" in source):
        return source, "text"
    path = Path(source)
    try:
        return path.read_text(encoding="utf-8"), path.name
    except (OSError, ValueError) as error:
        raise ModelError(f"cannot read {path}: {error}") from None


def document(text: str, label: str) -> Any:
    """Document of libsbml, in Level 3 Version 2, local parameters made global."""
    libsbml = library("libsbml", PURPOSE)
    if "\0" in text:
        raise ModelError(f"{label}: not SBML: it has characters that no XML text has")
    found = libsbml.readSBMLFromString(text)
    _check(libsbml, found, label)
    if found.getModel() is None:
        raise ModelError(f"{label}: not SBML: it has no model")
    _check_packages(found, label)
    _check_fast(found.getModel(), label)
    if (found.getLevel(), found.getVersion()) != (3, 2) and not found.setLevelAndVersion(3, 2, False):
        level = f"Level {found.getLevel()} Version {found.getVersion()}"
        raise ModelError(f"{label}: SBML {level} could not be raised to Level 3 Version 2")
    properties = libsbml.ConversionProperties()
    properties.addOption("promoteLocalParameters", True)
    found.convert(properties)
    return found


def _check(libsbml: Any, found: Any, label: str) -> None:
    errors = (found.getError(number) for number in range(found.getNumErrors()))
    for error in errors:
        if error.getSeverity() >= libsbml.LIBSBML_SEV_ERROR:
            told = " ".join(error.getMessage().split())
            raise ModelError(f"{label} line {error.getLine()}: not valid SBML: {told}")


def _check_fast(model: Any, label: str) -> None:
    """Refuse what Level 3 Version 2 has no word for, before it is raised to that."""
    for number in range(model.getNumReactions()):
        reaction = model.getReaction(number)
        if reaction.isSetFast() and reaction.getFast():
            raise ModelError(
                f"{label}: reaction {reaction.getId()} is fast (always in equilibrium), which cannot be expressed"
            )


def _check_packages(found: Any, label: str) -> None:
    for number in range(found.getNumPlugins()):
        name = found.getPlugin(number).getPackageName()
        if name in _REFUSED and found.getPackageRequired(name):
            raise ModelError(f"{label}: uses SBML's package {name} ({_REFUSED[name]}), which cannot be read")
    for number in range(found.getNumUnknownPackages()):
        prefix = found.getUnknownPackagePrefix(number)
        if found.getPackageRequired(found.getUnknownPackageURI(number)):
            raise ModelError(f"{label}: uses SBML's package {prefix}, which cannot be read")
