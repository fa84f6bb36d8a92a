"""How fast things are here, beside their peers in the same run."""
