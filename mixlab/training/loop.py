"""The training loop: Lightning runs it, this module says what happens at its hooks."""

import logging
import os
import sys
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import lightning.pytorch as pl
import numpy as np
import torch
import torch.distributed as dist
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.strategies import DDPStrategy, Strategy
from numpy.typing import NDArray
from torch import Tensor, nn
from torchmetrics import MeanMetric

from mixlab.errors import MissingDependencyError, MixlabError, RunError
from mixlab.evaluation import Metric
from mixlab.models import classify
from mixlab.taxonomy.hierarchy import consistent_max
from mixlab.training.augmentation import WeightAverage, mix_up, set_masks
from mixlab.training.callbacks import (
    BestEpoch,
    Patience,
    Steps,
    Stopped,
    StopRequest,
    WholeFiles,
    damaged_checkpoint,
    last_checkpoints,
    read_checkpoint,
)
from mixlab.training.config import FROZEN, TrainConfig
from mixlab.training.distillation import Teacher
from mixlab.training.distributed import World, is_lost_process
from mixlab.training.embedding_cache import embed
from mixlab.training.losses import (
    LossFunction,
    known_terms,
    masked_bce_with_logits,
    scores_of,
    step_seed,
)
from mixlab.training.monitoring import validation_scores, watched_metrics
from mixlab.training.optimizers import new_optimizer, new_schedule
from mixlab.training.run import Run
from mixlab.training.shared_batch_norm import layer_sync
from mixlab.training.transfer import parameter_groups, set_training_mode
from mixlab.utils.files import is_full, told_as_output_error

__all__ = ["FitResult", "fit"]

Batch = Mapping[str, Tensor]


@dataclass(frozen=True)
class FitResult:
    """How a training ended.

    Attributes:
        reason: ``finished`` (all epochs), ``patience`` (stopped early) or ``interrupted``.
        epochs: Epochs that were completed.
        best_epoch: The epoch whose weights are kept, counted from 1; 0 when none was completed.
        best_value: Its monitored value; NaN when none was completed.
    """

    reason: str
    epochs: int
    best_epoch: int
    best_value: float


class _Batches:
    """Batches as one loader: Lightning would take the items of a list for a loader each."""

    def __init__(self, batches: Iterable[Batch]) -> None:
        self.batches = batches

    def __iter__(self) -> Iterator[Batch]:
        return iter(self.batches)


class _Validation(_Batches):
    """The fixed batches that are scored after every epoch.

    Behind a frozen backbone their embeddings are kept, and take the place of the audio from the second
    epoch on: neither mixing nor the backbone is needed again.
    """

    def __init__(self, batches: Iterable[Batch]) -> None:
        super().__init__(batches)
        self.kept: list[Batch] = []
        self.complete = False

    def __iter__(self) -> Iterator[Batch]:
        if self.complete:
            return iter(self.kept)
        self.kept = []
        return iter(self.batches)


