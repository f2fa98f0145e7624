"""Where the tables and covariate groups that come with the project stand, and how a name or path finds them."""

from pathlib import Path

import yaml

from cohorts.errors import PopulationError
from cohorts.specification.nodes import Node, guess


def folder(group: str) -> Path:
    """Folder of a group of configuration files: beside the packages in a checkout, inside `trials` when installed."""
    root = Path(__file__).resolve().parents[2]
    beside = root / "conf" / group
    return beside if beside.is_dir() else root / "trials" / "_conf" / group


def shipped(group: str) -> list[str]:
    """Names of the files of a group."""
    return sorted(p.stem for p in folder(group).glob("*.yaml"))


def find(group: str, source: str | Path, where: str) -> Path:
    """File of a name in the group, or of a path to a YAML file.

    Raises
    ------
    PopulationError
        If there is none, naming `where` it was asked for and what there is.
    """
    path = Path(source)
    if path.suffix in {".yaml", ".yml"}:
        if path.is_file():
            return path
        raise PopulationError(f"{where}: no file {str(source)!r}")
    named = folder(group) / f"{source}.yaml"
    if named.is_file():
        return named
    known = shipped(group)
    raise PopulationError(f"{where}: got {str(source)!r}, wanted one of {known}{guess(str(source), known)}")


def read(path: Path) -> Node:
    """Content of a YAML file.

    Raises
    ------
    PopulationError
        If it is not YAML, or not a mapping.
    """
    try:
        written = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise PopulationError(f"{path}: not readable as YAML: {error}") from error
    node = Node("", written if written is not None else {})
    node.where = path.name
    return node
