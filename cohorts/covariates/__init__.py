"""What is known of a patient before the trial, and how it is distributed."""
