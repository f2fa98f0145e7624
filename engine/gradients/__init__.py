"""How predictions change with parameters: the graphs and gradients that fits use."""
