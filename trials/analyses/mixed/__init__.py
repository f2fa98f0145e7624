"""Mathematics of the linear model for repeated measures by REML: sufficient statistics, likelihood, fit, inference."""
