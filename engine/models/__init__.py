"""What a model is: its text, the expressions in it, their checks, and what can be told from the equations alone."""
