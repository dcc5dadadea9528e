"""What happens at Lightning's hooks: progress, the files of a run, and a stop that loses nothing.

Lightning writes the checkpoints and the curves, and says when patience ends. What stays here it cannot do:

* The weights of the best epoch are kept as safetensors with their card; Lightning writes neither.
* ``metrics.csv`` has one row per epoch: Lightning's ``CSVLogger`` makes two of it, and deletes those from
  before a resume.
* A stop is granted after any step, and the epoch goes on there: Lightning would take it for done.
"""

import io
import math
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from types import FrameType, MappingProxyType
from typing import Any
from zipfile import ZipFile

import lightning.pytorch as pl
import torch
from lightning.fabric.plugins import TorchCheckpointIO
from lightning.pytorch.callbacks import Checkpoint, EarlyStopping, ModelCheckpoint
from torch import Tensor, nn
from tqdm import tqdm

from mixlab.errors import ConfigError, RunError
from mixlab.training.checkpoint_counts import check_counts
from mixlab.training.config import TrainConfig
from mixlab.training.run import Run
from mixlab.training.transfer import movement
from mixlab.utils.entries import is_whole
from mixlab.utils.files import make_folder, open_atomic
from mixlab.utils.progress import tell_progress

__all__ = [
    "BestEpoch",
    "Patience",
    "Steps",
    "StopRequest",
    "Stopped",
    "WholeFiles",
    "damaged_checkpoint",
    "last_checkpoints",
    "read_checkpoint",
]

_PARTS = ("epoch", "global_step", "state_dict", "loops", "callbacks", "optimizer_states", "lr_schedulers")
"""What training needs of a checkpoint."""

_CURVE_STEPS = 10
"""A point of the curve of the training loss every so many steps."""

_SAVE_S = 30.0
"""Most seconds of training that a kill may cost, however long a step or an epoch takes."""


class StopRequest:
    """A wish to stop that the loop grants after the step in hand, when everything can be saved.

    Args:
        quiet: Say nothing of it: another process does.
    """

    _before: Mapping[signal.Signals, Any] = MappingProxyType({})

    def __init__(self, *, quiet: bool = False) -> None:
        """Start without a wish."""
        self.requested, self.quiet = False, quiet
        self._owner = os.getpid()

    @contextmanager
    def on_interrupt(self) -> Iterator["StopRequest"]:
        """Turn the first Ctrl-C or SIGTERM into a request; the second interrupts as usual."""
        if threading.current_thread() is not threading.main_thread():
            yield self
            return
        self._before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        self._owner = os.getpid()
        self.listen()
        try:
            yield self
        finally:
            for number, handler in self._before.items():
                signal.signal(number, handler)
            self._before = MappingProxyType({})

    def listen(self) -> None:
        """Take the signals over, also from Lightning, whose own handler of SIGTERM ends without saving."""
        for number in self._before:
            signal.signal(number, self._handle)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self._owner:
            # A process that mixes: a terminal sends Ctrl-C to it too, but it ends with its loader.
            if number == signal.SIGTERM:
                signal.signal(number, signal.SIG_DFL)
                os.kill(os.getpid(), number)
            return
        self.requested = True
        for each, handler in self._before.items():
            signal.signal(each, handler)
        if not self.quiet:
            again = "press Ctrl-C again" if number == signal.SIGINT else "signal again"
            print(f"\nFinishing this step and saving; {again} to stop at once.", flush=True)


class Stopped(Exception):  # noqa: N818 - no error: it unwinds Lightning's loop after everything was saved
    """Leaves Lightning's loop once the checkpoint is written."""


