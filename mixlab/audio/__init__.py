"""Sound in files and arrays: read, resample, measure, filter, shift and stretch; nothing of stems or labels.

Audio is float32 ``(channels, samples)``, full scale is +-1.
"""
