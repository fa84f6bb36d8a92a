"""Data: sets of labelled images, where they come from, and the order and augmentation of their stream."""