class WholeFiles(TorchCheckpointIO):
    """Writes checkpoints as mixlab writes all files.

    Lightning's own temporary file may lie on another disk: a kill while it is copied would cost the old
    checkpoint.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: object = None
    ) -> None:
        """Write a checkpoint whole or not at all.

        Raises:
            OutputError: it cannot be written; the one before it is kept.
        """
        buffer = io.BytesIO()  # of torch's own writer a full disk is no error of writing
        torch.save(checkpoint, buffer)
        make_folder(Path(path).parent)
        with open_atomic(Path(path)) as file:
            file.write(buffer.getbuffer())

    def load_checkpoint(self, path: str | Path, *arguments: Any, **options: Any) -> dict[str, Any]:  # noqa: ANN401
        """Return a checkpoint; nothing in it is unpickled but tensors and plain values, whatever is asked.

        Raises:
            RunError: it is damaged, or holds something else.
        """
        return read_checkpoint(Path(path))


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Return what Lightning wrote as ``last.ckpt``: tensors and plain values, on the CPU.

    Every byte is compared with its checksum first: a flipped bit of a weight would else go on unseen.

    Raises:
        RunError: it is damaged, or holds something else; the message says what to do.
    """
    try:
        with ZipFile(path) as archive:
            if (name := archive.testzip()) is not None:
                raise ValueError(f"the checksum of {name} differs")
        found = torch.load(path, map_location="cpu", weights_only=True)
        missing = [name for name in _PARTS if name not in found]
        if missing:
            raise ValueError(f"it has no {missing[0]!r}")
        check_counts(found)
    except MemoryError:  # says nothing of the file
        raise
    except Exception as error:  # a damaged pickle raises whatever its parts do
        raise damaged_checkpoint(path, error) from error
    return dict(found)


def damaged_checkpoint(path: Path, error: Exception) -> RunError:
    """Return the error that says a training cannot go on from its checkpoint, and what to do."""
    return RunError(
        f"{path} is damaged, so this training cannot go on from it ({type(error).__name__}: {error}). "
        "Restore it from a copy, or train anew into another folder; the best epoch's weights are kept.",
        code="run-damaged",
    )


class StepCheckpoint(ModelCheckpoint):
    """Lightning's checkpoint within an epoch, but not between an epoch's last step and its validation.

    Lightning resumes from there without validating.
    """

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,  # noqa: ANN401 - Lightning's own type is not exported
        batch: Any,  # noqa: ANN401 - see above
        batch_idx: int,
    ) -> None:
        """Save if it is time."""
        if batch_idx + 1 < trainer.num_training_batches:
            super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)


def last_checkpoints(run: Run, config: TrainConfig) -> list[ModelCheckpoint]:
    """Return what writes ``last.ckpt``, from which a training goes on: after epochs and within them."""
    where: dict[str, Any] = {"dirpath": run.checkpoints, "filename": "last", "enable_version_counter": False}
    found = [ModelCheckpoint(every_n_epochs=1, save_on_train_epoch_end=True, **where)]
    if config.save_every:
        found.append(StepCheckpoint(every_n_train_steps=config.save_every, **where))
        found.append(StepCheckpoint(train_time_interval=timedelta(seconds=_SAVE_S), **where))
    return found


