"""How images become scores, and scores figures."""
