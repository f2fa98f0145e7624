"""Monitoring: looks at a trial under way, what is known then, and what is decided."""
