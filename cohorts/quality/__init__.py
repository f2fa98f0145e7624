"""How good and how safe a cohort is: fidelity to its source, disclosure risk, and the gate that export asks."""
