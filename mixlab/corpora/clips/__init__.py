"""Labelled clips: corpora of excerpts and tracks instead of stems (IRMAS, OpenMIC-2018, MTG-Jamendo)."""
