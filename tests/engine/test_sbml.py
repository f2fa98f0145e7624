"""SBML: every model of conf/model written and read back, checked by libsbml and simulated by libroadrunner."""

import contextlib
import sys
from dataclasses import replace

import libsbml
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import engine
from engine.errors import ModelError
from engine.interchange import read_sbml, write_sbml
from engine.interchange.sbml_units import Part, parts, text_of
from engine.interchange.sbml_writing import STARTS
from engine.models.algebras.units import unit
from engine.models.expression import Name, Number
from engine.models.loading import library, load_evidence, load_model
from engine.models.specification import Output
from tests.engine.test_written import FIXED, NAMES, model_of

NO_DOSE = engine.Regimen()


def on_the_way(name: str) -> tuple[engine.Model, np.ndarray]:
    """A model that begins where its example has come to after a third of its time, and the times of the second third.

    What SBML cannot hold, the doses, is past by then; the states have left their starts.
    """
    model, example = load_model(name), load_evidence(name).example
    assert example is not None
    person = {**model.typical, **example.parameters}
    model = replace(model, parameters=tuple(replace(p, value=person[p.name]) for p in model.parameters))
    shown = replace(model, outputs=tuple(Output(s.name, Name(s.name), s.unit) for s in model.states))
    third = example.until / 3
    there = engine.simulate_arrays(shown, person, example.dosing, [third]).outputs
    states = tuple(replace(s, initial=Number(float(there[s.name][0, 0]))) for s in model.states)
    return replace(model, states=states), np.linspace(0.0, third, 11)


def independent(text: str, chosen: list[str], times: np.ndarray) -> np.ndarray:
    """Columns ``chosen`` as libroadrunner computes them, (time, column)."""
    roadrunner = pytest.importorskip("roadrunner", reason="libroadrunner is installed on Linux only")
    runner = roadrunner.RoadRunner(text)
    runner.integrator.relative_tolerance, runner.integrator.absolute_tolerance = 1e-9, 1e-11
    runner.integrator.maximum_num_steps = 1_000_000
    runner.timeCourseSelections = ["time", *chosen]
    return np.asarray(runner.simulate(times=list(times)))[:, 1:]


def simulated(model: engine.Model, times: np.ndarray) -> dict[str, np.ndarray]:
    found = engine.simulate_arrays(model, model.typical, NO_DOSE, times)
    assert found.status[0] == 0
    return {name: values[0] for name, values in found.outputs.items()}


# ---- every model of the library
@pytest.mark.parametrize("name", NAMES)
def test_a_written_model_reads_back_equal(name: str) -> None:
    model = model_of(name)
    again = read_sbml(write_sbml(model))
    assert again == model
    assert again.digest == model.digest


@pytest.mark.parametrize("name", NAMES)
def test_libsbml_finds_no_fault_in_what_is_written(name: str) -> None:
    document = libsbml.readSBMLFromString(write_sbml(model_of(name)))
    document.checkConsistency()
    errors = [document.getError(number) for number in range(document.getNumErrors())]
    # Units are checked there by another implementation; it only cannot tell the unit of a literal 0.
    found = [error.getMessage() for error in errors if "literal numbers or parameters" not in error.getMessage()]
    assert not found


@pytest.mark.parametrize("name", library())
def test_libroadrunner_simulates_the_same(name: str) -> None:
    model, times = on_the_way(name)
    own = simulated(model, times)
    written = libsbml.readSBMLFromString(write_sbml(model)).getModel()
    called = [element.getId() for element in written.getListOfParameters()][-len(own) :]
    found = independent(write_sbml(model), called, times)
    for column, values in zip(found.T, own.values(), strict=True):
        # What is left of a drug may be below the reference's own absolute tolerance, 1e-12.
        np.testing.assert_allclose(column, values, rtol=1e-6, atol=1e-12 + 1e-9 * np.abs(values).max())


# ---- units
@pytest.mark.parametrize(
    "text",
    ["mg/L", "1/h", "L/h/kg", "percent", "mg/day**2", "nmol/L", "kg/m**2", "1/mg**0.5", "mL/min", "mmHg", "mV", "week"],
)
def test_a_unit_reads_back(text: str) -> None:
    assert unit(text_of(parts(text))) == unit(text)


def test_units_without_a_name_are_refused() -> None:
    with pytest.raises(ModelError, match=r"a unit of 0\.37 gram has no name"):
        text_of([Part("gram", 1, 0, 0.37)])
    with pytest.raises(ModelError, match="kind 'lumen' is not known"):
        text_of([Part("lumen", 1, 0, 1.0)])


