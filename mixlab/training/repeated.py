"""A training set of limited size out of the endless stream of mixes: its first ones, again and again."""

from typing import Any

from mixlab.errors import ConfigError
from mixlab.mixing.dataset import MixDataset
from mixlab.mixing.recipe import MixRecipe
from mixlab.utils.checks import check_number
from mixlab.utils.random import open_stream

__all__ = ["RepeatedMixes"]


class RepeatedMixes(MixDataset):
    """The first mixes of a training stream, repeated: what a data set of so many labelled items is like.

    The first pass has them in the stream's own order, every later one in another. Passes go on over the ends
    of epochs. Sets of another size from the same seed are one within the other. An item's ``epoch`` and
    ``index`` are those of its mix in the stream, so its epoch is always 0.

    Args:
        *args: As of ``MixDataset``.
        distinct_items: How many mixes there are, 1 to ``epoch_size``.
        **kwargs: As of ``MixDataset``.

    Raises:
        ConfigError: there cannot be so many, or as ``MixDataset``.
    """

    def __init__(self, *args: Any, distinct_items: int, **kwargs: Any) -> None:  # noqa: ANN401 - handed on
        super().__init__(*args, **kwargs)
        if not 1 <= distinct_items <= self.epoch_size:
            raise ConfigError(
                f"distinct_items must lie between 1 and epoch_size={self.epoch_size}, got {distinct_items}.",
                code="invalid-setting",
            )
        self.distinct_items = distinct_items
        self._orders: dict[int, list[int]] = {}

    @property
    def content_hash(self) -> str:
        """Changes with whatever changes an item, the size of the set included."""
        return f"{super().content_hash}-first{self.distinct_items}"

    def recipe(self, index: int, epoch: int = 0, *, attempt: int = 0) -> MixRecipe:
        """Return the recipe of an item; where one stands in for another, of the mix it stands in for."""
        if attempt:
            return super().recipe(index, epoch, attempt=attempt)
        index = check_number("index", index, self.epoch_size, "items per epoch (epoch_size)")
        turn, place = divmod(check_number("epoch", epoch) * self.epoch_size + index, self.distinct_items)
        return super().recipe(self._order(turn)[place], 0)

    def _order(self, turn: int) -> list[int]:
        """Return the order of a pass over the mixes."""
        items = range(self.distinct_items)
        if turn == 0:
            return list(items)
        if turn not in self._orders:
            order = open_stream(self.seed, turn, 0, "repeated mixes").shuffled(items)
            # A batch may lie in two passes.
            self._orders = {turn: order, **dict(list(self._orders.items())[:1])}
        return self._orders[turn]
