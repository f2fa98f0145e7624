"""Dose-response mathematics of MCP-Mod: shapes, optimal contrasts, the largest of correlated t statistics, and fits."""