class _Tagger(pl.LightningModule):
    """The model as Lightning wants it.

    Args:
        model: The model.
        config: Settings.
        loss: Of logits, targets and mask.
        related: Ancestry of the classes for a model that predicts through it; None for others.
        teacher: What else is learnt of the mixes, beside their targets; None for nothing.
        fixed: The validation batches.
        metrics: What is computed of these after every epoch.
    """

    def __init__(
        self,
        model: nn.Module,
        config: TrainConfig,
        loss: LossFunction,
        related: NDArray[np.bool_] | None,
        teacher: Teacher | None,
        fixed: _Validation,
        metrics: Mapping[str, Metric],
    ) -> None:
        super().__init__()
        self.model = model
        self.config = config
        self.loss, self.related, self.fixed, self.metrics = loss, related, fixed, metrics
        self.teacher = teacher
        # A part of this module, so that checkpoints hold it.
        self.average = WeightAverage(model, config.ema) if config.ema else None
        set_masks(model, config.augment)
        self.frozen = config.transfer in FROZEN
        self.collected: list[tuple[np.ndarray, ...]] = []
        # Part of the checkpoint: an epoch that is resumed in its middle has the mean of all its steps.
        self.train_loss = MeanMetric(nan_strategy="disable").set_dtype(torch.float64)
        self.train_loss.persistent(True)

    @property
    def scored(self) -> nn.Module:
        """The network that is scored and kept."""
        return self.model if self.average is None else self.average.model

    def on_train_start(self) -> None:
        # Not earlier: Lightning warns of modules that are in evaluation mode when fitting begins.
        set_training_mode(self.model, last_only=self.config.transfer == "last")
        if self.average is not None:
            self.average.eval()

    def on_train_epoch_start(self) -> None:
        set_training_mode(self.model, last_only=self.config.transfer == "last")
        self.train_loss.reset()

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        torch.manual_seed(step_seed(self.config.seed, self.global_step, self.global_rank))

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        if self.config.augment.p_mixup:
            batch = mix_up(batch, self.config.augment)
        logits = self._logits(batch, self.model)
        loss = self.loss(logits, batch["target"], batch["mask"])
        taught = None if self.teacher is None else self.teacher.loss(logits, batch["audio"])
        if self.trainer.world_size > 1:
            return self._share(loss, batch["mask"], taught)
        if taught is not None:
            loss = loss + taught
        self.train_loss.update(loss.detach())
        return loss

    def _share(self, loss: Tensor, mask: Tensor, taught: Tensor | None) -> Tensor:
        """Return what this process minimises, so that the mean over all has the gradient of the whole batch.

        The loss of the whole batch is the mean over all terms that are known, of which each process has
        another number. Of a teacher's terms all have as many.
        """
        own = known_terms(mask, self.config.loss)
        sums = torch.stack([loss.detach() * own, own])
        dist.all_reduce(sums)
        terms = sums[1].clamp(min=1.0)
        whole = sums[0] / terms
        shared = loss * (own * self.trainer.world_size / terms)
        if taught is not None:
            mean = taught.detach() / self.trainer.world_size
            dist.all_reduce(mean)
            whole, shared = whole + mean, shared + taught
        # The same in every process, and so in the checkpoint, with which any number of them goes on.
        self.train_loss.update(whole)
        return shared

    def optimizer_step(self, *arguments: Any, **named: Any) -> None:  # noqa: ANN401 - Lightning's own
        """Take the step, and the mean of the weights with it: a checkpoint holds both or neither."""
        super().optimizer_step(*arguments, **named)
        if self.average is not None:
            self.average.update(self.model)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        if self.frozen and not self.fixed.complete:
            batch = {**batch, "embedding": embed(self.model, batch["audio"])}
            self.fixed.kept.append({name: batch[name].cpu() for name in ("embedding", "target", "mask")})
        scores = scores_of(self._logits(batch, self.scored), self.config.loss)
        if self.related is not None:
            scores = consistent_max(scores, self.related)
        self.collected.append(tuple(x.cpu().numpy() for x in (scores, batch["target"], batch["mask"])))

    @staticmethod
    def _logits(batch: Batch, model: nn.Module) -> Tensor:
        if "embedding" in batch:
            return classify(model, batch["embedding"])
        return cast(Tensor, model(batch["audio"]))

    def on_validation_epoch_end(self) -> None:
        self.fixed.complete = self.frozen
        parts, self.collected = self.collected, []
        if self.trainer.world_size > 1:
            gathered: list[Any] = [None] * self.trainer.world_size
            dist.all_gather_object(gathered, parts)
            parts = [part for rank in gathered for part in rank]
        scores = validation_scores(parts, self.metrics)
        self._log({f"validation_{name}": value for name, value in scores.items()})

    def on_train_epoch_end(self) -> None:
        self._log({"train_loss": float(self.train_loss.compute())})

    def _log(self, numbers: Mapping[str, float]) -> None:
        """Hand numbers, which are the same in all processes, to the callbacks, in double precision."""
        values = {name: torch.tensor(value, dtype=torch.float64) for name, value in numbers.items()}
        self.log_dict(values, logger=False, sync_dist=True)

    def configure_optimizers(self) -> Any:  # noqa: ANN401 - Lightning takes many shapes
        optimizer = new_optimizer(parameter_groups(self.model, self.config), self.config)
        schedule = new_schedule(optimizer, self.config)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "epoch"}}


