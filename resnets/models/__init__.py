"""Architectures; they know no data and no training."""
