"""Analysis Results Standard 1.0 (CDISC): analyses, methods, data subsets, groupings, displays and results as JSON."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from trials.evidence.adam.results import PLAN, PRIMARY, PROGRAM, SECONDARY, Result, operations
from trials.report_tables import plain, with_error

if TYPE_CHECKING:
    from trials.evidence.study import Example, Study

type Json = dict[str, Any]

VALUE, ERROR, COUNT = "value", "mcse", "replicates"
CHARACTERISTICS = "trials.operating.characteristics"


def reporting_event(study: Study, example: Example, found: Sequence[Result], arms: Mapping[str, str]) -> Json:
    """Reporting event of an example trial: every analysis with its results; `arms` has each arm's treatment."""
    names = operations(found)
    methods = [_method(method, group, names) for method, group in _by_method(found).items()]
    analyses = [_analysis(one, names) for one in found]
    return _event(
        example.study,
        f"Simulated trial {example.study}: {study.trial.title}. SIMULATED DATA, virtual subjects.",
        analyses,
        methods=methods,
        subsets=[_subset(one) for one in {one.selection.variable: one for one in found}.values()],
        sets=[_set("AS_ITT", "Intent-to-treat population", ("ADSL", "ITTFL", "EQ", ("Y",)))],
        groupings=[_grouping("GF_TRT", "Treatment", "TRT01P", arms.values(), "ADSL")],
        title=f"Analyses of {example.study}",
    )


def reporting_event_of_replicates(study: Study, name: str) -> Json:
    """Reporting event of all replicates: operating characteristics with their Monte Carlo errors, from ADSIM.

    Parameters
    ----------
    study
        The run.
    name
        STUDYID of its data sets of replicates.
    """
    told = study.characteristics
    names = list(dict.fromkeys(each for analyses in told.values() for found in analyses.values() for each in found))
    analyses, subsets = [], []
    for scenario, by_analysis in told.items():
        for analysis, found in by_analysis.items():
            key = _key(f"{scenario}_{analysis}")
            conditions = (("ADSIM", "SCENARIO", "EQ", (scenario,)), ("ADSIM", "ANALYSIS", "EQ", (analysis,)))
            subsets.append(_compound(f"DS_{key}", f"{analysis} in the scenario {scenario}", conditions))
            analyses.append(_characterised(key, scenario, analysis, found))
    method: Json = {
        "id": "M_OC",
        "name": "Operating characteristics",
        "description": "Morris, White and Crowther 2019, doi:10.1002/sim.8086, table 6, with Monte Carlo errors",
        "operations": [
            {"id": _operation(name, part), "name": f"{name} {part}", "order": order}
            for order, (name, part) in enumerate(((n, p) for n in names for p in (VALUE, ERROR, COUNT)), 1)
        ],
        "codeTemplate": {"context": "Python", "code": f"{CHARACTERISTICS}(*trials.evidence.adam.outcomes(adsim))"},
    }
    return _event(
        name,
        f"Operating characteristics of {study.trial.title}. SIMULATED DATA, virtual subjects.",
        analyses,
        methods=[method],
        subsets=subsets,
        sets=[],
        groupings=[_grouping("GF_SCEN", "Scenario", "SCENARIO", told, "ADSIM")],
        title="Operating characteristics",
    )


def _event(
    name: str, description: str, analyses: Sequence[Json], *, title: str, methods: Sequence[Json],
    subsets: Sequence[Json], sets: Sequence[Json], groupings: Sequence[Json],
) -> Json:  # fmt: skip
    items = [
        {"name": one["name"], "level": 1, "order": order, "analysisId": one["id"]}
        for order, one in enumerate(analyses, 1)
    ]
    display = {"id": "DISP_1", "name": "Table 1", "displayTitle": title, "displaySections": _sections(title)}
    return {
        "id": f"RE_{_key(name)}",
        "name": f"{name} analysis results",
        "description": description,
        "version": 1,
        "mainListOfContents": {
            "name": "Analyses", "label": title,
            "contentsList": {"listItems": [{"name": "Table 1", "level": 1, "order": 1, "outputId": "OUT_1",
                                            "sublist": {"listItems": [{**one, "level": 2} for one in items]}}]},
        },
        "referenceDocuments": [{"id": "RD_SAP", "name": "Statistical analysis plan", "location": "m5/sap.pdf"}],
        "analysisSets": _ordered(sets),
        "dataSubsets": _ordered(subsets),
        "analysisGroupings": list(groupings),
        "methods": list(methods),
        "analyses": list(analyses),
        "outputs": [{"id": "OUT_1", "name": "Table 1", "version": 1, "displays": [{"order": 1, "display": display}]}],
    }  # fmt: skip


