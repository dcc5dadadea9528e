"""The command line; ``python -m mixlab.cli`` runs it."""
