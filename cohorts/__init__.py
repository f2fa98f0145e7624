"""From evidence to virtual patients: populations, their calibration to data, and cohorts drawn from them.

PyMC is imported only when a model is built or a population calibrated.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from cohorts.errors import CalibrationError, PopulationError

if TYPE_CHECKING:
    from cohorts.calibration import calibrate as calibrate
    from cohorts.data import IndividualData as IndividualData
    from cohorts.diagnosis import Gates as Gates
    from cohorts.diagnosis import diagnose as diagnose
    from cohorts.drawing import draw as draw
    from cohorts.population import Population as Population
    from cohorts.predictive import predictive_check as predictive_check
    from cohorts.reading import load_population as load_population
    from cohorts.reading import populations as populations
    from cohorts.residuals import Residual as Residual

_HOME = {
    "Gates": "diagnosis",
    "IndividualData": "data",
    "Population": "population",
    "Residual": "residuals",
    "calibrate": "calibration",
    "diagnose": "diagnosis",
    "draw": "drawing",
    "load_population": "reading",
    "populations": "reading",
    "predictive_check": "predictive",
}

__all__ = [
    "CalibrationError",
    "Gates",
    "IndividualData",
    "Population",
    "PopulationError",
    "Residual",
    "calibrate",
    "diagnose",
    "draw",
    "load_population",
    "populations",
    "predictive_check",
]


def __getattr__(name: str) -> Any:  # whatever the package exports
    if name not in _HOME:
        raise AttributeError(f"module 'cohorts' has no attribute {name!r}")
    return getattr(import_module(f"cohorts.{_HOME[name]}"), name)
