"""Classifiers: recipes, runs, evaluation, prediction."""
