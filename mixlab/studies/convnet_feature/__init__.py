"""The parts of the study ``convnet_feature``: its conditions, tables, claims and figure."""
