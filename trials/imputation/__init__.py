"""Multiple imputation of repeated measures: a Bayesian normal model, assumptions about who left, and Rubin's rules."""
