"""What is believed of a population, as YAML writes it: parameters, effects, variability, errors; no random variable."""
