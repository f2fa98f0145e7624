"""Doses, equations and parameters to trajectories; knows nothing of cohorts or trials.

A model is text (``load_model``), dosing speaks NONMEM (``Regimen``, ``read_nonmem``, ``Policy``), and ``simulate``
takes both to a Dataset. Heavy libraries are imported when they are first needed.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine import execute as executors
    from engine import interchange, outcomes
    from engine.dosing.events import EventTable
    from engine.dosing.nonmem import read_nonmem
    from engine.dosing.regimen import Dose, Regimen
    from engine.errors import ClusterError, DataError, DosingError, ModelError, SizeError, SolverError, StoreError
    from engine.gradients.graph import prediction as prediction
    from engine.models.loading import Model, load_model
    from engine.outcomes.nca import noncompartmental
    from engine.policy import Policy, replay
    from engine.sensitivity import sensitivities, sensitivity_arrays
    from engine.simulation import simulate, simulate_arrays, simulate_policy
    from engine.status import Status, failures
    from engine.streaming.estimation import Estimate, estimate
    from engine.streaming.run import stream
    from engine.streaming.source import Source

__all__ = [
    "ClusterError", "DataError", "Dose", "DosingError", "Estimate", "EventTable", "Model", "ModelError", "Policy",
    "Regimen", "SizeError", "SolverError", "Source", "Status", "StoreError", "estimate", "executors", "failures",
    "interchange",
    "load_model", "noncompartmental", "outcomes", "prediction", "read_nonmem", "replay", "sensitivities",
    "sensitivity_arrays", "simulate", "simulate_arrays", "simulate_policy", "stream",
]  # fmt: skip

_HOMES = {
    "ClusterError": "errors", "Estimate": "streaming.estimation", "SizeError": "errors",
    "Source": "streaming.source", "StoreError": "errors", "estimate": "streaming.estimation", "failures": "status",
    "stream": "streaming.run",
    "DataError": "errors", "Dose": "dosing.regimen", "DosingError": "errors", "EventTable": "dosing.events",
    "Model": "models.loading", "ModelError": "errors", "Policy": "policy", "Regimen": "dosing.regimen",
    "SolverError": "errors", "Status": "status", "load_model": "models.loading", "noncompartmental": "outcomes.nca",
    "prediction": "gradients.graph", "read_nonmem": "dosing.nonmem", "replay": "policy", "sensitivities": "sensitivity",
    "sensitivity_arrays": "sensitivity", "simulate": "simulation",
    "simulate_arrays": "simulation", "simulate_policy": "simulation",
}  # fmt: skip

_MODULES = {"executors": "execute", "interchange": "interchange", "outcomes": "outcomes"}


def __getattr__(name: str) -> Any:
    """Import what is asked for, once."""
    if name in _MODULES:
        found: Any = import_module(f"engine.{_MODULES[name]}")
    elif name in _HOMES:
        found = getattr(import_module(f"engine.{_HOMES[name]}"), name)
    else:
        raise AttributeError(f"module 'engine' has no attribute {name!r}")
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    """Names that can be imported."""
    return sorted(__all__)
