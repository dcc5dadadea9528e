"""Mixes rendered in batches by torch, on a GPU or on the CPU.

Workers read and measure (``prepare_batch``), the device computes (``render_batch``); ``make_device_loader``
joins the two into a loader of the same items in the same order as ``mixlab.make_loader``.
"""

from mixlab.mixing.gpu.loading import DeviceLoader, make_device_loader
from mixlab.mixing.gpu.raw import RawBatch, prepare_batch
from mixlab.mixing.gpu.rendering import render_batch

__all__ = ["DeviceLoader", "RawBatch", "make_device_loader", "prepare_batch", "render_batch"]
