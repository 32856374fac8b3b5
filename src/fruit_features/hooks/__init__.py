"""Kedro hooks: what is checked before a run starts, what surrounds it, and what it leaves behind."""
