"""Runs the project on Amazon EMR: what is packaged, how it is submitted, and what starts there. Nothing else imports it."""