def _analysis(one: Result, names: Sequence[str]) -> Json:
    analysis, selection = one.analysis, one.selection
    arms = [getattr(analysis, role, None) for role in ("test", "control", "arm")]
    about = " against ".join(str(arm) for arm in arms if arm)
    return {
        "id": f"AN_{_key(analysis.name)}",
        "name": analysis.name,
        "description": f"{one.description}{f': {about}' if about else ''}",
        "reason": {"controlledTerm": PLAN},
        "purpose": {"controlledTerm": one.purpose},
        "documentRefs": [{"referenceDocumentId": "RD_SAP"}],
        "analysisSetId": "AS_ITT",
        "dataset": selection.dataset,
        "variable": selection.column,
        "dataSubsetId": f"DS_{_key(selection.variable)}",
        "orderedGroupings": [{"order": 1, "groupingId": "GF_TRT", "resultsByGroup": False}],
        "methodId": f"M_{_key(one.method)}",
        "programmingCode": {"context": "Python", "code": one.code, "parameters": _parameters(one)},
        "results": [_result(f"{_key(one.method)}_{name}", one.values[name]) for name in names if name in one.values],
    }


def _parameters(one: Result) -> list[Json]:
    """What the analysis reads besides its endpoint."""
    return [
        {"name": dataset, "description": "also read", "value": list(columns)} for dataset, columns in one.beside.items()
    ]


def _characterised(key: str, scenario: str, analysis: str, found: Mapping[str, Mapping[str, Any]]) -> Json:
    """Operating characteristics of an analysis in a scenario; what could not be computed has no result."""
    values: list[Json] = []
    for name, one in found.items():
        if one[VALUE] is None:
            continue
        values.append(_result(_operation(name, VALUE)[3:], one[VALUE], with_error(one[VALUE], one[ERROR])))
        values += [_result(_operation(name, part)[3:], one[part]) for part in (ERROR, COUNT)]
    return {
        "id": f"AN_{key}",
        "name": f"{analysis} in {scenario}",
        "description": f"Operating characteristics of the analysis {analysis} in the scenario {scenario}",
        "reason": {"controlledTerm": PLAN},
        "purpose": {
            "controlledTerm": PRIMARY if any(name in found for name in ("power", "type_1_error")) else SECONDARY
        },
        "documentRefs": [{"referenceDocumentId": "RD_SAP"}],
        "dataset": "ADSIM",
        "variable": "ESTIMATE",
        "dataSubsetId": f"DS_{key}",
        "orderedGroupings": [{"order": 1, "groupingId": "GF_SCEN", "resultsByGroup": False}],
        "methodId": "M_OC",
        "results": values,
    }


def _result(operation: str, value: float, shown: str = "") -> Json:
    return {"operationId": f"OP_{operation}", "rawValue": repr(value), "formattedValue": shown or plain(value)}


def _operation(name: str, part: str) -> str:
    return f"OP_OC_{_key(name)}_{part}"


def _by_method(found: Iterable[Result]) -> dict[str, Result]:
    return {one.method: one for one in reversed(tuple(found))}


def _method(name: str, one: Result, names: Sequence[str]) -> Json:
    return {
        "id": f"M_{_key(name)}",
        "name": name,
        "description": one.documentation.split(" Settings:")[0],
        "operations": [
            {"id": f"OP_{_key(name)}_{outcome}", "name": outcome, "order": order}
            for order, outcome in enumerate(names, 1)
        ],
        "codeTemplate": {"context": "Python", "code": f"analysis/adam/programs/{PROGRAM}"},
    }