# ---- models of others
HEAD = '<sbml xmlns="http://www.sbml.org/sbml/level3/version1/core" level="3" version="1"><model id="foreign" {}>'
UNITS = (
    'substanceUnits="micromole" timeUnits="minute" volumeUnits="litre" extentUnits="micromole"><listOfUnitDefinitions>'
    '<unitDefinition id="micromole"><listOfUnits><unit kind="mole" exponent="1" scale="-6" multiplier="1"/>'
    '</listOfUnits></unitDefinition><unitDefinition id="minute"><listOfUnits><unit kind="second" exponent="1" '
    'scale="0" multiplier="60"/></listOfUnits></unitDefinition><unitDefinition id="per_minute"><listOfUnits><unit '
    'kind="second" exponent="-1" scale="0" multiplier="60"/></listOfUnits></unitDefinition><unitDefinition id="molar">'
    '<listOfUnits><unit kind="mole" exponent="1" scale="-6" multiplier="1"/><unit kind="litre" exponent="-1" scale="0"'
    ' multiplier="1"/></listOfUnits></unitDefinition><unitDefinition id="vm"><listOfUnits><unit kind="mole" '
    'exponent="1" scale="-6" multiplier="1"/><unit kind="second" exponent="-1" scale="0" multiplier="60"/>'
    "</listOfUnits></unitDefinition></listOfUnitDefinitions>"
)
TIME = '<csymbol encoding="text" definitionURL="http://www.sbml.org/sbml/symbols/time"> t </csymbol>'


def math(content: str) -> str:
    return f'<math xmlns="http://www.w3.org/1998/Math/MathML">{content}</math>'


def formula(text: str) -> str:
    """MathML of a formula; ``time`` is SBML's."""
    written = libsbml.writeMathMLToString(libsbml.parseL3Formula(text))
    return written.split("?>", 1)[1]


def enzyme(extra: str = "", *, parameters: str = "", law: str = "vmax * S / (km + S)", head: str = UNITS) -> str:
    """Substrate to product in two litres by an enzyme, with concentrations in the rate law."""
    return (
        (
            HEAD.format(head.split(">", 1)[0])
            + head.split(">", 1)[1]
            + '<listOfCompartments><compartment id="cell" spatialDimensions="3" size="2" constant="true"/>'
            "</listOfCompartments><listOfSpecies>"
            '<species id="S" compartment="cell" initialConcentration="5" hasOnlySubstanceUnits="false" '
            'boundaryCondition="false" constant="false"/>'
            '<species id="P" compartment="cell" initialAmount="0" hasOnlySubstanceUnits="true" '
            'boundaryCondition="false" constant="false"/></listOfSpecies><listOfParameters>'
            '<parameter id="vmax" value="3" units="vm" '
            'constant="true"/><parameter id="km" value="1.5" units="molar" constant="true"/>'
            + parameters
            + '</listOfParameters>{rules}<listOfReactions><reaction id="turnover" reversible="false" fast="false">'
            '<listOfReactants><speciesReference species="S" stoichiometry="1" constant="true"/></listOfReactants>'
            '<listOfProducts><speciesReference species="P" stoichiometry="2" constant="true"/></listOfProducts>'
            f"<kineticLaw>{formula(law)}</kineticLaw></reaction></listOfReactions>{{events}}</model></sbml>"
        )
        .replace("{rules}", extra if "<listOfEvents" not in extra else "")
        .replace("{events}", extra if "<listOfEvents" in extra else "")
    )


def event(trigger: str, variable: str, value: str, delay: str = "", called: str = "e") -> str:
    wait = f"<delay>{formula(delay)}</delay>" if delay else ""
    return (
        f'<event id="{called}" useValuesFromTriggerTime="true"><trigger initialValue="false" persistent="true">'
        f'{formula(trigger)}</trigger>{wait}<listOfEventAssignments><eventAssignment variable="{variable}">'
        f"{formula(value)}</eventAssignment></listOfEventAssignments></event>"
    )


def events(*each: str) -> str:
    return f"<listOfEvents>{''.join(each)}</listOfEvents>"


def same_as_libroadrunner(text: str, model: engine.Model, chosen: dict[str, str]) -> None:
    times = np.linspace(0.0, 8.0, 33)
    own = simulated(model, times)
    found = independent(text, list(chosen), times)
    for column, name in zip(found.T, chosen.values(), strict=True):
        np.testing.assert_allclose(column, own[name], rtol=1e-6, atol=1e-8, err_msg=name)


