"""Arms, epochs, elements and interventions of a protocol."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from trials.evidence.usdm.things import Maker, Thing, chained

if TYPE_CHECKING:
    from trials.protocol import Arm, Protocol

COMPARED = ("placebo", "control", "reference", "comparator")


@dataclass(frozen=True, slots=True)
class Treatments:
    """Who gets what in which period: interventions and elements by arm of the protocol, the rest by USDM's arms."""

    interventions: dict[str, Thing]
    elements: dict[str, Thing]
    epochs: list[Thing]
    arms: list[Thing]
    cells: list[Thing]


def treatments(protocol: Protocol, make: Maker, population: Thing) -> Treatments:
    """Make them; an arm of USDM is a sequence of the design, so a crossover has one for each order of treatment."""
    interventions = {arm.name: _intervention(arm, make) for arm in protocol.arms}
    elements = {
        name: make.named("StudyElement", f"element_{name}", f"Treatment with {name}",
                         studyInterventionIds=[one["id"]], transitionStartRule=None, transitionEndRule=None, notes=[])
        for name, one in interventions.items()
    }  # fmt: skip
    epochs = chained([
        make.named("StudyEpoch", "treatment" if protocol.design.periods == 1 else f"period_{number}",
                   type=make.code("treatment"), notes=[])
        for number in range(1, protocol.design.periods + 1)
    ])  # fmt: skip
    arms, cells = [], []
    for order in dict.fromkeys(protocol.design.orders):
        names = [protocol.design.arms[index] for index in order]
        arm = _arm(names, make, population)
        arms.append(arm)
        cells += [
            make("StudyCell", armId=arm["id"], epochId=epoch["id"], elementIds=[elements[name]["id"]])
            for epoch, name in zip(epochs, names, strict=True)
        ]
    return Treatments(interventions, elements, epochs, arms, cells)


def _arm(names: list[str], make: Maker, population: Thing) -> Thing:
    kind = "experimental" if len(set(names)) > 1 else role(names[0])
    return make.named(
        "StudyArm",
        "_then_".join(names),
        f"Virtual subjects who receive {', then '.join(names)}",
        type=make.code(f"{kind} arm"),
        dataOriginType=make.code("synthetic"),
        dataOriginDescription="SIMULATED DATA: virtual subjects of a model; no person took part.",
        populationIds=[population["id"]],
        notes=[],
    )


def role(name: str) -> str:
    """Role of an arm by its name: placebo, comparator (control, reference …) or experimental."""
    word = name.lower()
    if "placebo" in word:
        return "placebo"
    return "comparator" if any(other in word for other in COMPARED) else "experimental"


def _intervention(arm: Arm, make: Maker) -> Thing:
    """An intervention; the dosing stands in words, since a policy has no dose that is known beforehand."""
    changes = ", ".join(f"{name} times {factor:g}" for name, factor in arm.modify)
    said = f"{arm.dosing}{f'; in the model {changes}' if changes else ''}"
    span = make("Duration", text="As the dosing says", quantity=None, durationWillVary=True,
                reasonDurationWillVary="Doses follow the arm's regimen or policy")  # fmt: skip
    given = make.named("Administration", f"administration_{arm.name}", said, duration=span, dose=None, frequency=None,
                       route=None, administrableProductId=None, medicalDeviceId=None, notes=[])  # fmt: skip
    return make.named("StudyIntervention", arm.name, said, role=make.code(role(arm.name)), type=make.code("drug"),
                      codes=[], administrations=[given], minimumResponseDuration=None, notes=[])  # fmt: skip
