"""Kidney function from serum creatinine: mg/dL (assays traceable to IDMS); age in years, weight in kg, height in cm.

An estimated glomerular filtration rate (eGFR) is in mL/min per 1.73 m2 of body surface; a clearance in mL/min.
"""

import numpy as np
from numpy.typing import NDArray

from cohorts.specification.quantities import Array

Flags = NDArray[np.bool_]


def ckd_epi_2021(creatinine: Array, age: Array, female: Flags) -> Array:
    """EGFR of adults, CKD-EPI creatinine equation of 2021, without race.

    Inker LA et al. N Engl J Med 2021;385:1737-1749. doi:10.1056/NEJMoa2102953
    """
    relative = creatinine / np.where(female, 0.7, 0.9)
    low = np.minimum(relative, 1.0) ** np.where(female, -0.241, -0.302)
    return np.asarray(142.0 * low * np.maximum(relative, 1.0) ** -1.200 * 0.9938**age * np.where(female, 1.012, 1.0))


def ckd_epi_2009(creatinine: Array, age: Array, female: Flags, black: Flags | None = None) -> Array:
    """EGFR of adults, CKD-EPI creatinine equation of 2009; without `black` its coefficient of race is left out.

    Levey AS et al. Ann Intern Med 2009;150:604-612. doi:10.7326/0003-4819-150-9-200905050-00006
    """
    relative = creatinine / np.where(female, 0.7, 0.9)
    low = np.minimum(relative, 1.0) ** np.where(female, -0.329, -0.411)
    factor = np.where(female, 1.018, 1.0) * _where(black, 1.159)
    return np.asarray(141.0 * low * np.maximum(relative, 1.0) ** -1.209 * 0.993**age * factor)


def mdrd(creatinine: Array, age: Array, female: Flags, black: Flags | None = None) -> Array:
    """EGFR of adults, four-variable MDRD study equation for IDMS-traceable creatinine.

    Levey AS et al. Ann Intern Med 2006;145:247-254. doi:10.7326/0003-4819-145-4-200608150-00004
    """
    factor = np.where(female, 0.742, 1.0) * _where(black, 1.212)
    return np.asarray(175.0 * creatinine**-1.154 * age**-0.203 * factor)


def schwartz_2009(creatinine: Array, height: Array) -> Array:
    """EGFR of children of 1 to 16 years with chronic kidney disease, the bedside equation of the CKiD study.

    Schwartz GJ et al. J Am Soc Nephrol 2009;20:629-637. doi:10.1681/ASN.2008030287
    """
    return np.asarray(0.413 * height / creatinine)


def cockcroft_gault(creatinine: Array, age: Array, weight: Array, female: Flags) -> Array:
    """Creatinine clearance (mL/min) of adults, with the body weight it is given.

    Cockcroft DW, Gault MH. Nephron 1976;16:31-41. doi:10.1159/000180580. The factor 0.85 of women is theirs; their
    creatinine was not IDMS-traceable.
    """
    return np.asarray((140.0 - age) * weight / (72.0 * creatinine) * np.where(female, 0.85, 1.0))


def absolute_gfr(egfr: Array, bsa: Array) -> Array:
    """Glomerular filtration rate of the patient (mL/min): the indexed one at the patient's own body surface (m2).

    FDA. Pharmacokinetics in patients with impaired renal function. Guidance for industry, 2024.
    """
    return np.asarray(egfr * bsa / 1.73)


KDIGO_EDGES = (15.0, 30.0, 45.0, 60.0, 90.0)
"""EGFR at which the next better category begins."""

KDIGO_LEVELS = ("G5", "G4", "G3b", "G3a", "G2", "G1")


def kdigo_category(egfr: Array) -> NDArray[np.int64]:
    """GFR category, as the index into `KDIGO_LEVELS`: from G5 (< 15) to G1 (>= 90).

    KDIGO 2024 guideline. Kidney Int 2024;105(4S):S117-S314. doi:10.1016/j.kint.2023.10.018
    """
    return np.searchsorted(np.array(KDIGO_EDGES), egfr, side="right").astype(np.int64)


def _where(flags: Flags | None, factor: float) -> Array | float:
    return 1.0 if flags is None else np.where(flags, factor, 1.0)