def _logger(run: Run, config: TrainConfig, checkpoint: Path | None) -> TensorBoardLogger | bool:
    """Return Lightning's logger of curves for TensorBoard, or False where none is wanted.

    ``metrics.csv`` is written by ``BestEpoch``.
    """
    if not config.tensorboard:
        return False
    # TensorBoard drops what a training that was killed had written beyond the checkpoint.
    step = int(read_checkpoint(checkpoint)["global_step"]) if checkpoint else None
    folder = run.tensorboard
    try:
        return TensorBoardLogger(
            folder.parent, name="", version=folder.name, default_hp_metric=False, purge_step=step
        )
    except ImportError as error:
        raise MissingDependencyError(
            "TensorBoard curves need tensorboard: install mixlab[train], or set train.tensorboard=false."
        ) from error


_QUIET = (
    r"`isinstance\(treespec, LeafSpec\)` is deprecated",
    "Checkpoint directory .* exists and is not empty",
    "The dirpath has changed from",
)


@contextmanager
def _quiet_lightning() -> Iterator[None]:
    """Keep Lightning's notices about hardware and limits out of the output; its warnings stay.

    All but three: Lightning's own use of a torch function that newer torch releases deprecate, and that a
    run that goes on has checkpoints already, also after its folder has moved.
    """
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            for message in _QUIET:
                warnings.filterwarnings("ignore", message=message)
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _strategy(config: TrainConfig, world: World) -> Strategy | str:
    """Return how Lightning trains: in one process as it likes, else with gradients averaged over all."""
    return DDPStrategy(timeout=timedelta(seconds=config.wait_s)) if world.size > 1 else "auto"


@contextmanager
def _quiet_writers() -> Iterator[None]:
    """Let what TensorBoard's thread fails to write be told once: it is raised here, with the next curve."""
    before = threading.excepthook

    def hook(arguments: threading.ExceptHookArgs) -> None:
        if not (type(arguments.thread).__module__.startswith("tensorboard") and is_full(arguments.exc_value)):
            before(arguments)

    threading.excepthook = hook
    try:
        yield
    finally:
        threading.excepthook = before


def _trainer(
    run: Run,
    config: TrainConfig,
    world: World,
    precision: str,
    callbacks: list[pl.Callback],
    logger: TensorBoardLogger | bool,
) -> pl.Trainer:
    accelerator = world.accelerator(config.accelerator)
    plugins: list[Any] = [WholeFiles()]
    if world.size > 1 and config.sync_batch_norm:
        plugins.append(layer_sync(accelerator))
    return pl.Trainer(
        accelerator=accelerator,
        devices=world.local_size,
        num_nodes=world.n_nodes,
        strategy=_strategy(config, world),
        precision="bf16-mixed" if precision == "bf16" else "32-true",
        max_epochs=config.epochs,
        callbacks=callbacks,
        plugins=plugins,
        logger=logger,
        log_every_n_steps=1,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        default_root_dir=os.fspath(run.path),
    )


_MISMATCHES = (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)
"""What restoring a state raises that is not that of this training."""

_OF_DEVICES = ("CUDA", "cuDNN", "CUDNN", "CUBLAS", "NCCL")
"""What torch says, in runtime errors, where a device or its driver fails."""


def _is_mismatch(error: Exception) -> bool:
    """Tell whether an error may come of what a checkpoint holds, not of devices, disks or networks."""
    if isinstance(error, dist.DistError) or not isinstance(error, _MISMATCHES):
        return False
    return not (isinstance(error, RuntimeError) and any(name in str(error) for name in _OF_DEVICES))


def _process_lost(run: Run, config: TrainConfig, world: World, error: RuntimeError) -> RunError:
    """Return what to say where another process has ended, or hangs."""
    saved = (
        f"{run.last_checkpoint} has everything up to its last save"
        if run.last_checkpoint.is_file()
        else "nothing was saved yet"
    )
    reason = str(error).partition("\n")[0]
    return RunError(
        f"Process {world.rank} of {world.size} lost another one: it has ended, or did not answer for "
        f"train.wait_s={config.wait_s:g} seconds ({reason}). See what it said itself, above or in its log; "
        f"one that says nothing was killed, mostly as memory ran out. {saved}: go on with "
        f"'{run.resume_command}' under torchrun, with any number of processes that divides "
        f"train.batch_size={config.batch_size}.",
        code="process-lost",
    )


