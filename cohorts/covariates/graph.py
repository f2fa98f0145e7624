"""A covariate model as a node of a PyMC model: the same function of uniform numbers that draws cohorts."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op

from cohorts.covariates.base import CovariateModel, Variable


class CovariateOp(Op):  # PyTensor's class; `drawn` alone makes it
    """Values of each covariate of a model, (subject), from uniform numbers (subject, width) and what was drawn before.

    It has no gradient: it serves draws from the prior, as covariates of new patients are never fitted.

    Parameters
    ----------
    model
        The covariate model.
    known
        Covariates drawn before, in the order in which they are given.
    """

    __props__ = ("model", "known")

    def __init__(self, model: CovariateModel, known: tuple[Variable, ...]) -> None:
        self.model, self.known = model, known

    def make_node(self, *given: Any) -> Apply[Any]:
        """Node of the graph; PyTensor calls this."""
        kinds = ["int64" if v.levels else "float64" for v in self.model.variables]
        return Apply(self, [pt.as_tensor(x) for x in given], [pt.vector(dtype=kind) for kind in kinds])

    def perform(self, node: Apply[Any], inputs: Any, output_storage: Any) -> None:
        """Compute the values; PyTensor calls this."""
        u, *before = inputs
        found = self.model.values(u, {v.name: x for v, x in zip(self.known, before, strict=True)})
        for variable, place, output in zip(self.model.variables, output_storage, node.outputs, strict=True):
            place[0] = np.asarray(found[variable.name], dtype=output.type.dtype)


def drawn(model: CovariateModel, known: Mapping[str, tuple[Variable, Any]]) -> dict[str, Any]:
    """Covariates of new patients in the PyMC model of a context, (subject), named as the population names them.

    The uniform numbers are the random variable ``<model>_u`` (subject, ``<model>_number``); a model without any is
    computed from covariates drawn before.

    Parameters
    ----------
    model
        The covariate model.
    known
        Covariates drawn before, by name, with what is said of them.
    """
    import pymc as pm

    context = pm.modelcontext(None)
    if model.width:
        context.add_coord(f"{model.name}_number", np.arange(model.width))
        u: Any = pm.Uniform(f"{model.name}_u", dims=("subject", f"{model.name}_number"))
    else:
        u = pt.zeros((len(context.coords["subject"]), 0))
    made = CovariateOp(model, tuple(v for v, _ in known.values()))(u, *(x for _, x in known.values()))
    columns = made if isinstance(made, list) else [made]
    return {v.name: pm.Deterministic(v.name, x, dims="subject") for v, x in zip(model.variables, columns, strict=True)}
