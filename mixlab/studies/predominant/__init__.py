"""Predominant instruments with networks for pictures: what the study compares, and what it says of it."""