class Patience(EarlyStopping):
    """Lightning's early stopping, whose patience may differ when a run goes on."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over everything but the patience.

        Raises:
            ValueError: it cannot be what an epoch has left.
        """
        waited, best = state_dict["wait_count"], state_dict["best_score"]
        if not is_whole(waited) or not isinstance(best, Tensor) or best.numel() != 1:
            raise ValueError(f"patience is at {waited!r} epochs, and at a best score of {best!r}")
        super().load_state_dict({**state_dict, "patience": self.patience})

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Judge the epoch; before the first value that is defined there is nothing to improve on."""
        if self.has_value or math.isfinite(float(trainer.callback_metrics[self.monitor])):
            super().on_train_epoch_end(trainer, pl_module)

    @property
    def has_value(self) -> bool:
        """Whether any epoch had a value that is defined."""
        return math.isfinite(float(self.best_score))

    @property
    def improved(self) -> bool:
        """Whether the last epoch is the best so far; while no value is defined, every epoch is."""
        return self.wait_count == 0 or not self.has_value

    @property
    def best_value(self) -> float:
        """The best monitored value; NaN when there is none."""
        return float(self.best_score) if self.has_value else math.nan

    def best_epoch(self, epochs: int) -> int:
        """Return the number of the best of so many epochs, counted from 1; 0 when there is none."""
        return epochs - self.wait_count if self.has_value else epochs


class Steps(pl.Callback):
    """Looks after every step: the progress bar, the time spent on training alone, and wishes to stop.

    Args:
        run: The run.
        loader: The training batches; their position goes into the checkpoint.
        config: Settings.
        stop: A wish to stop.
        show: Whether a progress bar is wanted.
    """

    state_key = "mixlab"

    def __init__(self, run: Run, loader: Any, config: TrainConfig, stop: StopRequest, *, show: bool) -> None:  # noqa: ANN401 - see fit
        self.run, self.loader, self.config, self.stop, self.show = run, loader, config, stop, show
        self.bar: Any = None
        self.begin, self.first_batch, self.training_s = 0.0, 0, math.nan
        self.begun = False

    def state_dict(self) -> dict[str, Any]:
        """Return the position of the stream.

        Lightning saves it too, but leaves it unused when all epochs were done.
        """
        return {"loader": self.loader.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Put the stream where it stood."""
        self.loader.load_state_dict(state_dict["loader"])

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Begin to count; Lightning does not announce the start of an epoch that is resumed in its middle."""
        self.begun = True
        if not self.stop.requested:
            self.stop.listen()
        done = trainer.fit_loop.epoch_loop.batch_progress.current.completed
        self._start_epoch(trainer, done % int(trainer.num_training_batches))

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Grant a wish to stop from the end of the epoch before, which is saved; else begin to count."""
        if self._must_stop(trainer):
            raise Stopped
        self._start_epoch(trainer, 0)

    def _start_epoch(self, trainer: pl.Trainer, first_batch: int) -> None:
        self._close_bar()
        self.begin, self.first_batch = time.perf_counter(), first_batch
        if self.show and trainer.is_global_zero:
            # None: the bar is off where there is no terminal, so that logs stay readable.
            self.bar = tqdm(
                total=trainer.num_training_batches,
                initial=first_batch,
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
        batch: Mapping[str, Tensor],
        batch_idx: int,
    ) -> None:
        """Count the step, and save and leave if that is wished."""
        if self.bar is not None:
            self.bar.update()
        if trainer.logger is not None and trainer.global_step % _CURVE_STEPS == 0:
            trainer.logger.log_metrics({"train/loss": _loss(outputs)}, trainer.global_step)
        if batch_idx + 1 >= trainer.num_training_batches:
            # Validation comes next and belongs to the epoch: the next one's start grants the wish.
            self.training_s = time.perf_counter() - self.begin
        elif self._must_stop(trainer):
            trainer.save_checkpoint(self.run.last_checkpoint)
            raise Stopped

    def _must_stop(self, trainer: pl.Trainer) -> bool:
        if trainer.world_size == 1:
            return self.stop.requested
        return bool(trainer.strategy.reduce_boolean_decision(self.stop.requested, all=False))

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Take the bar away before the epoch's line is printed."""
        self._close_bar()

    def timing(self, trainer: pl.Trainer) -> dict[str, float]:
        """Return the epoch's ``seconds``, and mixes per second of training alone."""
        items = (trainer.num_training_batches - self.first_batch) * self.config.batch_size
        return {
            "items_per_s": round(items / self.training_s, 2),
            "seconds": round(time.perf_counter() - self.begin, 2),
        }

    def _close_bar(self) -> None:
        if self.bar is not None:
            self.bar.close()
            self.bar = None

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Take the bar away."""
        self._close_bar()

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        """Take the bar away."""
        self._close_bar()


class BestEpoch(Checkpoint):
    """Keeps the run folder up to date after every epoch: the best weights, and a row of numbers.

    Lightning calls checkpoints last, in the order given: this one knows what ``patience`` found, and is done
    before ``last.ckpt`` is written, so that a kill in between costs an epoch and no row.

    Args:
        run: The run.
        model: The network.
        config: Settings.
        patience: Judges the epochs.
        steps: Keeps the time.
        card: What goes into ``model.json`` beside the weights and how far they moved.
        report: Called with a line per epoch, or None.
        items: What that line calls the items.
        kept: What holds the weights that are written, where it is not the network itself but their mean.
    """

    def __init__(
        self,
        run: Run,
        model: nn.Module,
        config: TrainConfig,
        patience: Patience,
        steps: Steps,
        card: Mapping[str, Any],
        report: Callable[[str], None] | None,
        items: str = "mixes",
        kept: nn.Module | None = None,
    ) -> None:
        self.items, self.kept = items, kept or model
        self.run, self.model, self.config, self.patience = run, model, config, patience
        self.steps, self.card, self.report = steps, card, report
        self.start = {name: value.detach().cpu().clone() for name, value in model.state_dict().items()}

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the epoch's numbers, and its weights if they are the best.

        Raises:
            ConfigError: the loss is no longer a finite number.
        """
        epoch, row = trainer.current_epoch + 1, epoch_numbers(trainer)
        if not math.isfinite(row["train_loss"]) or not math.isfinite(row["validation_loss"]):
            raise ConfigError(
                f"The loss is not finite in epoch {epoch}: training diverged. Lower train.lr_head (now "
                f"{self.config.lr_head:g}) or set train.precision=fp32; {self.run.path} keeps the best "
                "epoch.",
                code="training-diverged",
            )
        if trainer.is_global_zero:
            if self.patience.improved:
                self._write_model(epoch, row)
            self._write_row(trainer, epoch, row)

    def _write_model(self, epoch: int, row: Mapping[str, float]) -> None:
        monitor = self.config.monitor
        trained = {"epoch": epoch, "monitor": monitor, "value": row[f"validation_{monitor}"]}
        state = self.kept.state_dict()
        moved = movement(self.model, self.start, state)
        self.run.write_model(state, {**self.card, "trained": trained, "moved": moved})

    def _write_row(self, trainer: pl.Trainer, epoch: int, row: dict[str, float]) -> None:
        row |= {f"lr_{name}": rate for name, rate in self.config.learning_rates(epoch - 1).items()}
        timing = self.steps.timing(trainer)
        best = {"best": int(self.patience.improved)}
        self.run.write_metrics({"epoch": epoch, "step": trainer.global_step, **row, **timing, **best})
        tell_progress("training, in epochs", epoch, self.config.epochs)
        if trainer.logger is not None:
            curves = {f"epoch/{name}": value for name, value in row.items()}
            trainer.logger.log_metrics(curves, trainer.global_step)
            trainer.logger.save()
        if self.report is not None:
            self.report(
                f"epoch {epoch:>{len(str(self.config.epochs))}}/{self.config.epochs}"
                f"  train loss {row['train_loss']:.4f}  validation loss {row['validation_loss']:.4f}"
                f"  macro AP {row['validation_average_precision']:.4f}  {timing['seconds']:.0f} s"
                f"  {timing['items_per_s']:.0f} {self.items}/s"
                f"{'  best' if self.patience.improved else ''}"
            )


def epoch_numbers(trainer: pl.Trainer) -> dict[str, float]:
    """Return what the epoch logged for callbacks: training loss, and the scores of validation."""
    found = trainer.callback_metrics
    return {name: float(found[name]) for name in found}


def _loss(outputs: object) -> float:
    return float(outputs["loss"]) if isinstance(outputs, Mapping) else math.nan
