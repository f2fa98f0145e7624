"""Models people already have, read into ours; ours written for other programs.

Reading: ``read_control_stream`` (NONMEM), ``read_sbml``. Writing: ``write_yaml`` (our own text), ``write_sbml``,
``write_mrgsolve``, ``write_rxode2``, ``write_latex``; ``write_nonmem_table`` for event tables. Reading NONMEM and SBML,
and writing SBML, need ``pip install 'trialtwin[interchange]'``. Each is imported when first asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.interchange.control_streams import read_control_stream
    from engine.interchange.event_records import write_nonmem_table
    from engine.interchange.imported import Imported
    from engine.interchange.mrgsolve import write_mrgsolve
    from engine.interchange.rxode2 import write_rxode2
    from engine.interchange.sbml_reading import read_sbml
    from engine.interchange.sbml_writing import write_sbml
    from engine.interchange.yaml_text import write_yaml
    from engine.models.latex import latex as write_latex

__all__ = [
    "Imported", "read_control_stream", "read_sbml", "write_latex", "write_mrgsolve", "write_nonmem_table",
    "write_rxode2", "write_sbml", "write_yaml",
]  # fmt: skip

_HOMES = {
    "Imported": ("engine.interchange.imported", "Imported"),
    "read_control_stream": ("engine.interchange.control_streams", "read_control_stream"),
    "read_sbml": ("engine.interchange.sbml_reading", "read_sbml"),
    "write_latex": ("engine.models.latex", "latex"),
    "write_mrgsolve": ("engine.interchange.mrgsolve", "write_mrgsolve"),
    "write_nonmem_table": ("engine.interchange.event_records", "write_nonmem_table"),
    "write_rxode2": ("engine.interchange.rxode2", "write_rxode2"),
    "write_sbml": ("engine.interchange.sbml_writing", "write_sbml"),
    "write_yaml": ("engine.interchange.yaml_text", "write_yaml"),
}


def __getattr__(name: str) -> Any:
    """Import what is asked for, once."""
    if name not in _HOMES:
        raise AttributeError(f"module 'engine.interchange' has no attribute {name!r}")
    home, called = _HOMES[name]
    found = getattr(import_module(home), called)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    """Names that can be imported."""
    return sorted(__all__)
