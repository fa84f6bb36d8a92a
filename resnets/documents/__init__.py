"""What the documents say and show, filled in from results and computed facts by `python -m resnets.documents`."""
