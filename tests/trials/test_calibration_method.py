"""A trial may ask for an approximation in place of a fit; its configuration, what is kept and its report say so."""

import json

import pytest
import xarray as xr

import trials
from trials.errors import TrialError
from trials.report_posterior import verdict


def of(*overrides):
    return trials.load("theophylline_bioequivalence", overrides=["runs=null", *overrides]).calibration


def test_the_method_is_part_of_what_a_posterior_depends_on():
    assert of().method == "nuts"
    assert "method" not in of().sampler
    assert of("+calibration.method=pathfinder").sampler["method"] == "pathfinder"


def test_another_method_is_refused():
    with pytest.raises(TrialError, match=r"calibration.method: got 'advi', wanted"):
        of("+calibration.method=advi")


def test_the_report_says_that_it_is_an_approximation():
    tree = xr.DataTree()
    tree.attrs = {
        "approximation": "pathfinder", "pareto_k": 0.81, "ess": 12.3, "seed": 1, "seconds_sample": 2.0,
        "gates": json.dumps({"pareto_k": 0.7}), "failed": json.dumps({"pareto_k": "too large"}),
        "allowed": json.dumps(["pareto_k"]),
    }  # fmt: skip
    found = verdict(tree)
    assert found.rows == (
        ("Pareto k of the importance weights", "0.81", "< 0.7", "no, allowed by the configuration"),
    )  # fmt: skip
    assert "approximation for a first look (pathfinder)" in found.note
