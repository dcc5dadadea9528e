"""Which process of how many this is in a training; ``mixlab.mixing.ranks`` says it of a stream."""

import os
from dataclasses import dataclass

import torch

from mixlab.errors import ConfigError
from mixlab.mixing.ranks import find_rank

__all__ = ["World", "is_lost_process"]

_LOST = ("gloo/transport", "Connection closed by peer", "Connection reset by peer", "Broken pipe")
"""What gloo says, in plain errors, where another process ends or does not answer."""


@dataclass(frozen=True)
class World:
    """A process among those that ``torchrun`` started; alone by default.

    Attributes:
        rank: Number of this process among all.
        size: Processes altogether.
        local_size: Processes on this machine.
    """

    rank: int = 0
    size: int = 1
    local_size: int = 1

    @classmethod
    def from_environment(cls) -> "World":
        """Return what ``torchrun`` says in the environment; alone without it.

        Raises:
            ConfigError: something else started several processes, each of which would train by itself.
        """
        if "TORCHELASTIC_RUN_ID" not in os.environ:
            place = find_rank()
            if place.world_size > 1:
                raise ConfigError(
                    f"This is process {place.rank} of {place.world_size} that srun, mpirun or the like has "
                    "started, each of which would train alone. mixlab's processes find each other through "
                    "torchrun: start one of it per machine (srun --ntasks-per-node=1 torchrun "
                    "--nnodes=MACHINES --nproc-per-node=PROCESSES --rdzv-backend=c10d "
                    "--rdzv-endpoint=FIRST_MACHINE:29500 --no-python mixlab train ...), or a single process "
                    "(srun --ntasks=1).",
                    code="processes-not-joined",
                )
            return cls()
        names = ("RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE")
        found = cls(*(int(os.environ[name]) for name in names))
        if found.size % found.local_size:
            raise ConfigError(
                f"torchrun started {found.size} processes, {found.local_size} of them on this machine: give "
                "it the same --nproc-per-node on every machine.",
                code="processes-not-joined",
            )
        return found

    @property
    def n_nodes(self) -> int:
        """Machines, all with the same number of processes."""
        return self.size // self.local_size

    @property
    def is_first(self) -> bool:
        """Whether this process writes files and talks."""
        return self.rank == 0

    def share(self, batch_size: int) -> int:
        """Return this process's part of a batch.

        Raises:
            ConfigError: the batch cannot be divided evenly, or leaves a process fewer than two items.
        """
        if batch_size % self.size or batch_size // self.size < 2:
            raise ConfigError(
                f"train.batch_size={batch_size} must be a multiple of the {self.size} processes and give "
                "each at least 2 items.",
                code="conflicting-settings",
            )
        return batch_size // self.size

    def share_fixed(self, items: int, batch_size: int) -> int:
        """Return how many items of a fixed set this process takes at a time, so that each process has some.

        Raises:
            ConfigError: there are fewer items than processes.
        """
        if items < self.size:
            raise ConfigError(
                f"Validation has {items} items, fewer than the {self.size} processes that share them: start "
                "fewer processes, or take more for validation (train.val_size).",
                code="conflicting-settings",
            )
        return min(self.share(batch_size), items // self.size)

    @staticmethod
    def accelerator(choice: str) -> str:
        """Return ``cuda`` or ``cpu`` for a choice of ``auto``, ``cpu`` or ``cuda``.

        Raises:
            ConfigError: CUDA was asked for, and there is no device.
        """
        available = torch.cuda.is_available()
        if choice == "cuda" and not available:
            raise ConfigError(
                "train.accelerator=cuda, but torch finds no CUDA device; set it to auto or cpu.",
                code="device-not-found",
            )
        return "cuda" if available and choice != "cpu" else "cpu"


def is_lost_process(error: RuntimeError) -> bool:
    """Whether an error says that another process has ended, or does not answer."""
    return isinstance(error, torch.distributed.DistError) or any(text in str(error) for text in _LOST)
