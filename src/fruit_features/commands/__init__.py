"""What the project's commands share, and the command `kedro similar`."""
