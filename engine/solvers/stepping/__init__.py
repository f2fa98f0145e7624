"""One compiled step for a whole block of subjects, and the loop that takes each through its own times and doses."""
