"""The parts of the study ``black_box``: its conditions, tables, claims and figures."""