def test_reactions_with_units_become_derivatives_in_amounts() -> None:
    model = read_sbml(enzyme())
    assert model.time == "min"
    assert {state.name: state.unit for state in model.states} == {"S": "umol", "P": "umol"}
    assert {output.name: output.unit for output in model.outputs} == {"S_concentration": "umol/L", "P": "umol"}
    assert model.typical["S_initial"] == 5
    assert str(dict(model.derivatives)["P"]) == "2 * turnover"
    same_as_libroadrunner(enzyme(), model, {"[S]": "S_concentration", "P": "P"})
    loss = simulated(model, np.array([0.0, 3.0]))
    assert 2 * (10 - 2 * loss["S_concentration"][1]) == pytest.approx(loss["P"][1])


def test_inconsistent_units_are_refused_and_bare_numbers_can_be_asked_for() -> None:
    text = enzyme(law="cell * vmax * S / (km + S)")
    with pytest.raises(ModelError, match=r"must be in .*umol/min.*unitless"):
        read_sbml(text)
    model = read_sbml(text, unitless=True)
    assert "per_time" in model.parameter_names
    same_as_libroadrunner(text, model, {"[S]": "S_concentration", "P": "P"})


def test_missing_units_are_named_all_at_once() -> None:
    text = enzyme(parameters='<parameter id="a" value="1" constant="true"/><parameter id="b" constant="true"/>',
                  law="a * b * vmax * S / (km + S)")  # fmt: skip
    with pytest.raises(ModelError, match="no unit is given for a, b; name them in units"):
        read_sbml(text)
    told = read_sbml(text, units={"a": "1", "b": "1"})
    assert {parameter.name: parameter.unit for parameter in told.parameters}["a"] == "1"
    with pytest.raises(ModelError, match="there is no c in it"):
        read_sbml(text, units={"c": "1"})
    bare = text.replace('timeUnits="minute"', "")
    with pytest.raises(ModelError, match="unit time is; name it with time"):
        read_sbml(bare, unitless=True)
    assert read_sbml(bare, unitless=True, time="min").time == "min"


@pytest.mark.parametrize(
    ("rules", "parameters", "law", "chosen"),
    [
        (
            f'<listOfRules><assignmentRule variable="k">{formula("0.5 + 0.1 * sin(time) + xor(time > 2, time > 4)")}'
            f'</assignmentRule><rateRule variable="z">{formula("-k * z + piecewise(1, S > 3, 0)")}</rateRule>'
            "</listOfRules>",
            '<parameter id="k" constant="false"/><parameter id="z" value="2" constant="false"/>',
            "k * S * z",
            {"[S]": "S_concentration", "k": "k", "z": "z"},
        ),
        (
            f'<listOfInitialAssignments><initialAssignment symbol="S">{formula("2 * w + time")}</initialAssignment>'
            f'<initialAssignment symbol="w">{formula("km^2 + root(3, 8)")}</initialAssignment>'
            "</listOfInitialAssignments>",
            '<parameter id="w" constant="true"/>',
            "w * S / (log(10, 100) + cosh(S / 9))",
            {"[S]": "S_concentration", "P": "P"},
        ),
        (
            events(event("time >= 2", "k", "k2 * 2"), event("5 <= time", "k", "0", called="later")),
            '<parameter id="k" value="0.3" constant="false"/><parameter id="k2" value="0.7" constant="true"/>',
            "k * S",
            {"[S]": "S_concentration"},
        ),
        (events(event("time > 1", "k", "1", delay="d")),
            '<parameter id="k" value="0.3" constant="false"/><parameter id="d" value="2.5" constant="true"/>',
            "k * S", {"[S]": "S_concentration"}),
        (
            events(event("S < 3", "k", "0.1"), event("S >= 3", "k", "1", called="above")),
            '<parameter id="k" value="1" constant="false"/>',
            "k * S",
            {"[S]": "S_concentration", "P": "P"},
        ),
        (
            f'<listOfInitialAssignments><initialAssignment symbol="w">{formula("k * S")}</initialAssignment>'
            "</listOfInitialAssignments>"
            + events(event("time >= 2", "w", "1")),
            '<parameter id="w" constant="false"/><parameter id="k" value="0.4" constant="true"/>',
            "w * S",
            {"[S]": "S_concentration", "P": "P"},
        ),
        (
            f'<listOfRules><rateRule variable="cell">{formula("0.3 * cell")}</rateRule></listOfRules>',
            "",
            "S * vmax",
            {"[S]": "S_concentration", "P": "P", "cell": "cell"},
        ),
    ],
    ids=["rules", "initial assignments", "times", "delay after a time", "opposite conditions", "constants of states",
         "size that changes"],
)  # fmt: skip
def test_what_else_sbml_says(rules: str, parameters: str, law: str, chosen: dict[str, str]) -> None:
    text = enzyme(rules, parameters=parameters, law=law)
    if 'variable="cell"' in rules:
        text = text.replace('size="2" constant="true"', 'size="2" constant="false"')
    same_as_libroadrunner(text, read_sbml(text, unitless=True), chosen)


