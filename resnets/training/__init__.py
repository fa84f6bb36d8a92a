"""One loop, and what it calls; it knows no task."""
