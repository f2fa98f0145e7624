"""NONMEM control streams: read, and simulated to the numbers that NONMEM itself gave."""

import contextlib
import re
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import engine
from engine.errors import ModelError
from engine.interchange import Imported, read_control_stream, write_yaml
from engine.interchange.advans import find
from engine.models import equations
from engine.models.algebras.arrays import ARRAYS
from engine.models.loading import load_model

REFERENCE = Path(__file__).parents[1] / "reference"
SCENARIOS = pd.read_csv(REFERENCE / "nmtests_dosing_events.csv")

NMTESTS = """$PROB dosing scenarios
$INPUT ID TIME EVID AMT CMT SS II ADDL RATE LAGT MODE DUR2 RAT2 BIOAV DV
$DATA events.csv IGNORE=@
$SUBR ADVAN2 TRANS2
$PK
  CL = THETA(1)
  V  = THETA(2) ; volume
  KA = THETA(3)
  ALAG2 = LAGT
  F2 = BIOAV
  D2 = DUR2
  R2 = RAT2
  S2 = V/1000
$ERROR
  CP = A(2)/S2
  IPRED = F
  Y = F*(1+ERR(1))
$THETA (0,1.1) (0,20) (0,1.5)
$OMEGA 0 FIX
$SIGMA 0.1
"""
TWO = """$PROBLEM two compartments, intravenous
$INPUT ID TIME AMT DV
$DATA data.csv
$SUBROUTINES ADVAN3 TRANS4
$PK
MU_1=THETA(1)
CL=DEXP(MU_1+ETA(1))
V1=EXP(THETA(2)+ETA(2))
TVQ=THETA(3)
Q=TVQ*EXP(ETA(3))
V2=THETA(4)*EXP(ETA(4))
S1=V1
$ERROR
Y = F + F*EPS(1)
$THETA 1.7 2.1 6 (0,25)
$OMEGA BLOCK(2) 0.2
0.1 0.3
$OMEGA 0.1 0.15 FIX
$SIGMA 0.05
"""
WARFARIN = """$PROBLEM warfarin
$INPUT ID TIME AMT DV EVID
$DATA warfarin.csv
$SUBROUTINE ADVAN=ADVAN2 TRANS=TRANS1
$PK
TVKA = THETA(1)
KA   = TVKA * EXP(ETA(1))   ; absorption
CL   = THETA(2) * EXP(ETA(2))
VC   = THETA(3) * EXP(ETA(3))
K    = CL / VC
S2   = VC
$ERROR
IPRED = F
W = SQRT(THETA(4)**2 + THETA(5)**2*IPRED**2)
IRES = DV - IPRED
Y = IPRED + W*EPS(1)
$THETA (0, 1) ; KA
 (0, 0.13) ; CL
 8 0.1 0.2
$OMEGA .3 .1 .1
$SIGMA 1 FIX
"""
CLARET = """$PROB tumour growth
$INPUT C ID TIME DV DOSE
$DATA claret.csv
$SUBS ADVAN13 TOL=9
$MODEL NCOMP=1 COMP=(TUMOUR DEFOBS)
$PK
BASE=THETA(1)
KL=THETA(2)*EXP(ETA(1))
KD=THETA(3)
LAMBDA=THETA(4)
A_0(1)=BASE
$DES
RES = EXP(-LAMBDA*T)
DADT(1) = KL*A(1) - KD*RES*LOG(DOSE)*A(1)
$ERROR
Y = A(1) + ERR(1)
$THETA 70 .6 .4 .8
$OMEGA 0.1
$SIGMA 4
"""
CLARET_UNITS = {"BASE": "mm", "KL": "1/week", "KD": "1/week", "LAMBDA": "1/week", "DOSE": "1", "TUMOUR": "mm"}


# ---- numbers of NONMEM
@pytest.mark.parametrize("scenario", sorted(SCENARIOS["id"].unique()))
def test_dosing_scenarios(scenario: int) -> None:
    imported = read_control_stream(NMTESTS)
    records = SCENARIOS[SCENARIOS["id"] == scenario]
    first = records[records["evid"] > 0].iloc[0]
    person = imported.parameters(covariates={name: float(first[name.lower()]) for name in imported.covariates})
    values = {**{p.name: p.value for p in imported.model.parameters if p.value is not None}, **person}
    events = engine.read_nonmem(records.drop(columns=["lagt", "bioav"]))
    found = engine.simulate_arrays(imported.model, values, events).outputs
    expected = records.loc[records["evid"] == 0, "cp_nonmem"].to_numpy()
    np.testing.assert_allclose(found["F"][0], expected, rtol=1e-4, atol=1e-9)
    np.testing.assert_allclose(found["IPRED"][0], expected, rtol=1e-4, atol=1e-9)


