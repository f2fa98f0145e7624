"""From evidence to virtual patients: populations, their calibration to data, and cohorts drawn from them.

PyMC is imported only when a model is built or a population calibrated.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from cohorts.errors import CalibrationError, PopulationError

if TYPE_CHECKING:
    from cohorts.calibration.data import IndividualData as IndividualData
    from cohorts.calibration.diagnosis import Gates as Gates
    from cohorts.calibration.diagnosis import diagnose as diagnose
    from cohorts.calibration.sampling import calibrate as calibrate
    from cohorts.drawing.cohort import draw as draw
    from cohorts.judgement.predictive import predictive_check as predictive_check
    from cohorts.specification.population import Population as Population
    from cohorts.specification.reading import load_population as load_population
    from cohorts.specification.reading import populations as populations
    from cohorts.specification.residuals import Residual as Residual

_HOME = {
    "Gates": "calibration.diagnosis",
    "IndividualData": "calibration.data",
    "Population": "specification.population",
    "Residual": "specification.residuals",
    "calibrate": "calibration.sampling",
    "diagnose": "calibration.diagnosis",
    "draw": "drawing.cohort",
    "load_population": "specification.reading",
    "populations": "specification.reading",
    "predictive_check": "judgement.predictive",
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
