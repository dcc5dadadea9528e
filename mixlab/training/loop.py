"""The training loop: Lightning runs it, this module says what happens at its hooks."""

import logging
import math
import os
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any, cast

import lightning.pytorch as pl
import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from mixlab.errors import ConfigError, MissingDependencyError
from mixlab.evaluation import average_precision, masked_bce, roc_auc
from mixlab.models import TaggingModel
from mixlab.taxonomy.hierarchy import coherent_max
from mixlab.training.config import FROZEN, TrainConfig
from mixlab.training.distributed import World
from mixlab.training.embedding_cache import embed
from mixlab.training.losses import LossFunction, masked_bce_with_logits, step_seed
from mixlab.training.run import Run
from mixlab.training.transfer import movement, parameter_groups, set_training_mode

__all__ = ["FitResult", "StopRequest", "fit"]

Batch = Mapping[str, Tensor]


class StopRequest:
    """A wish to stop that the loop grants after the step in hand, when everything can be saved."""

    def __init__(self) -> None:
        """Start without a wish."""
        self.requested = False

    @contextmanager
    def on_interrupt(self) -> Iterator["StopRequest"]:
        """Turn the first Ctrl-C into a request; the second interrupts as usual."""
        if threading.current_thread() is not threading.main_thread():
            yield self
            return
        before, owner = signal.getsignal(signal.SIGINT), os.getpid()

        def handle(number: int, frame: FrameType | None) -> None:
            if os.getpid() != owner:
                # A terminal sends Ctrl-C to the processes that mix too; they end with their loader.
                return
            self.requested = True
            signal.signal(signal.SIGINT, before)
            print("\nFinishing this step and saving; press Ctrl-C again to stop at once.", flush=True)

        signal.signal(signal.SIGINT, handle)
        try:
            yield self
        finally:
            signal.signal(signal.SIGINT, before)


class _Stopped(Exception):  # noqa: N818 - no error: it unwinds Lightning's loop after everything was saved
    """Leaves Lightning's loop once the checkpoint is written."""


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
        fixed: The validation batches.
    """

    def __init__(
        self,
        model: TaggingModel,
        config: TrainConfig,
        loss: LossFunction,
        related: NDArray[np.bool_] | None,
        fixed: _Validation,
    ) -> None:
        super().__init__()
        self.model = model
        self.config = config
        self.loss, self.related, self.fixed = loss, related, fixed
        self.frozen = config.transfer in FROZEN
        self.collected: list[tuple[np.ndarray, ...]] = []
        self.validation: dict[str, float] = {}
        self.loss_sum: Tensor | float = 0.0
        self.loss_count = 0

    def on_train_start(self) -> None:
        # Not earlier: Lightning warns of modules that are in evaluation mode when fitting begins.
        set_training_mode(self.model)

    def on_train_epoch_start(self) -> None:
        set_training_mode(self.model)
        self.loss_sum, self.loss_count = 0.0, 0

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        torch.manual_seed(step_seed(self.config.seed, self.global_step, self.global_rank))

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        loss = self.loss(self._logits(batch), batch["target"], batch["mask"])
        self.loss_sum = self.loss_sum + loss.detach().double()
        self.loss_count += 1
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        if self.frozen and not self.fixed.complete:
            batch = {**batch, "embedding": embed(self.model, batch["audio"])}
            self.fixed.kept.append({name: batch[name].cpu() for name in ("embedding", "target", "mask")})
        scores = torch.sigmoid(self._logits(batch).float())
        if self.related is not None:
            scores = coherent_max(scores, self.related)
        self.collected.append(tuple(x.cpu().numpy() for x in (scores, batch["target"], batch["mask"])))

    def _logits(self, batch: Batch) -> Tensor:
        if "embedding" in batch:
            return self.model.classify(batch["embedding"])
        return cast(Tensor, self.model(batch["audio"]))

    def on_validation_epoch_end(self) -> None:
        self.fixed.complete = self.frozen
        parts, self.collected = self.collected, []
        if self.trainer.world_size > 1:
            gathered: list[Any] = [None] * self.trainer.world_size
            dist.all_gather_object(gathered, parts)
            parts = [part for rank in gathered for part in rank]
        self.validation = _validation_scores(parts)

    def configure_optimizers(self) -> Any:  # noqa: ANN401 - Lightning takes many shapes
        optimizer = torch.optim.Adam(
            parameter_groups(self.model, self.config), weight_decay=self.config.weight_decay
        )
        schedule = torch.optim.lr_scheduler.StepLR(
            optimizer, self.config.lr_step_epochs, self.config.lr_factor
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "epoch"}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["mixlab_loss"] = [float(self.loss_sum), self.loss_count]

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.loss_sum, self.loss_count = checkpoint["mixlab_loss"]

    def train_loss(self) -> float:
        """Return the mean loss of the epoch's steps so far, over all processes."""
        totals = torch.tensor(
            [float(self.loss_sum), self.loss_count], dtype=torch.float64, device=self.device
        )
        if self.trainer.world_size > 1:
            dist.all_reduce(totals)
        return float(totals[0] / totals[1])


