"""Ships the project to a cluster: what is packaged, how it is submitted, and what runs there first."""
