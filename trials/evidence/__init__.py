"""The evidence package: what a regulatory colleague hands over, made from a run and never by hand."""