def test_functions_of_level_2_and_local_parameters() -> None:
    document = libsbml.SBMLDocument(2, 4)
    model = document.createModel()
    compartment, species = model.createCompartment(), model.createSpecies()
    compartment.setId("_c")
    compartment.setSize(4.0)
    species.setId("lambda")
    species.setCompartment("_c")
    species.setInitialAmount(8.0)
    function = model.createFunctionDefinition()
    function.setId("mm")
    function.setMath(libsbml.parseL3Formula("lambda(x, v, k, v * x / (k + x))"))
    reaction = model.createReaction()
    reaction.setId("exp")
    reaction.createReactant().setSpecies("lambda")
    law = reaction.createKineticLaw()
    law.setMath(libsbml.parseL3Formula("_c * mm(lambda, v, 2) * mm(3, 1, 1)"))
    local = law.createParameter()
    local.setId("v")
    local.setValue(1.25)
    text = libsbml.writeSBMLToString(document)
    read = read_sbml(text, unitless=True)
    assert read.time == "s"
    assert read.state_names == ("lambda_",)
    same_as_libroadrunner(text, read, {"[lambda]": "lambda__concentration"})


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (enzyme(f"<listOfRules><algebraicRule>{formula('S + P - 3')}</algebraicRule></listOfRules>"), "algebraic rule"),
        (enzyme(law="delay(S, 1) * vmax"), "turnover: a delay cannot"),
        (enzyme(law="ceil(S) * vmax"), "turnover: ceil"),
        (enzyme(law="piecewise(1, S > 2)"), "without otherwise"),
        (enzyme(events(event("time > 3", "S", "7"))), "changes the state S at an instant"),
        (enzyme(events(event("S > 3", "k", "7")), parameters='<parameter id="k" constant="false" value="1"/>'),
         "neither different times nor"),
        (enzyme(events(event("time > 3", "k", "S")), parameters='<parameter id="k" constant="false" value="1"/>'),
         "depends on the moment"),
        (enzyme(events(event("S > 3", "k", "7", "2")), parameters='<parameter id="k" constant="false" value="1"/>'),
         "has a delay after a condition"),
        (enzyme().replace('fast="false"', 'fast="true"'), "is fast"),
        (enzyme().replace('initialConcentration="5"', ""), "S has no initial value"),
        (enzyme(f'<listOfInitialAssignments><initialAssignment symbol="S">{formula("S * 2")}</initialAssignment>'
                "</listOfInitialAssignments>"), "defined by itself|circle|[Cc]ycle"),
        (HEAD.format("") + "</model></sbml>", "nothing in it changes"),
        ("<sbml/>", "not valid SBML"),
        ("<html>", "not valid SBML"),
        ("< \0", "characters that no XML"),
        ("nowhere.xml", "cannot read nowhere.xml"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_with_a_sentence(text: str, told: str) -> None:
    with pytest.raises(ModelError, match=told):
        read_sbml(text, unitless=True, time="min")


def test_how_doses_enter_is_kept() -> None:
    model = load_model(FIXED)
    kept = {field for state in read_sbml(write_sbml(model)).states for field in STARTS if getattr(state, field)}
    assert kept == set(STARTS)


WRITTEN = write_sbml(load_model("theophylline_oral"))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    source=st.sampled_from([WRITTEN, enzyme()]),
    places=st.lists(st.tuples(st.integers(0, 8000), st.integers(0, 40), st.text(max_size=12)), min_size=1, max_size=3),
)
def test_damaged_text_gives_a_model_or_a_sentence(source: str, places: list[tuple[int, int, str]]) -> None:
    for start, length, inserted in places:
        source = source[:start] + inserted + source[start + length :]
    with contextlib.suppress(ModelError):  # anything else is a failure
        read_sbml("<" + source[1:], unitless=True, time="h")


def test_the_library_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "libsbml", None)
    with pytest.raises(ModelError, match=r"needs the package libsbml.*pip install 'trialtwin\[interchange\]'"):
        read_sbml("<sbml/>")
