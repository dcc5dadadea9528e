"""Mixes rendered in batches by torch, on a GPU or on the CPU. Experimental.

Workers read and measure (``prepare_batch``), the device computes (``render_batch``); ``DeviceLoader``
joins the two into a loader of the same items in the same order as ``mixlab.MixLoader``.
"""

from mixlab.mixing.gpu.loading import DeviceLoader
from mixlab.mixing.gpu.raw import RawBatch, prepare_batch
from mixlab.mixing.gpu.rendering import render_batch

__all__ = ["DeviceLoader", "RawBatch", "prepare_batch", "render_batch"]