def fit(
    run: Run,
    model: nn.Module,
    train_batches: Any,  # noqa: ANN401 - any sized iterable of batches with a state_dict
    validation_batches: Iterable[Batch],
    config: TrainConfig,
    *,
    precision: str,
    card: Mapping[str, Any],
    loss: LossFunction = masked_bce_with_logits,
    related: NDArray[np.bool_] | None = None,
    teacher: Teacher | None = None,
    world: World | None = None,
    stop: StopRequest | None = None,
    report: Callable[[str], None] | None = None,
    items: str = "mixes",
) -> FitResult:
    """Train ``model`` in place, from the run's last checkpoint if there is one.

    Args:
        run: Where checkpoints, curves and the best epoch's weights go.
        model: In the state to start from; a checkpoint overrides it.
        train_batches: Iterating gives one epoch of batches (``audio``, or ``embedding`` behind a frozen
            backbone; ``target``, ``mask``); has a length, ``state_dict`` and ``load_state_dict``, as
            ``mixlab.mixing.loader.MixLoader``.
        validation_batches: The fixed batches that are scored after every epoch.
        config: Settings.
        precision: ``fp32`` or ``bf16``.
        card: What goes into ``model.json`` beside the weights and how far they moved.
        loss: Of logits, targets and mask, all ``(B, C)``.
        related: Ancestry of the classes, ``(C, C)``, for a model that predicts through it (``loss=mcm``).
        teacher: What else is learnt of the mixes, beside their targets.
        world: Which process of how many this is.
        stop: A request that ends the training after the step in hand.
        report: Called with one line per epoch; None says nothing and shows no progress bar.
        items: What that line calls the items.

    Under several processes gradients are those of the whole batch, as one process has them but for rounding
    and dropout, whose masks differ; see docs/distributed.md.

    Raises:
        ConfigError: the training diverged.
        RunError: another process has ended, or does not answer.
        OutputError: something cannot be written; the last checkpoint is kept.
        KeyboardInterrupt: a second Ctrl-C did not wait for the step in hand.
    """
    world = world or World()
    stop = stop or StopRequest()
    # Lightning warns of modules in evaluation mode; ``set_training_mode`` puts frozen ones there later.
    model.train()
    fixed = _Validation(validation_batches)
    metrics = watched_metrics(config)
    tagger = _Tagger(model, config, loss, related, teacher, fixed, metrics)
    checkpoint = run.last_checkpoint if run.last_checkpoint.is_file() else None
    patience = Patience(
        f"validation_{config.monitor}",
        mode="max" if metrics[config.monitor].higher_is_better else "min",
        patience=config.patience or sys.maxsize,
        check_finite=False,
        check_on_train_epoch_end=True,
    )
    steps = Steps(run, train_batches, config, stop, show=report is not None)
    best = BestEpoch(run, model, config, patience, steps, card, report, items, kept=tagger.scored)
    with _quiet_lightning():
        callbacks = [steps, patience, best, *last_checkpoints(run, config)]
        with told_as_output_error(run.tensorboard):
            logger = _logger(run, config, checkpoint)
        trainer = _trainer(run, config, world, precision, callbacks, logger)
        try:
            with told_as_output_error(run.tensorboard), _quiet_writers():
                trainer.fit(tagger, train_batches, fixed, ckpt_path=checkpoint)
            reason = "patience" if patience.wait_count >= patience.patience else "finished"
        except Stopped:
            reason = "interrupted"
        except SystemExit as error:
            # Lightning ends the process on Ctrl-C; how to end it is for the caller to say.
            if isinstance(error.__context__, KeyboardInterrupt):
                raise KeyboardInterrupt("Ctrl-C ended the training within a step.") from error
            raise
        except (MixlabError, MemoryError, torch.cuda.OutOfMemoryError):
            raise
        except Exception as error:
            if world.size > 1 and isinstance(error, RuntimeError) and is_lost_process(error):
                raise _process_lost(run, config, world, error) from error
            if checkpoint is None or steps.begun or not _is_mismatch(error):
                raise
            # What was restored is not what this training saves: nothing of mixlab's has run yet.
            raise damaged_checkpoint(checkpoint, error) from error
    epochs = trainer.current_epoch
    return FitResult(reason, epochs, patience.best_epoch(epochs), patience.best_value)
