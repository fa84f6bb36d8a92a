"""The papers' tables, and the commands that bring them back."""