def _loss(outputs: object) -> float:
    return float(outputs["loss"]) if isinstance(outputs, Mapping) else math.nan


def _validation_scores(parts: Sequence[tuple[np.ndarray, ...]]) -> dict[str, float]:
    scores, targets, mask = (np.concatenate(x) for x in zip(*parts, strict=True))
    if not np.isfinite(scores).all():
        return {"loss": math.nan, "macro_ap": math.nan, "macro_roc_auc": math.nan}

    def macro(values: np.ndarray) -> float:
        defined = values[np.isfinite(values)]
        return float(defined.mean()) if defined.size else math.nan

    return {
        "loss": masked_bce(scores, targets, mask),
        "macro_ap": macro(average_precision(scores, targets, mask)),
        "macro_roc_auc": macro(roc_auc(scores, targets, mask)),
    }


class _Keeper(pl.Callback):
    """Keeps the run folder up to date: checkpoints, best weights, curves, progress, early stop."""

    state_key = "mixlab"
    _KEPT = ("best_value", "best_epoch", "epochs", "impatience")

    def __init__(
        self,
        run: Run,
        loader: Any,  # noqa: ANN401 - see fit
        config: TrainConfig,
        card: Mapping[str, Any],
        start: Mapping[str, Tensor],
        stop: StopRequest,
        report: Callable[[str], None] | None,
    ) -> None:
        self.run, self.loader, self.config = run, loader, config
        self.card, self.start, self.stop, self.report = card, start, stop, report
        self.best_value, self.best_epoch, self.epochs, self.impatience = math.nan, 0, 0, 0
        self.out_of_patience = False
        self.bar: Any = None
        self.writer: Any = None
        self.begin, self.first_batch, self.training_s = 0.0, 0, math.nan

    def state_dict(self) -> dict[str, Any]:
        # Lightning saves the loader's position too, but leaves it unused when all epochs were done.
        return {"loader": self.loader.state_dict(), **{name: getattr(self, name) for name in self._KEPT}}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.loader.load_state_dict(state_dict["loader"])
        for name in self._KEPT:
            setattr(self, name, state_dict[name])

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.is_global_zero and self.config.tensorboard:
            self.writer = _summary_writer(self.run, trainer.global_step)
        # Lightning does not announce the start of an epoch that is resumed in its middle.
        done = trainer.fit_loop.epoch_loop.batch_progress.current.completed
        self._start_epoch(trainer, done % int(trainer.num_training_batches))

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._start_epoch(trainer, 0)

    def _start_epoch(self, trainer: pl.Trainer, first_batch: int) -> None:
        self._close_bar()
        self.begin = time.perf_counter()
        self.first_batch = first_batch
        if self.report is not None and trainer.is_global_zero:
            # None: the bar is off where there is no terminal, so that logs stay readable.
            self.bar = tqdm(
                total=trainer.num_training_batches,
                initial=self.first_batch,
                desc=f"epoch {trainer.current_epoch + 1}/{self.config.epochs}",
                unit="step",
                leave=False,
                disable=None,
                mininterval=0.5,
            )

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: object,
        batch: Batch,
        batch_idx: int,
    ) -> None:
        """Count the step: progress bar, curves, and the time spent on training alone."""
        if self.bar is not None:
            self.bar.update()
        if self.writer is not None and trainer.global_step % 10 == 0:
            self.writer.add_scalar("train/loss", _loss(outputs), trainer.global_step)
        if batch_idx + 1 >= trainer.num_training_batches:
            # Validation comes next and belongs to the epoch: ``on_train_epoch_end`` saves, and stops.
            self.training_s = time.perf_counter() - self.begin
            return
        if self._must_stop(trainer):
            self._save(trainer)
            raise _Stopped
        if self.config.save_every and trainer.global_step % self.config.save_every == 0:
            self._save(trainer)

    def _must_stop(self, trainer: pl.Trainer) -> bool:
        if trainer.world_size == 1:
            return self.stop.requested
        return bool(trainer.strategy.reduce_boolean_decision(self.stop.requested, all=False))

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Keep the best model, write the epoch's numbers, and stop a training that got nowhere.

        Raises:
            ConfigError: the loss is no longer a finite number.
        """
        assert isinstance(pl_module, _Tagger)
        self.epochs = trainer.current_epoch + 1
        loss, validation = pl_module.train_loss(), pl_module.validation
        if not math.isfinite(loss) or not math.isfinite(validation["loss"]):
            raise ConfigError(
                f"The loss is not finite in epoch {self.epochs}: training diverged. Lower train.lr_head (now "
                f"{self.config.lr_head:g}) or set train.precision=fp32; {self.run.path} keeps the best epoch."
            )
        improved = self._judge(validation[self.config.monitor])
        if trainer.is_global_zero:
            if improved:
                self._write_best(pl_module)
            self._write_curves(trainer, loss, validation, improved)
        self._save(trainer)
        if self.config.patience and self.impatience >= self.config.patience:
            self.out_of_patience = True
            trainer.should_stop = True
        elif self._must_stop(trainer) and self.epochs < self.config.epochs:
            raise _Stopped

    def _judge(self, value: float) -> bool:
        """Compare an epoch's value with the best one so far, and remember it."""
        sign = 1 if self.config.monitor == "macro_ap" else -1
        improved = (
            self.best_epoch == 0 or math.isnan(self.best_value) or sign * value > sign * self.best_value
        )
        if improved:
            self.best_value, self.best_epoch, self.impatience = value, self.epochs, 0
        else:
            self.impatience += 1
        return improved

    def _write_best(self, module: "_Tagger") -> None:
        trained = {"epoch": self.epochs, "monitor": self.config.monitor, "value": self.best_value}
        state = module.model.state_dict()
        moved = movement(module.model, self.start, state)
        self.run.write_model(state, {**self.card, "trained": trained, "moved": moved})

    def _write_curves(
        self, trainer: pl.Trainer, loss: float, validation: Mapping[str, float], improved: bool
    ) -> None:
        seconds = time.perf_counter() - self.begin
        items = (trainer.num_training_batches - self.first_batch) * self.config.batch_size
        rates = {f"lr_{name}": rate for name, rate in self.config.learning_rates(self.epochs - 1).items()}
        row = {
            "epoch": self.epochs,
            "step": trainer.global_step,
            "train_loss": loss,
            **{f"validation_{name}": value for name, value in validation.items()},
            **rates,
            "items_per_s": round(items / self.training_s, 2),
            "seconds": round(seconds, 2),
            "best": int(improved),
        }
        self.run.write_metrics(row)
        self._close_bar()
        if self.writer is not None:
            for name in ("train_loss", *(f"validation_{key}" for key in validation), *rates):
                self.writer.add_scalar(f"epoch/{name}", row[name], trainer.global_step)
            self.writer.flush()
        if self.report is not None:
            self.report(
                f"epoch {self.epochs:>{len(str(self.config.epochs))}}/{self.config.epochs}"
                f"  train loss {loss:.4f}  validation loss {validation['loss']:.4f}"
                f"  macro AP {validation['macro_ap']:.4f}  {seconds:.0f} s"
                f"  {items / self.training_s:.0f} mixes/s"
                f"{'  best' if improved else ''}"
            )

    def _save(self, trainer: pl.Trainer) -> None:
        """Write ``last.ckpt`` under another name first: a kill while writing must not cost the old one."""
        target = self.run.last_checkpoint
        temporary = target.with_name(".last.ckpt.tmp")
        trainer.save_checkpoint(temporary)
        if trainer.is_global_zero:
            temporary.replace(target)
        trainer.strategy.barrier("mixlab_save")

    def _close_bar(self) -> None:
        if self.bar is not None:
            self.bar.close()
            self.bar = None

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        self._close_bar()
        if self.writer is not None:
            self.writer.close()
            self.writer = None

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        self.teardown(trainer, pl_module, "fit")


