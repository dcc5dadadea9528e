"""Work on an existing ray cluster: what a lost machine had in hand is tried again on another one.

Ray carries the work and says what was lost; how often it is tried again is decided here, so that it is
bounded and told for each item. Items that end the process that works on them, time after time, are given up.
"""

import os
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from mixlab import __version__
from mixlab.errors import MissingDependencyError, MixlabError
from mixlab.utils.outcome import DIED, Outcome, call_item
from mixlab.utils.remote import Place

__all__ = ["TRIES", "connect", "map_on_ray", "own_settings", "unfit"]

T = TypeVar("T")
R = TypeVar("R")

TRIES = 3
"""How often an item is tried whose process or machine is lost."""

_AHEAD = 4  # items handed out per processor of the cluster: see mixlab.utils.parallel

_PAUSE_S = 1.0
"""From a loss to the next try, times the tries so far: ray needs a moment to see that a machine is gone."""

_LOOK_S = 2.0
"""How often it is looked how many processors there are."""

_IDLE_S = 300.0
"""How long a cluster may have no processor at all before the work is given up."""


def connect() -> Any:  # noqa: ANN401 - ray carries no types
    """Return ray, connected to the cluster that ``RAY_ADDRESS`` names or that runs on this machine.

    Where there is none, ray starts one of this machine alone.

    Raises:
        MissingDependencyError: ray is not installed.
        MixlabError: the cluster cannot be reached.
    """
    try:
        import ray
    except ImportError as error:
        raise MissingDependencyError(
            "The engine 'ray' needs the package ray, which is not installed. "
            "Install the extra: pip install 'mixlab[cluster]'; or use --engine local."
        ) from error
    if not ray.is_initialized():
        try:
            ray.init()
        except (OSError, RuntimeError, ValueError) as error:
            address = os.environ.get("RAY_ADDRESS", "")
            raise MixlabError(
                f"No ray cluster could be reached{f' at RAY_ADDRESS={address}' if address else ''}: {error}. "
                "'ray status' shows whether one runs; 'ray start --head' starts one.",
                code="cluster-not-reached",
            ) from error
    return ray


@dataclass(frozen=True)
class _Common:
    """What all items have in common.

    Attributes:
        function: What is called with each of them.
        folder: Where this process works, from which paths may start.
        needs: Folders and files that each machine must see.
        settings: The environment's settings of mixlab (``MIXLAB_...``).
        version: Of mixlab here.
    """

    function: Callable[[Any], Any]
    folder: Path
    needs: tuple[Path, ...]
    settings: Mapping[str, str]
    version: str = __version__


@dataclass(frozen=True)
class _Unfit:
    """Why a machine cannot take part."""

    reason: str


def unfit(version: str, needs: Sequence[Path]) -> str:
    """Return why this machine cannot take part in work of another one; '' where it can.

    Args:
        version: Of mixlab on the other.
        needs: What this one must see, too.
    """
    import socket

    if version != __version__:
        return f"{socket.gethostname()} has mixlab {__version__}, expected {version}"
    missing = [path for path in needs if not path.exists()]
    if missing:
        return f"{socket.gethostname()} does not see {', '.join(map(str, missing))}"
    return ""


def own_settings() -> dict[str, str]:
    """Return the environment's settings of mixlab, which other machines do not inherit."""
    return {name: value for name, value in os.environ.items() if name.startswith("MIXLAB_")}


@lru_cache(maxsize=4)
def _fetch_common(key: Any) -> _Common:  # noqa: ANN401 - a reference of ray
    """Return what the items of a call have in common; it is sent to each process once."""
    import ray

    common: _Common = ray.get(key)
    os.environ.update(common.settings)
    if common.folder.is_dir():
        os.chdir(common.folder)
    return common


def _work(key: list[Any], index: int, item: Any) -> Outcome[Any] | _Unfit:  # noqa: ANN401
    """Work on an item in a process of the cluster; the key is in a list, as ray else sends what it names."""
    common = _fetch_common(key[0])
    if reason := unfit(common.version, common.needs):
        return _Unfit(reason)
    return call_item(common.function, index, item)


def map_on_ray(
    function: Callable[[T], R], items: Sequence[T], workers: int | None, needs: Sequence[Place] = ()
) -> Iterator[Outcome[R]]:
    """Yield the outcome of every item as they finish; see ``mixlab.utils.parallel.map_items``.

    Raises:
        MixlabError: a machine lacks mixlab, has another release of it or does not see what is needed; or
            there was no processor for minutes.
    """
    work = _Work(function, items, workers, needs)
    try:
        yield from work.carry_out()
    finally:
        work.stop()