def test_a_weight_that_changes_from_record_to_record() -> None:
    text = NMTESTS.replace("CL = THETA(1)", "CL = THETA(1)*(WT/70)**0.75").replace("$INPUT ID", "$INPUT ID WT")
    imported = read_control_stream(text)
    data = pd.read_csv(REFERENCE / "nmtests_timevarying_wt.csv")
    first = data.iloc[0]
    given = {name: float(first[name.lower()]) for name in imported.covariates if name != "WT"}
    person = imported.parameters(covariates={**given, "WT": data["wt"].to_numpy()})
    np.testing.assert_allclose(person["CL"], data["cl_nonmem"], rtol=5e-5)
    kept = data[["id", "time", "evid", "amt", "cmt", "ss", "ii", "addl", "rate"]]
    events = engine.read_nonmem(kept.assign(CL=person.pop("CL")))
    values = {**{p.name: p.value for p in imported.model.parameters if p.value is not None}, **person}
    found = engine.simulate_arrays(imported.model, values, events).outputs["F"]
    np.testing.assert_allclose(found[~np.isnan(found)], data.loc[data["evid"] == 0, "cp_nonmem"], rtol=1e-4, atol=1e-9)


def test_two_compartment_individual_predictions() -> None:
    imported = read_control_stream(TWO)
    assert imported.model.typical["CL"] == pytest.approx(np.exp(1.7))
    data = pd.read_csv(REFERENCE / "twocmt_bolus_individual_ipred.csv")
    first = data.groupby("ID").first()
    etas = {
        "ETA_1": np.log(first["CL"]) - 1.7, "ETA_2": np.log(first["V1"]) - 2.1, "ETA_3": np.log(first["Q"] / 6),
        "ETA_4": np.log(first["V2"] / 25),
    }  # fmt: skip
    people = imported.parameters(etas)
    for name in ("CL", "V1", "Q", "V2"):
        np.testing.assert_allclose(people[name], first[name], rtol=1e-12)
    doses = [engine.Regimen(engine.Dose(float(amount), into="CENTRAL")) for amount in first["AMT"]]
    times = data.groupby("ID")["TIME"].apply(list).to_list()
    width = max(map(len, times))
    padded = np.array([row + [np.nan] * (width - len(row)) for row in times])
    found = engine.simulate_arrays(imported.model, people, doses, padded).outputs["F"]
    np.testing.assert_allclose(found[~np.isnan(padded)], data["IPRED_nonmem"], rtol=1e-5)


def test_warfarin_individual_predictions() -> None:
    imported = read_control_stream(WARFARIN)
    assert imported.model.parameter_names == ("KA", "CL", "VC")
    assert [name for name, _ in imported.model.let] == ["K"]
    data = pd.read_csv(REFERENCE / "onecmt_oral_warfarin_individual_ipred.csv")
    events = engine.read_nonmem(data[["ID", "TIME", "AMT", "EVID"]])
    first = data.groupby("ID", sort=False).first()
    people = {name: first[name].to_numpy() for name in ("KA", "CL", "VC")}
    found = engine.simulate_arrays(imported.model, people, events).outputs["IPRED"]
    expected = data.loc[data["EVID"] == 0, "IPRED_nonmem"].to_numpy()
    np.testing.assert_allclose(found[~np.isnan(found)], expected, rtol=1.5e-4, atol=1e-12)


@pytest.mark.parametrize("unitless", [False, True])
def test_claret_of_advan13(unitless: bool) -> None:
    how = {"unitless": True} if unitless else {"units": CLARET_UNITS}
    imported = read_control_stream(CLARET, time="week", covariates={"DOSE": 10}, **how)
    data = pd.read_csv(REFERENCE / "claret_tgi_const_dose.csv")
    assert set(data["DOSE"]) == {10}
    model = imported.model
    found = engine.simulate_arrays(model, model.typical, engine.Regimen(), data["TIME"].to_numpy()).outputs["F"][0]
    np.testing.assert_allclose(found, data["Y_nonmem"], rtol=2e-5)
    assert model.outputs[0].unit == ("1" if unitless else "mm")
    assert imported.covariates == ("DOSE",)


