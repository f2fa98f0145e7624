"""Building a solver or an executor from its file in ``conf``."""

from collections.abc import Mapping
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

from engine.errors import SolverError


def folder(group: str) -> Path:
    """Folder of a configuration group: beside the packages in a checkout, inside ``trials`` in an installation."""
    root = Path(__file__).resolve().parents[1]
    found = next((path for path in (root / "conf", root / "trials" / "_conf") if path.is_dir()), root / "conf")
    return found / group


def build(group: str, name: str) -> Any:
    """Object that ``conf/<group>/<name>.yaml`` describes; SolverError naming the choices when there is no such file."""
    path = folder(group) / f"{name}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(found.stem for found in folder(group).glob("*.yaml")))
        raise SolverError(f"no {group} {name!r}; there are {known}")
    return _read(path.read_text(encoding="utf-8"))


@lru_cache(maxsize=64)
def _read(text: str) -> Any:
    """Object this text describes; a value, so that the same text may give the same one."""
    import yaml

    return _make(yaml.safe_load(text))


def _make(node: Any) -> Any:
    if not isinstance(node, Mapping) or "_target_" not in node:
        return node
    module, _, name = str(node["_target_"]).rpartition(".")
    if module.partition(".")[0] != "engine":
        raise SolverError(
            f"{node['_target_']}: only what the engine itself has can be named here; pass an object instead"
        )
    fields = {str(key): _make(value) for key, value in node.items() if key != "_target_"}
    return getattr(import_module(module), name)(**fields)
