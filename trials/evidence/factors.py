"""The 13 credibility factors of ASME V&V 40-2018 and FDA's 8 categories of evidence (CDRH guidance, 2023), as scales.

The factors are the standard's. It gives gradations as examples and asks for fitting ones; those here are our own words.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Factor:
    """A credibility factor.

    Attributes
    ----------
    activity
        What it belongs to: Verification, Validation or Applicability.
    title
        Its name in the standard.
    scale
        What is reached at a, b, c (and d): increasing rigour.
    computed
        Whether the program finds out what was reached; a person says so of the others.
    """

    activity: str
    title: str
    scale: Mapping[str, str]
    computed: bool = False


def _scale(*texts: str) -> dict[str, str]:
    return dict(zip("abcd", texts, strict=False))


FACTORS: Mapping[str, Factor] = {
    "software_quality": Factor(
        "Verification", "Software quality assurance",
        _scale("code that no version can be named of, or that was changed since",
               "a named version, unchanged, with its dependencies locked and its tests kept with it",
               "as b, and an independent quality unit audited how it is made"),
        computed=True),
    "code_verification": Factor(
        "Verification", "Numerical code verification",
        _scale("none for this model", "compared with exact solutions or published values, not all within tolerance",
               "agrees with every exact solution or published value that comes with the model"),
        computed=True),
    "discretization_error": Factor(
        "Verification", "Discretization error",
        _scale("not estimated", "estimated by a second solution with a hundredth of the tolerance",
               "there is none: the equations are solved exactly"),
        computed=True),
    "solver_error": Factor(
        "Verification", "Numerical solver error",
        _scale("tolerances at their defaults, effect unknown",
               "effect of the tolerances measured and below a tenth of a percent of the output",
               "effect measured and below a millionth of the output, or no iterative solver is involved"),
        computed=True),
    "use_error": Factor(
        "Verification", "Use error",
        _scale("inputs and outputs not checked", "inputs checked by the program, files of the run unchanged",
               "as b, and key inputs and outputs verified by somebody who did not make them"),
        computed=True),
    "model_form": Factor(
        "Validation", "Computational model: form",
        _scale("assumed", "published, with its assumptions listed and justified",
               "as b, and the influence of alternative forms on the answer explored",
               "as b, and alternatives excluded by data")),
    "model_inputs": Factor(
        "Validation", "Computational model: inputs",
        _scale("single values", "single values, with scenarios around those that matter",
               "distributions, and their uncertainty carried into the answer"),
        computed=True),
    "test_samples": Factor(
        "Validation", "Comparator: test samples",
        _scale("none, or a single summary", "summaries of several groups or trials", "data of ten individuals or more"),
        computed=True),
    "test_conditions": Factor(
        "Validation", "Comparator: test conditions",
        _scale("one condition", "several conditions within the range of use", "conditions that span the range of use")),
    "input_equivalency": Factor(
        "Validation", "Assessment: equivalency of input parameters",
        _scale("inputs of model and comparator differ in kind", "the same kinds, with different ranges",
               "the same kinds and ranges")),
    "output_comparison": Factor(
        "Validation", "Assessment: output comparison",
        _scale("by eye, or not at all", "difference of the outputs", "with the uncertainty of one of them",
               "with the uncertainty of both"),
        computed=True),
    "quantity_relevance": Factor(
        "Applicability", "Relevance of the quantities of interest",
        _scale("related to those of the question", "a part of those of the question", "those of the question")),
    "validation_relevance": Factor(
        "Applicability", "Relevance of the validation activities to the context of use",
        _scale("little overlap of the validation with the context of use", "partial overlap",
               "the validation covers the context of use")),
}  # fmt: skip
"""In the order of the standard."""

CATEGORIES: Mapping[str, str] = {
    "code_verification": "Code verification results",
    "model_calibration": "Model calibration evidence",
    "bench_validation": "Bench test validation results",
    "in_vivo_validation": "In vivo validation results",
    "population_validation": "Population-based validation results",
    "emergent_behaviour": "Emergent model behaviour",
    "plausibility": "Model plausibility",
    "calculation_verification": "Calculation verification and uncertainty quantification in the context of use",
}
"""FDA's categories of credibility evidence, in its order."""

ASKED = ("bench_validation", "in_vivo_validation", "emergent_behaviour", "plausibility")
"""Those that a person answers; the program answers the others from the run."""