# ---- a second reader: pharmpy's own equations
PAIRS = [(1, 1), (1, 2), (2, 1), (2, 2), (3, 1), (3, 3), (3, 4), (4, 1), (4, 3), (4, 4), (10, 1), (11, 1), (11, 4),
         (12, 1), (12, 4)]  # fmt: skip


def stream_of(advan: int, trans: int) -> str:
    names = list(find(advan, trans).parameters)
    code = "\n".join(f"{name} = THETA({number})*EXP(ETA({number}))" for number, name in enumerate(names, 1))
    thetas = " ".join(f"(0,{number + 0.5})" for number in range(len(names)))
    omegas = " ".join("0.1" for _ in names)
    return (
        f"$PROBLEM table\n$INPUT ID TIME AMT DV\n$DATA file.csv\n$SUBROUTINES ADVAN{advan} TRANS{trans}\n$PK\n{code}\n"
        f"$ERROR\nY = F + EPS(1)\n$THETA {thetas}\n$OMEGA {omegas}\n$SIGMA 1\n$ESTIMATION METHOD=1\n"
    )


@pytest.mark.parametrize(("advan", "trans"), [(3, 5), (3, 6), (4, 5), (4, 6), (11, 6), (12, 6)])
def test_exponents_are_those_of_the_disposition(advan: int, trans: int) -> None:
    model = read_control_stream(stream_of(advan, trans)).model
    values = {"ALPHA": 5.0, "BETA": 1.1, "GAMMA": 0.2, "KA": 1.5, "AOB": 1.7}
    values |= {"K21": 3.0, "K31": 0.6} if advan in (3, 11) else {"K32": 3.0, "K42": 0.6}
    values = {name: values[name] for name in model.parameter_names}
    names = [name for name in model.state_names if name != "DEPOT"]
    rows = []
    for name in names:
        amounts = dict.fromkeys(model.state_names, 0.0) | {name: 1.0}
        found = equations.derivatives(model, ARRAYS, 0.0, amounts, values)
        rows.append([float(found[other]) for other in names])
    roots, vectors = np.linalg.eig(np.array(rows).T)
    wanted = [values[name] for name in ("ALPHA", "BETA", "GAMMA") if name in values]
    np.testing.assert_allclose(sorted(-roots), sorted(wanted), rtol=1e-10)
    if trans == 5:  # of a dose into the centre, AOB is the ratio of what falls with ALPHA to what falls with BETA
        shares = vectors[0] * np.linalg.solve(vectors, np.eye(len(names))[0])
        assert shares[np.argmin(roots)] / shares[np.argmax(roots)] == pytest.approx(1.7)


@pytest.mark.filterwarnings("ignore")  # pharmpy warns of what it does itself
@pytest.mark.parametrize(("advan", "trans"), PAIRS)
def test_subroutines_mean_what_pharmpy_takes_them_to_mean(advan: int, trans: int) -> None:
    import sympy
    from pharmpy.model import Model

    text = stream_of(advan, trans)
    model = read_control_stream(text).model
    rng = np.random.default_rng(advan * 10 + trans)
    values = {name: float(rng.uniform(1, 3) + 3 * (name == "VSS")) for name in model.parameter_names}
    amounts = {name: float(rng.uniform(1, 9)) for name in model.state_names}
    own = equations.derivatives(model, ARRAYS, 0.0, amounts, values)
    known = {**values, **{f"A_{name}(t)": amount for name, amount in amounts.items()}}
    checked = set()
    for equation in Model.parse_model_from_string(text).statements.ode_system.eqs:
        left, right = (sympy.sympify(side) for side in (equation.lhs, equation.rhs))
        state = str(left.args[0].func).removeprefix("A_")
        numbers = {atom: known[str(atom)] for atom in right.atoms(sympy.Symbol, sympy.Function) if str(atom) in known}
        assert float(right.subs(numbers)) == pytest.approx(float(own[state]), rel=1e-10), state
        checked.add(state)
    assert checked == set(model.state_names)


