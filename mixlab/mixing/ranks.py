"""Which process of how many this is, as far as ``torch.distributed`` or what started it says so."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral

from mixlab.errors import ConfigError

__all__ = ["ProcessRank", "find_rank", "given_rank"]

LAUNCHERS = (
    ("RANK", "WORLD_SIZE"),  # torchrun, accelerate, and most scripts
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),  # Open MPI's mpirun
    ("MV2_COMM_WORLD_RANK", "MV2_COMM_WORLD_SIZE"),  # MVAPICH2
    ("PMI_RANK", "PMI_SIZE"),  # MPICH, Intel MPI, and srun --mpi=pmi2
    ("HOROVOD_RANK", "HOROVOD_SIZE"),
    ("JSM_NAMESPACE_RANK", "JSM_NAMESPACE_SIZE"),  # IBM's jsrun
    ("FLUX_TASK_RANK", "FLUX_JOB_SIZE"),
)
"""Variables in which launchers say the number of a process and how many there are."""

HINTS = ("WORLD_SIZE", "LOCAL_WORLD_SIZE", "OMPI_COMM_WORLD_SIZE", "MPI_LOCALNRANKS", "SLURM_NTASKS")
"""Numbers of processes, of which none says which of them this is."""


@dataclass(frozen=True)
class ProcessRank:
    """A process among those that work together; alone by default.

    Attributes:
        rank: Its number, 0 to ``world_size - 1``.
        world_size: How many there are.
        doubt: What says that there are more although nothing says which of them this is; else ''.
    """

    rank: int = 0
    world_size: int = 1
    doubt: str = ""


def given_rank(rank: int | None, world_size: int | None) -> ProcessRank | None:
    """Return the place that was given; None if none was.

    Raises:
        ConfigError: half of it was, it is no whole number, or the rank lies outside the world.
    """
    if rank is None and world_size is None:
        return None
    whole = all(isinstance(number, Integral) for number in (rank, world_size))
    if rank is None or world_size is None or not whole or not 0 <= rank < world_size:
        raise ConfigError(
            "rank must be from 0 to world_size - 1, and both or neither must be given, found "
            f"rank={rank}, world_size={world_size}.",
            code="invalid-setting",
        )
    return ProcessRank(rank, world_size)


def find_rank(environment: Mapping[str, str] | None = None) -> ProcessRank:
    """Return this process's place: from ``torch.distributed`` once it is initialised, else from variables.

    Args:
        environment: The environment's variables; by default this process's.
    """
    return _initialised() or _started(os.environ if environment is None else environment)


def _initialised() -> ProcessRank | None:
    import torch.distributed as dist

    if dist.is_available() and dist.is_initialized():
        return ProcessRank(dist.get_rank(), dist.get_world_size())
    return None


def _started(environment: Mapping[str, str]) -> ProcessRank:
    """Return what launchers say in the environment; those of single processes overrule schedulers."""
    for names in LAUNCHERS:
        rank, size = (_number(environment, name) for name in names)
        if rank is not None and size is not None and rank < size:
            return ProcessRank(rank, size)
    if _number(environment, "WORLD_SIZE") == 1:
        return ProcessRank()
    return _scheduled(environment) or ProcessRank(doubt=_doubt(environment))


def _scheduled(environment: Mapping[str, str]) -> ProcessRank | None:
    """Return what Slurm says of a task of ``srun``.

    A shell of ``sbatch`` or ``salloc`` is told of the job's tasks too, and that it is number 0, but it is
    one process: only ``srun`` makes steps, and says how many tasks a step has.
    """
    rank = _number(environment, "SLURM_PROCID")
    step = "SLURM_STEP_ID" in environment
    if "SLURM_JOB_ID" in environment and not step and not rank:
        return ProcessRank()
    names = ("SLURM_STEP_NUM_TASKS", "SLURM_NTASKS") if step else ("SLURM_NTASKS", "SLURM_NPROCS")
    sizes = [size for name in names if (size := _number(environment, name)) is not None]
    if rank is not None and sizes and rank < sizes[0]:
        return ProcessRank(rank, sizes[0])
    return None


def _doubt(environment: Mapping[str, str]) -> str:
    said = [f"{name}={environment[name]}" for name in HINTS if (_number(environment, name) or 0) > 1]
    said += [
        f"{name}={environment[name]}"
        for name in ("RANK", "LOCAL_RANK", "SLURM_PROCID")
        if environment.get(name)
    ]
    return ", ".join(said)


def _number(environment: Mapping[str, str], name: str) -> int | None:
    """Return a variable that holds a whole number from 0; None for any other."""
    text = environment.get(name, "").strip()
    return int(text) if text.isascii() and text.isdigit() else None
