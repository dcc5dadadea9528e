"""The commands of the command line, one module each; ``mixlab.cli`` loads them when asked for."""