def test_general_linear_model_equals_its_named_one() -> None:
    text = WARFARIN.replace("ADVAN=ADVAN2 TRANS=TRANS1", "ADVAN5\n$MODEL COMP=(GUT DEFDOSE) COMP=(CENTRAL)").replace(
        "K    = CL / VC", "K12 = KA\nK20 = CL/VC"
    )
    model, named = read_control_stream(text).model, read_control_stream(WARFARIN).model
    assert read_control_stream(text).doses_into == "GUT"
    other = read_control_stream(text.replace("(GUT DEFDOSE) COMP=(CENTRAL)", "(GUT) COMP=(CENTRAL DEFDOSE)"))
    assert any(line.startswith("Doses without CMT go into CENTRAL") for line in other.describe())
    person = {"KA": 1.2, "CL": 0.3, "VC": 9.0}
    times = np.linspace(0, 50, 11)
    doses = [engine.Regimen(engine.Dose(100, into=into)) for into in ("GUT", "DEPOT")]
    found = [
        engine.simulate_arrays(m, person, dose, times).outputs["F"]
        for m, dose in zip((model, named), doses, strict=True)
    ]
    np.testing.assert_allclose(*found, rtol=1e-12)


# ---- what the statistical part says
def test_effects_and_covariances_are_kept_as_data() -> None:
    imported = read_control_stream(TWO)
    assert [(theta.name, theta.value, theta.lower) for theta in imported.thetas][3] == ("THETA_4", 25.0, 0.0)
    assert imported.omega.names == ("ETA_1", "ETA_2", "ETA_3", "ETA_4")
    np.testing.assert_array_equal(
        imported.omega.matrix, [[0.2, 0.1, 0, 0], [0.1, 0.3, 0, 0], [0, 0, 0.1, 0], [0, 0, 0, 0.15]]
    )
    assert imported.omega.fixed == (False, False, False, True)
    assert imported.sigma.matrix == ((0.05,),)
    assert {name: str(tree) for name, tree in imported.individual.items()} == {
        "CL": "exp(THETA_1 + ETA_1)", "V1": "exp(THETA_2 + ETA_2)", "Q": "THETA_3 * exp(ETA_3)",
        "V2": "THETA_4 * exp(ETA_4)",
    }  # fmt: skip
    assert imported.estimates == "initial"


def test_repeated_blocks_and_standard_deviations() -> None:
    more = "$OMEGA BLOCK(1) 0.4\n$OMEGA BLOCK(1) SAME\n$OMEGA BLOCK(2) SD CORRELATION\n0.5\n0.1 0.4\n"
    omega = read_control_stream(TWO.replace("$SIGMA", more + "$SIGMA")).omega
    assert omega.same == {"ETA_6": "ETA_5"}
    assert omega.matrix[5][5] == 0.4
    assert (omega.matrix[6][6], omega.matrix[7][6]) == (pytest.approx(0.25), pytest.approx(0.1 * 0.5 * 0.4))


def test_forms_of_nonmem_7_5() -> None:
    text = (
        WARFARIN.replace("(0, 1) ; KA\n (0, 0.13) ; CL\n 8 0.1 0.2", "KA=(0, 1) ; KA=9\n CL=(0,.13) 8 (0.1)X2")
        .replace("$OMEGA .3 .1 .1", "$OMEGA BLOCK(2) KA=.3 .01 CL=.2\n$OMEGA (0.1 UNINT)")
        .replace("THETA(1)", "THETA(KA)").replace("THETA(2) * EXP(ETA(2))", "THETA(CL)*EXP(ETA( cl ))")
    )  # fmt: skip
    imported = read_control_stream(text)
    assert [theta.value for theta in imported.thetas] == [1, 0.13, 8, 0.1, 0.1]
    assert str(imported.individual["CL"]) == "THETA_2 * exp(ETA_2)"
    assert imported.omega.matrix == ((0.3, 0.01, 0.0), (0.01, 0.2, 0.0), (0.0, 0.0, 0.1))
    alike = WARFARIN.replace("$OMEGA .3 .1 .1", "$OMEGA BLOCK(3) FIXED VALUES(0.2,0.01)")
    omega = read_control_stream(alike).omega
    assert omega.matrix == ((0.2, 0.01, 0.01), (0.01, 0.2, 0.01), (0.01, 0.01, 0.2))
    assert omega.fixed == (True, True, True)