def _summary_writer(run: Run, step: int) -> Any:  # noqa: ANN401 - torch's SummaryWriter carries no types
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise MissingDependencyError(
            "TensorBoard curves need tensorboard: install mixlab[train], or set train.tensorboard=false."
        ) from error
    return SummaryWriter(str(run.tensorboard), purge_step=step or None)


@contextmanager
def _quiet_lightning() -> Iterator[None]:
    """Keep Lightning's notices about hardware and limits out of the output; its warnings stay.

    All but one: Lightning's own use of a torch function that newer torch releases deprecate.
    """
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=r"`isinstance\(treespec, LeafSpec\)` is deprecated")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def fit(
    run: Run,
    model: TaggingModel,
    train_batches: Any,  # noqa: ANN401 - any sized iterable of batches with a state_dict
    validation_batches: Iterable[Batch],
    config: TrainConfig,
    *,
    precision: str,
    card: Mapping[str, Any],
    loss: LossFunction = masked_bce_with_logits,
    related: NDArray[np.bool_] | None = None,
    world: World | None = None,
    stop: StopRequest | None = None,
    report: Callable[[str], None] | None = None,
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
        world: Which process of how many this is.
        stop: A request that ends the training after the step in hand.
        report: Called with one line per epoch; None says nothing and shows no progress bar.

    Under several processes each normalizes its loss by the known targets of its own part of a batch, and
    batch norm takes its statistics from that part; gradients are averaged over the processes.

    Raises:
        ConfigError: the training diverged.
        KeyboardInterrupt: a second Ctrl-C did not wait for the step in hand.
    """
    world = world or World()
    stop = stop or StopRequest()
    # Lightning warns of modules in evaluation mode; ``set_training_mode`` puts frozen ones there later.
    model.train()
    fixed = _Validation(validation_batches)
    tagger = _Tagger(model, config, loss, related, fixed)
    start = {name: value.detach().cpu().clone() for name, value in model.state_dict().items()}
    keeper = _Keeper(run, train_batches, config, card, start, stop, report)
    with _quiet_lightning():
        trainer = pl.Trainer(
            accelerator=world.accelerator(config.accelerator),
            devices=world.local_size,
            num_nodes=world.n_nodes,
            precision="bf16-mixed" if precision == "bf16" else "32-true",
            max_epochs=config.epochs,
            callbacks=[keeper],
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,
            default_root_dir=os.fspath(run.path),
        )
        checkpoint = run.last_checkpoint if run.last_checkpoint.is_file() else None
        try:
            trainer.fit(tagger, train_batches, fixed, ckpt_path=checkpoint)
            reason = "patience" if keeper.out_of_patience else "finished"
        except _Stopped:
            reason = "interrupted"
        except SystemExit as error:
            # Lightning ends the process on Ctrl-C; how to end it is for the caller to say.
            if isinstance(error.__context__, KeyboardInterrupt):
                raise KeyboardInterrupt("Ctrl-C ended the training within a step.") from error
            raise
    return FitResult(reason, keeper.epochs, keeper.best_epoch, keeper.best_value)
