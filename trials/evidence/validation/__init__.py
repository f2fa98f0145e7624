"""What is checked of a package while it is made, by validators of others where they run here, and how to repeat it."""