@pytest.mark.parametrize(
    ("y", "form"),
    [
        ("F + EPS(1)", "additive"),
        ("F*(1 + EPS(1))", "proportional"),
        ("F + F*EPS(1) + EPS(2)", "combined"),
        ("IPRED + SQRT(THETA(4)**2 + (THETA(5)*IPRED)**2)*EPS(1)", "combined"),
        ("IPRED + (THETA(4) + THETA(5)*IPRED)*EPS(1)", "combined"),
        ("A(2)/VC + A(2)/VC*EPS(1)", "proportional"),
        ("F*EXP(EPS(1))", "exponential"),
        ("LOG(F) + THETA(4)*EPS(1)", "log-additive"),
        ("F + F**0.5*EPS(1)", "other"),
        ("F + WT*EPS(1)", "other"),
        ("F", "none"),
    ],
)
def test_the_form_of_the_residual_error(y: str, form: str) -> None:
    text = WARFARIN.replace("Y = IPRED + W*EPS(1)", f"Y = {y}").replace("EVID", "EVID WT").replace(
        "$SIGMA 1 FIX", "$SIGMA 1 FIX\n$SIGMA 2"
    )  # fmt: skip
    assert read_control_stream(text).residual.form == form


def test_final_estimates_come_from_the_table_of_the_run(tmp_path: Path) -> None:
    table = tmp_path / "run.ext"
    table.write_text(
        "TABLE NO.     1: First Order Conditional Estimation\n"
        " ITERATION THETA1 THETA2 THETA3 THETA4 SIGMA(1,1) OMEGA(1,1) OMEGA(2,1) OMEGA(2,2) OMEGA(3,1) OMEGA(3,2) "
        "OMEGA(3,3) OMEGA(4,1) OMEGA(4,2) OMEGA(4,3) OMEGA(4,4) OBJ\n"
        " 0 1.7 2.1 6 25 0.05 0.2 0.1 0.3 0 0 0.1 0 0 0 0.15 99.0\n"
        " -1000000000 1.68 2.27 5.1 2.2E+01 0.04 0.16 0.08 0.25 0 0 0.11 0 0 0 0.15 12.3\n"
        " -1000000001 0.1 0.1 0.1 1 0.1 0.1 0.1 0.1 0 0 0.1 0 0 0 0 0\n"
    )
    imported = read_control_stream(TWO, estimates=table)
    assert imported.estimates == "final"
    assert imported.model.typical["V2"] == 22
    assert imported.omega.matrix[1] == (0.08, 0.25, 0.0, 0.0)
    with pytest.raises(ModelError, match=r"run\.ext: THETA5 is missing"):
        read_control_stream(WARFARIN, estimates=table)
    with pytest.raises(ModelError, match="cannot read"):
        read_control_stream(WARFARIN, estimates=tmp_path / "none.ext")


# ---- code
def test_branches_give_typical_values() -> None:
    text = TWO.replace("TVQ=THETA(3)", """IF (WT.GT.70.AND.SEX.EQ.1) THEN
  TVQ = THETA(3)*(WT/70)**0.75
ELSEIF (WT.LE.20) THEN
  TVQ = 1.D0 ! & ;
ELSE
  TVQ = THETA(3)/2
  TVQ = TVQ & ; goes on
     + 1
ENDIF
IF (WT.GT.1000) TVQ = 99""".replace(" ! &", "")).replace("DV\n", "DV WT SEX\n", 1)  # fmt: skip
    imported = read_control_stream(text)
    assert imported.covariates == ("SEX", "WT")
    assert next(p.value for p in imported.model.parameters if p.name == "Q") is None
    for weight, sex, typical in ((80, 1, 6 * (80 / 70) ** 0.75), (80, 0, 4.0), (15, 0, 1.0), (70, 1, 4.0)):
        given = {"WT": weight, "SEX": sex}
        assert read_control_stream(text, covariates=given).model.typical["Q"] == pytest.approx(typical)
        assert imported.parameters(covariates=given)["Q"] == pytest.approx(typical)
    with pytest.raises(ModelError, match="covariates: SEX, WT missing"):
        imported.parameters()
    with pytest.raises(ModelError, match="there is no ETA_9"):
        imported.parameters({"ETA_9": 1.0})