class _Work:
    """The items of one call while they are worked on."""

    def __init__(
        self,
        function: Callable[[Any], Any],
        items: Sequence[Any],
        workers: int | None,
        needs: Sequence[Place],
    ) -> None:
        self.ray = connect()
        self.items, self.workers = items, workers
        seen = tuple(path.absolute() for path in needs if isinstance(path, Path) and path.exists())
        common = _Common(function, Path.cwd(), seen, own_settings())
        self.key = self.ray.put(common)
        # Retries are counted here: ray's own are without a bound where memory runs out.
        self.call = self.ray.remote(num_cpus=1, max_retries=0)(_work)
        self.waiting = deque(range(len(items)))
        self.paused: list[tuple[float, int]] = []
        self.running: dict[Any, int] = {}
        self.tries: Counter[int] = Counter()
        self.processors, self.served, self.looked = 0, time.monotonic(), -_LOOK_S

    def carry_out(self) -> Iterator[Outcome[Any]]:
        """Hand items out, a few for each processor, and take back what came of them."""
        while self.waiting or self.paused or self.running:
            now = time.monotonic()
            self.waiting.extend(index for due, index in self.paused if due <= now)
            self.paused = [(due, index) for due, index in self.paused if due > now]
            processors = self._processors()
            most = self.workers or _AHEAD * max(1, processors)
            while self.waiting and len(self.running) < most:
                refused = self._start(self.waiting.popleft())
                if refused is not None:
                    yield refused
            if not self.running:
                time.sleep(0.05)
                continue
            done, _ = self.ray.wait(list(self.running), timeout=_PAUSE_S)
            for reference in done:
                outcome = self._take(reference, self.running.pop(reference))
                if outcome is not None:
                    yield outcome

    def stop(self) -> None:
        """End what is under way."""
        for reference in self.running:
            self.ray.cancel(reference, force=True)

    def _start(self, index: int) -> Outcome[Any] | None:
        try:
            self.running[self.call.remote([self.key], index, self.items[index])] = index
        except (TypeError, AttributeError) as error:  # the item does not pickle
            return Outcome(index, None, f"{type(error).__name__}: {error}")
        return None

    def _processors(self) -> int:
        """Return how many processors the cluster has by now; machines come and go.

        Raises:
            MixlabError: there has been none for minutes.
        """
        now = time.monotonic()
        if now - self.looked < _LOOK_S:
            return self.processors
        self.looked, self.processors = now, int(self.ray.cluster_resources().get("CPU", 0))
        if self.processors:
            self.served = now
        elif now - self.served > _IDLE_S:
            raise MixlabError(
                f"The ray cluster has had no processor for {_IDLE_S:.0f} s; {len(self.items)} items were to "
                "be worked on. Finished work is kept; add machines ('ray status' shows them), and the same "
                "command goes on.",
                code="cluster-not-reached",
            )
        return self.processors

    def _take(self, reference: Any, index: int) -> Outcome[Any] | None:  # noqa: ANN401
        """Return what came of an item; None where it is tried again.

        Raises:
            MixlabError: the machine cannot take part.
        """
        errors = self.ray.exceptions
        try:
            found = self.ray.get(reference)
        except errors.RayTaskError as error:
            cause = getattr(error, "cause", error)
            if isinstance(cause, ImportError) or "failed to import" in str(error):
                raise _refusal(f"one of its machines cannot import what is asked for ({cause})") from error
            return Outcome(index, None, f"{type(cause).__name__}: {cause}")
        except errors.RayError as error:
            return self._lost(index, error)
        if isinstance(found, _Unfit):
            raise _refusal(found.reason)
        outcome: Outcome[Any] = found
        return outcome

    def _lost(self, index: int, error: Exception) -> Outcome[Any] | None:
        """Put an item back whose process or machine is gone, so many times."""
        self.tries[index] += 1
        if self.tries[index] < TRIES:
            self.paused.append((time.monotonic() + _PAUSE_S * self.tries[index], index))
            return None
        said = next(iter(str(error).splitlines()), "")
        return Outcome(index, None, f"{DIED}, {TRIES} times; ray says: {type(error).__name__}: {said}")


def _refusal(reason: str) -> MixlabError:
    return MixlabError(
        f"The ray cluster cannot do this work: {reason}. All its machines need the same release of mixlab, "
        "and the same folders at the same places (docs/cluster.md). Finished work is kept; the same command "
        "goes on.",
        code="cluster-unfit",
    )
