"""Values that a program needs of every parameter."""

from collections.abc import Mapping

from engine.errors import ModelError
from engine.models.reading import suggest
from engine.models.specification import Model


def typical(model: Model, values: Mapping[str, float]) -> dict[str, float]:
    """Get the value of each parameter: from ``values``, else the model's own; ModelError names what has none."""
    for name in values:
        if name not in model.parameter_names:
            raise ModelError(f"model {model.name} has no parameter {name!r}{suggest(name, model.parameter_names)}")
    own = {parameter.name: parameter.value for parameter in model.parameters}
    found = {name: values.get(name, own[name]) for name in own}
    if missing := [name for name, value in found.items() if value is None]:
        raise ModelError(f"model {model.name} has no value for {', '.join(missing)}; give them one")
    return {name: float(value) for name, value in found.items() if value is not None}
