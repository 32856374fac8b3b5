"""What a user sees in a terminal: progress while a run lasts, the summary at its end, and errors that fit on a screen."""
