"""One pipeline per stage; they meet in the catalog and never import one another."""
