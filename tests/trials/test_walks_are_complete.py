"""Every field of every kind in the configuration groups is walked by a test that sees an output change.

The tables of those tests are read here, so that a new kind or field without a walk is noticed.
"""

import dataclasses
import importlib
from pathlib import Path

import pytest
import yaml

from tests.trials import (
    test_ancova_arms,
    test_bayes_model,
    test_bioequivalence,
    test_boundaries,
    test_enrolment,
    test_escalation,
    test_every_field,
    test_fields_of_analyses,
    test_imputation,
    test_mmrm,
    test_monitoring,
    test_randomisation,
    test_reestimation,
    test_survival,
)
from trials.analyses.bayes_model import BayesModel
from trials.analyses.crossover_anova import AverageBioequivalence
from trials.analyses.imputed import Imputed
from trials.analyses.mmrm import Mmrm
from trials.designs.ascending_dose import AscendingDose
from trials.designs.escalation import EscalationRule
from trials.designs.factorial import Factorial
from trials.designs.group_sequential import GroupSequential

CONF = Path(__file__).resolve().parents[2] / "conf"
GROUPS = ("design", "analysis", "endpoint", "enrolment", "randomisation", "adherence", "cause", "boundary",
          "multiplicity")  # fmt: skip
ALONE = {
    (BayesModel, "divergences"): test_bayes_model.test_every_field_changes_an_output,
    (Factorial, "separator"): test_fields_of_analyses.test_the_separator_of_a_factorial_is_that_of_its_arms,
    (AscendingDose, "escalation"): test_escalation.test_later_cohorts_are_as_if_they_had_never_been,
    (EscalationRule, "endpoint"): test_escalation.test_every_field_of_the_rule_changes_an_output,
    (EscalationRule, "most"): test_escalation.test_every_field_of_the_rule_changes_an_output,
}
"""Fields that have a test of their own."""
HELD = {(AscendingDose, "n"), (AscendingDose, "block")}
"""Fields that follow from the others: any other number is refused (`test_designs`)."""


def target(spec):
    module, _, name = spec["_target_"].rpartition(".")
    return getattr(importlib.import_module(module), name)


def spec_of(group, name):
    return yaml.safe_load((CONF / group / f"{name}.yaml").read_text(encoding="utf-8"))


def walked():
    """Class and field of every change that a test makes."""
    for group, table in (("analysis", test_fields_of_analyses.ANALYSES), ("design", test_fields_of_analyses.DESIGNS)):
        for name, changes in table.items():
            yield from ((target(spec_of(group, name)), field) for field in changes)
            if name == "factorial_effect":
                yield target(spec_of(group, name)), "separator"
    kinds = {Mmrm: test_mmrm.OTHERS, Imputed: test_imputation.OTHERS, BayesModel: test_bayes_model.OTHERS,
             AverageBioequivalence: test_bioequivalence.OTHERS, GroupSequential: test_monitoring.CHANGES,
             **test_ancova_arms.OTHERS}  # fmt: skip
    yield from ((kind, field) for kind, table in kinds.items() for field in table)
    yield from test_survival.FIELDS
    for table in (test_reestimation.CHANGES, test_enrolment.FIELDS, test_randomisation.CHANGES):
        yield from ((type(made), field) for made, changes in table.items() for field in changes)
    yield from test_every_field.walked()
    for path in test_boundaries.FILES:
        yield from ((target(test_boundaries.read(path)), field) for field in {*test_boundaries.OTHER, "binding"})
    yield from ALONE


PROCEDURES = ("bonferroni", "holm", "fallback", "graphical")
"""Of `test_fields_of_a_procedure`, which walks all fields of each; the others have none."""
FILES = [path for group in GROUPS for path in sorted((CONF / group).glob("*.yaml"))]


@pytest.mark.parametrize("path", FILES, ids=[f"{path.parent.name}-{path.stem}" for path in FILES])
def test_every_field_of_a_file_is_walked(path):
    kind = target(yaml.safe_load(path.read_text(encoding="utf-8")))
    fields = {field.name for field in dataclasses.fields(kind)}
    if path.parent.name == "multiplicity":
        assert not fields or path.stem in PROCEDURES
        return
    # a design's arms and an analysis' name come from the trial: the former are walked in the trial, the latter labels
    given = {"name"} | ({"arms"} if path.parent.name == "design" else set())
    done = {field for other, field in walked() if other is kind} | {field for other, field in HELD if other is kind}
    assert fields - given - done == set()


def test_every_group_has_files():
    assert {path.parent.name for path in FILES} == set(GROUPS)
    assert all(callable(test) for test in ALONE.values())
