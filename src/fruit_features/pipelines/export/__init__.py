"""Projects photos on the components, writes the tables, and accounts for every photo."""