def _subset(one: Result) -> Json:
    selection = one.selection
    conditions = [(selection.dataset, c.variable, c.comparator, c.values) for c in selection.conditions]
    return _compound(f"DS_{_key(selection.variable)}", selection.variable, conditions)


def _compound(key: str, name: str, conditions: Iterable[tuple[str, str, str, tuple[str, ...]]]) -> Json:
    clauses = [{"level": 2, "order": order, "condition": _condition(*one)} for order, one in enumerate(conditions, 1)]
    made: Json = {"id": key, "name": name, "label": name, "level": 1, "order": 1}
    return {**made, "compoundExpression": {"logicalOperator": "AND", "whereClauses": clauses}}


def _set(key: str, name: str, condition: tuple[str, str, str, tuple[str, ...]]) -> Json:
    return {"id": key, "name": name, "label": name, "level": 1, "order": 1, "condition": _condition(*condition)}


def _condition(dataset: str, variable: str, comparator: str, values: tuple[str, ...]) -> Json:
    return {"dataset": dataset, "variable": variable, "comparator": comparator, "value": list(values)}


def _grouping(key: str, name: str, variable: str, groups: Iterable[str], dataset: str) -> Json:
    """Factor with one group a value of its variable."""
    return {
        "id": key,
        "name": name,
        "label": name,
        "groupingDataset": dataset,
        "groupingVariable": variable,
        "dataDriven": False,
        "groups": [
            {
                "id": f"{key}_{order}",
                "name": group,
                "label": group,
                "level": 1,
                "order": order,
                "condition": _condition(dataset, variable, "EQ", (group,)),
            }
            for order, group in enumerate(groups, 1)
        ],
    }


def _sections(title: str) -> list[Json]:
    """Title and footer of a display; both say that the data are simulated."""
    texts = {"Title": title, "Footer": "SIMULATED DATA: virtual subjects"}
    return [
        {"sectionType": kind, "orderedSubSections": [{"order": 1, "subSection": {"id": f"SUB_{kind}", "text": text}}]}
        for kind, text in texts.items()
    ]


def _ordered(items: Iterable[Json]) -> list[Json]:
    return [{**one, "order": order} for order, one in enumerate(items, 1)]


def _key(name: str) -> str:
    """An identifier of letters, digits and underscores."""
    return re.sub(r"\W+", "_", name)


def dangling(event: Json) -> Iterator[str]:
    """Identifiers that an event refers to and does not define: what a schema cannot say."""
    known = {name: {one["id"] for one in event[name]} for name in
             ("analysisSets", "dataSubsets", "analysisGroupings", "methods", "analyses", "outputs")}  # fmt: skip
    steps = {method["id"]: {one["id"] for one in method["operations"]} for method in event["methods"]}
    for one in event["analyses"]:
        uses = {"dataSubsets": [one.get("dataSubsetId")], "methods": [one["methodId"]],
                "analysisSets": [one.get("analysisSetId")],
                "analysisGroupings": [each["groupingId"] for each in one["orderedGroupings"]]}  # fmt: skip
        for kind, names in uses.items():
            yield from (f"{one['id']}: {kind} {name}" for name in names if name and name not in known[kind])
        used = [each["operationId"] for each in one["results"]]
        yield from (f"{one['id']}: operation {name}" for name in used if name not in steps.get(one["methodId"], ()))
    groups = list(event["mainListOfContents"]["contentsList"]["listItems"])
    inner = [each for item in groups for each in item.get("sublist", {"listItems": []})["listItems"]]
    for item in (*groups, *inner):
        if "outputId" in item and item["outputId"] not in known["outputs"]:
            yield f"contents: output {item['outputId']}"
        if "analysisId" in item and item["analysisId"] not in known["analyses"]:
            yield f"contents: analysis {item['analysisId']}"
