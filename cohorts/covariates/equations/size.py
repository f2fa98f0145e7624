"""Size and composition of the body, and age. Weight in kg, height in cm, ages in weeks where they are of newborns."""

import numpy as np
from numpy.typing import NDArray

from cohorts.specification.quantities import Array

Flags = NDArray[np.bool_]


def bmi(weight: Array, height: Array) -> Array:
    """Body mass index (kg/m2).

    Keys A et al. J Chronic Dis 1972;25:329-343. doi:10.1016/0021-9681(72)90027-6
    """
    return np.asarray(weight / (height / 100.0) ** 2)


def weight_of_bmi(bmi: Array, height: Array) -> Array:
    """Body weight (kg), where the body mass index (kg/m2) is what is known.

    Keys A et al. J Chronic Dis 1972;25:329-343. doi:10.1016/0021-9681(72)90027-6
    """
    return np.asarray(bmi * (height / 100.0) ** 2)


def bsa_dubois(weight: Array, height: Array) -> Array:
    """Body surface area (m2).

    Du Bois D, Du Bois EF. Arch Intern Med 1916;17:863-871. doi:10.1001/archinte.1916.00080130010002
    """
    return np.asarray(0.007184 * weight**0.425 * height**0.725)


def bsa_mosteller(weight: Array, height: Array) -> Array:
    """Body surface area (m2).

    Mosteller RD. N Engl J Med 1987;317:1098. doi:10.1056/NEJM198710223171717
    """
    return np.asarray(np.sqrt(weight * height / 3600.0))


def bsa_haycock(weight: Array, height: Array) -> Array:
    """Body surface area (m2), for infants, children and adults.

    Haycock GB, Schwartz GJ, Wisotsky DH. J Pediatr 1978;93:62-66. doi:10.1016/S0022-3476(78)80601-5
    """
    return np.asarray(0.024265 * weight**0.5378 * height**0.3964)


def lean_mass_boer(weight: Array, height: Array, female: Flags) -> Array:
    """Lean body mass (kg).

    Boer P. Am J Physiol 1984;247:F632-F636. doi:10.1152/ajprenal.1984.247.4.F632
    """
    women = 0.252 * weight + 0.473 * height - 48.3
    return np.where(female, women, 0.407 * weight + 0.267 * height - 19.2)


def lean_mass_james(weight: Array, height: Array, female: Flags) -> Array:
    """Lean body mass (kg). It falls with weight in severe obesity, beyond a BMI of about 37 in women and 43 in men.

    James WPT. Research on obesity: a report of the DHSS/MRC group. London: HMSO, 1976 (no DOI); its fault in obesity:
    Green B, Duffull SB. Clin Pharmacol Ther 2002;72:743-744. doi:10.1067/mcp.2002.129306
    """
    ratio = (weight / height) ** 2
    return np.where(female, 1.07 * weight - 148.0 * ratio, 1.10 * weight - 128.0 * ratio)


def fat_free_mass(weight: Array, height: Array, female: Flags) -> Array:
    """Fat-free mass (kg).

    Janmahasatian S et al. Clin Pharmacokinet 2005;44:1051-1065. doi:10.2165/00003088-200544100-00004
    """
    index = bmi(weight, height)
    return np.where(female, 9270.0 * weight / (8780.0 + 244.0 * index), 9270.0 * weight / (6680.0 + 216.0 * index))


def ideal_weight(height: Array, female: Flags) -> Array:
    """Ideal body weight (kg) of adults. Devine wrote it for those over 60 inches; below, the line is continued.

    Devine BJ. Drug Intell Clin Pharm 1974;8:650-655 (no DOI); its origin: Pai MP, Paloucek FP. Ann Pharmacother
    2000;34:1066-1069. doi:10.1345/aph.19381
    """
    return np.asarray(np.where(female, 45.5, 50.0) + 2.3 * (height / 2.54 - 60.0))


def postmenstrual_age(gestational_age: Array, postnatal_age: Array) -> Array:
    """Postmenstrual age (weeks): gestational age at birth and the age since.

    American Academy of Pediatrics. Age terminology during the perinatal period. Pediatrics 2004;114:1362-1364.
    doi:10.1542/peds.2004-1915
    """
    return np.asarray(gestational_age + postnatal_age)