def test_replaced_names_and_mixed_case() -> None:
    text = TWO.replace("$PK", "$ABBR REPLACE THETA(CL)=THETA(1)\n$PK").replace("MU_1=THETA(1)", "mu_1 = theta( cl )")
    assert str(read_control_stream(text).individual["CL"]) == "exp(THETA_1 + ETA_1)"


def test_lags_doses_and_initial_amounts_of_library_models() -> None:
    text = TWO.replace("S1=V1", "S1=V1\nALAG1=THETA(5)\nF1=THETA(6)\nIF (A_0FLG.EQ.1) A_0(2)=V2*THETA(7)").replace(
        "(0,25)", "(0,25) 0.5 0.9 3"
    )
    model = read_control_stream(text).model
    assert (str(model.states[0].lag), str(model.states[0].bioavailability)) == ("ALAG1", "F1")
    assert str(model.states[1].initial) == "PERIPHERAL_0"
    assert model.typical["PERIPHERAL_0"] == 75


def test_outputs_of_error_code() -> None:
    code = (
        "IPRED = F\nCP = A(2)/VC\nEC50 = THETA(5)\nE0 = THETA(4)*EXP(ETA(4))\nEFF = E0*(1 + CP/(EC50 + CP))\n"
        "Y = EFF + EPS(1)\n"
    )
    text = re.sub(r"\$ERROR.*\$THETA", f"$ERROR\n{code}$THETA", WARFARIN, flags=re.S)
    text = text.replace("$OMEGA .3", "$OMEGA .3 .2")
    plain = read_control_stream(text)
    assert plain.model.output_names == ("F", "IPRED", "CP")
    assert plain.left_out["EFF"] == "it needs E0, EC50; name it in outputs to have it"
    with pytest.raises(ModelError, match=r"name those of EC50, E0 in units"):
        read_control_stream(text, outputs=["EFF"])
    full = read_control_stream(text, outputs=["EFF"], units={"E0": "percent", "EC50": "mg/L"})
    assert full.model.outputs[-1].unit in ("%", "percent")
    assert str(full.individual["E0"]) == "THETA_4 * exp(ETA_4)"
    with pytest.raises(ModelError, match="outputs: Y: it has a residual error"):
        read_control_stream(text, outputs=["Y"])


# ---- units
def test_scales_hide_conversions_of_units() -> None:
    milli = read_control_stream(NMTESTS, amount="mg", volume="L").model
    assert milli.outputs[0].unit == "ug/L"
    assert read_control_stream(NMTESTS, units={"F": "ng/mL"}).model.outputs[0].unit == "ng/mL"
    with pytest.raises(ModelError, match="F in mg/L is a factor 1 from"):
        read_control_stream(NMTESTS, units={"F": "mg/L"})
    odd = NMTESTS.replace("V/1000", "V/7")
    with pytest.raises(ModelError, match="factor 7; say in which unit F is"):
        read_control_stream(odd)
    assert read_control_stream(odd, unitless=True).model.outputs[0].unit == "1"


def test_missing_units_are_named_all_at_once() -> None:
    with pytest.raises(ModelError, match=r"name those of KL, KD, LAMBDA, DOSE in units, for instance.*unitless"):
        read_control_stream(CLARET)
    with pytest.raises(ModelError, match="units: there is no KX in it"):
        read_control_stream(CLARET, units={"KX": "1/h"})


def test_inconsistent_units_name_the_line() -> None:
    with pytest.raises(ModelError, match=r"derivatives\.TUMOUR: .*mm/h and mm/week.*unitless"):
        read_control_stream(CLARET, units={**CLARET_UNITS, "KL": "1/h"}, time="week")


@pytest.mark.parametrize("text", [NMTESTS, TWO, WARFARIN, CLARET], ids=["nmtests", "two", "warfarin", "claret"])
def test_our_text_of_an_imported_model_loads(text: str, tmp_path: Path) -> None:
    model = read_control_stream(text, unitless=text is CLARET, time="day").model
    (tmp_path / "model.yaml").write_text(write_yaml(model), encoding="utf-8")
    assert load_model(tmp_path / "model.yaml") == model


