"""The table of equations a derived covariate may name, with the units and ranges they are written for."""

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from cohorts.covariates.equations import renal, size

Range = tuple[float, float]


class Equation(NamedTuple):
    """One row: a published equation."""

    function: Callable[..., Any]
    numbers: Mapping[str, str]
    """Its arguments on a scale and their units."""
    flags: tuple[str, ...]
    """Its arguments that are true or false: ``female``, from a covariate sex; ``black``, from a covariate race."""
    unit: str
    meaning: str
    ranges: Mapping[str, Range]
    """Arguments it was made for only within a range, ends included."""
    levels: tuple[str, ...] = ()
    """Names of what it gives, where that is a category."""

    @property
    def citation(self) -> str:
        """What its docstring cites, in one line."""
        text = (self.function.__doc__ or "").split("\n\n", 1)[1]
        return " ".join(text.split())


_CREATININE = {"creatinine": "mg/dL", "age": "year"}
_SIZE = {"weight": "kg", "height": "cm"}
_ADULT: dict[str, Range] = {"age": (18.0, math.inf)}
_GFR = "mL/min/(1.73 m^2)"

EQUATIONS: dict[str, Equation] = {
    "ckd_epi_2021": Equation(renal.ckd_epi_2021, _CREATININE, ("female",), _GFR, "eGFR by CKD-EPI 2021", _ADULT),
    "ckd_epi_2009": Equation(
        renal.ckd_epi_2009, _CREATININE, ("female", "black"), _GFR, "eGFR by CKD-EPI 2009", _ADULT
    ),
    "mdrd": Equation(renal.mdrd, _CREATININE, ("female", "black"), _GFR, "eGFR by the MDRD equation", _ADULT),
    "schwartz_2009": Equation(
        renal.schwartz_2009,
        {"creatinine": "mg/dL", "height": "cm"},
        (),
        _GFR,
        "eGFR by the bedside Schwartz equation",
        {},
    ),
    "cockcroft_gault": Equation(
        renal.cockcroft_gault,
        {**_CREATININE, "weight": "kg"},
        ("female",),
        "mL/min",
        "creatinine clearance by Cockcroft and Gault",
        {"age": (18.0, 140.0)},
    ),
    "absolute_gfr": Equation(
        renal.absolute_gfr, {"egfr": _GFR, "bsa": "m^2"}, (), "mL/min", "GFR at the patient's own body surface", {}
    ),
    "kdigo_category": Equation(
        renal.kdigo_category, {"egfr": _GFR}, (), "1", "KDIGO GFR category", {}, renal.KDIGO_LEVELS
    ),
    "bmi": Equation(size.bmi, _SIZE, (), "kg/m^2", "body mass index", {}),
    "weight_of_bmi": Equation(
        size.weight_of_bmi, {"bmi": "kg/m^2", "height": "cm"}, (), "kg", "body weight by body mass index and height", {}
    ),
    "bsa_dubois": Equation(size.bsa_dubois, _SIZE, (), "m^2", "body surface area by Du Bois", {}),
    "bsa_mosteller": Equation(size.bsa_mosteller, _SIZE, (), "m^2", "body surface area by Mosteller", {}),
    "bsa_haycock": Equation(size.bsa_haycock, _SIZE, (), "m^2", "body surface area by Haycock", {}),
    "lean_mass_boer": Equation(size.lean_mass_boer, _SIZE, ("female",), "kg", "lean body mass by Boer", {}),
    "lean_mass_james": Equation(size.lean_mass_james, _SIZE, ("female",), "kg", "lean body mass by James", {}),
    "fat_free_mass": Equation(size.fat_free_mass, _SIZE, ("female",), "kg", "fat-free mass by Janmahasatian", {}),
    "ideal_weight": Equation(size.ideal_weight, {"height": "cm"}, ("female",), "kg", "ideal body weight by Devine", {}),
    "postmenstrual_age": Equation(
        size.postmenstrual_age,
        {"gestational_age": "week", "postnatal_age": "week"},
        (),
        "week",
        "postmenstrual age",
        {"gestational_age": (20.0, 45.0)},
    ),
}

SUBJECTS = {"female": "sex", "black": "race"}
"""The covariate with levels that each flag is read from."""

FACTORS: dict[str, dict[str, float]] = {
    "creatinine": {"mg/dL": 1.0, "umol/L": 1.0 / 88.42, "µmol/L": 1.0 / 88.42},
    "time": {"year": 1.0, "month": 1.0 / 12.0, "week": 7.0 / 365.25, "day": 1.0 / 365.25},
    "length": {"cm": 1.0, "m": 100.0, "inch": 2.54},
    "mass": {"kg": 1.0, "g": 0.001, "lb": 0.45359237},
}
"""Units of one kind and their size in the first of them (creatinine has a molar mass of 113.1 g/mol)."""


def factor(unit: str, wanted: str) -> float | None:
    """What to multiply a number of one unit with for another; None where they are not of one kind."""
    if unit == wanted:
        return 1.0
    for kind in FACTORS.values():
        if unit in kind and wanted in kind:
            return kind[unit] / kind[wanted]
    return None
