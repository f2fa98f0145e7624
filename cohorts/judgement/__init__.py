"""What a fit or a cohort is worth: predictive checks."""