def test_a_file_names_the_model(tmp_path: Path) -> None:
    (tmp_path / "run 12.ctl").write_text(TWO)
    imported = read_control_stream(tmp_path / "run 12.ctl")
    assert isinstance(imported, Imported)
    assert imported.model.name == "run_12"
    assert imported.model.reference == "two compartments, intravenous. NONMEM control stream run 12.ctl"


# ---- what cannot be read
@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("ADVAN3", "ADVAN16"), "ADVAN16 cannot be read; ADVAN1, ADVAN2"),
        (("TRANS4", "TRANS2"), "ADVAN3 TRANS2 cannot be read; TRANS1, TRANS3"),
        (("Q=TVQ*EXP(ETA(3))", ""), "wants Q in"),
        (("$PK", "$PRED"), "has no \\$PK"),
        (("$SUBROUTINES ADVAN3 TRANS4", ""), "names no ADVAN"),
        (("ADVAN3 TRANS4", "ADVAN6"), "wants \\$DES"),
        (("$PROBLEM", "$PRBLM"), "has no \\$PROBLEM"),
        (("MU_1=THETA(1)", "DO WHILE (X.LT.3)"), "a loop cannot be read"),
        (("MU_1=THETA(1)", '"FIRST'), "verbatim code"),
        (("MU_1=THETA(1)", "MU_1=GAMLN(THETA(1))"), r"GAMLN\(\) cannot be read"),
        (("MU_1=THETA(1)", "IF (ETA(1).GT.0) THEN"), "has no ENDIF"),
        (("MU_1=THETA(1)", "MU_1=X\nX=THETA(1)"), "MU_1 uses X before it is assigned"),
        (("MU_1=THETA(1)", "MU_1=XX"), "XX is used, but nothing assigns it|covariates|no data item"),
        (("S1=V1", "S1=V1\nF1=A(1)"), "cannot|is used"),
        (("$OMEGA BLOCK(2) 0.2", "$OMEGA BLOCK(2) SAME"), "OMEGA"),
        (("$THETA 1.7", "$THETA (1.7"), "THETA cannot be read"),
        (("$ERROR", "$MIX\nNSPOP=2\n$ERROR"), "a mixture model"),
        (("TVQ=THETA(3)", "TVQ=THETA(9)"), r"THETA_9|THETA\(9\)"),
    ],
)
def test_what_cannot_be_read_is_refused_with_a_sentence(change: tuple[str, str], told: str) -> None:
    with pytest.raises(ModelError, match=told):
        read_control_stream(TWO.replace(*change, 1))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("DADT(1) =", "DADT(2) ="), r"DADT\(1\) is missing"),
        (("RES = EXP(-LAMBDA*T)", "RES = EXP(-LAMBDA*T)*A(3)"), r"A\(3\) cannot be used"),
        (("RES = EXP(-LAMBDA*T)", "RES = EVID"), "EVID, which belongs to a record"),
        (("RES = EXP(-LAMBDA*T)", "RES = NOBODY"), "NOBODY is used, but nothing assigns it"),
        (("$MODEL NCOMP=1 COMP=(TUMOUR DEFOBS)", ""), r"wants \$MODEL"),
        (("RES = EXP(-LAMBDA*T)", "KL = 2\nRES=1"), r"KL is assigned in \$PK"),
    ],
)
def test_equations_that_cannot_be_read(change: tuple[str, str], told: str) -> None:
    with pytest.raises(ModelError, match=told):
        read_control_stream(CLARET.replace(*change, 1).replace("DV DOSE", "DV DOSE EVID"), unitless=True)


def test_the_library_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pharmpy.model.external.nonmem.records.factory", None)
    with pytest.raises(ModelError, match=r"needs the package pharmpy.*pip install 'trialtwin\[interchange\]'"):
        read_control_stream(TWO)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    source=st.sampled_from([NMTESTS, TWO, WARFARIN, CLARET]),
    places=st.lists(
        st.tuples(st.integers(0, 600), st.integers(0, 30), st.text("ABEFKSTXY()*+-/.,=; \n$0123456789", max_size=10)),
        min_size=1, max_size=4,
    ),
)  # fmt: skip
def test_damaged_text_gives_a_model_or_a_sentence(source: str, places: list[tuple[int, int, str]]) -> None:
    for start, length, inserted in places:
        source = source[:start] + inserted + source[start + length :]
    with contextlib.suppress(ModelError):  # anything else is a failure
        read_control_stream(source + "\n$", unitless=True)
