"""Sixteen floats at a time: LLVM instructions for loops of the kernels that LLVM does not vectorise itself.

LLVM splits the vectors on machines with narrower registers. numba keeps compiled kernels for as long as their
own file stays the same, so every kernel file that uses this one names its hash (``LANES_HASH``).
"""

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.extending import intrinsic

__all__ = ["LANES", "Emitter", "instructions"]

LANES = 16


def instructions(function: Callable[..., Any]) -> Callable[..., Any]:
    """Make a function of LLVM instructions callable from compiled code."""
    made: Callable[..., Any] = intrinsic(function)
    return made


class Emitter:
    """Writes LLVM instructions on sixteen floats at a time; offsets count floats."""

    vector = ir.VectorType(ir.FloatType(), LANES)

    def __init__(self, builder: ir.IRBuilder) -> None:
        self.builder = builder

    def load(self, pointer: ir.Value, offset: ir.Value) -> ir.Value:
        """Read sixteen floats from an offset."""
        address = self.builder.bitcast(self.builder.gep(pointer, [offset]), self.vector.as_pointer())
        return self.builder.load(address, align=4)

    def store(self, value: ir.Value, pointer: ir.Value, offset: ir.Value) -> None:
        """Write sixteen floats to an offset."""
        address = self.builder.bitcast(self.builder.gep(pointer, [offset]), self.vector.as_pointer())
        self.builder.store(value, address, align=4)

    def splat(self, pointer: ir.Value, offset: ir.Value) -> ir.Value:
        """Read one float into all lanes."""
        return self.spread(self.builder.load(self.builder.gep(pointer, [offset])))

    def spread(self, value: ir.Value) -> ir.Value:
        """Copy one float to all lanes."""
        nothing = ir.Constant(self.vector, ir.Undefined)
        one = self.builder.insert_element(nothing, value, ir.Constant(ir.IntType(32), 0))
        return self.shuffle(one, nothing, [0] * LANES)

    def shuffle(self, a: ir.Value, b: ir.Value, lanes: list[int]) -> ir.Value:
        """Choose lanes of two vectors, those of the second numbered on."""
        mask = ir.Constant(ir.VectorType(ir.IntType(32), len(lanes)), lanes)
        return self.builder.shuffle_vector(a, b, mask)

    def turn(self, rows: list[ir.Value]) -> list[ir.Value]:
        """Turn sixteen rows of sixteen on their side: four times, rows of both halves alternate."""
        low = [n // 2 + LANES * (n % 2) for n in range(LANES)]
        high = [n + LANES // 2 for n in low]
        for _n in range(4):
            pairs = [(rows[n], rows[n + LANES // 2]) for n in range(LANES // 2)]
            rows = [self.shuffle(a, b, lanes) for a, b in pairs for lanes in (low, high)]
        return rows

    def add(self, a: ir.Value, b: ir.Value) -> ir.Value:
        """Add, free to be fused with a product."""
        return self.builder.fadd(a, b, flags=("contract",))

    def sub(self, a: ir.Value, b: ir.Value) -> ir.Value:
        """Subtract, free to be fused with a product."""
        return self.builder.fsub(a, b, flags=("contract",))

    def mul(self, a: ir.Value, b: ir.Value) -> ir.Value:
        """Multiply, free to be fused with a sum."""
        return self.builder.fmul(a, b, flags=("contract",))

    def sum(self, vector: ir.Value) -> ir.Value:
        """Add up all lanes."""
        lanes = LANES
        while lanes > 1:
            lanes //= 2
            vector = self.add(
                vector, self.shuffle(vector, vector, [(n + lanes) % LANES for n in range(LANES)])
            )
        return self.builder.extract_element(vector, ir.Constant(ir.IntType(32), 0))

    def sum_four(self, vectors: list[ir.Value]) -> ir.Value:
        """Return the sums of four vectors as one of four lanes, always added in the same order."""
        low, high = [*range(8), *range(16, 24)], [*range(8, 16), *range(24, 32)]
        pairs = [
            self.add(self.shuffle(a, b, low), self.shuffle(a, b, high)) for a, b in (vectors[:2], vectors[2:])
        ]
        # Groups of four lanes: a and b from the first pair, c and d from the second.
        low = [n // 4 * 8 + n % 4 for n in range(16)]
        high = [n + 4 for n in low]
        four = self.add(self.shuffle(pairs[0], pairs[1], low), self.shuffle(pairs[0], pairs[1], high))
        for width in (2, 1):
            other = [n ^ width for n in range(LANES)]
            four = self.add(four, self.shuffle(four, four, other))
        return self.shuffle(four, four, [0, 4, 8, 12])

    def store_four(self, value: ir.Value, pointer: ir.Value, offset: ir.Value) -> None:
        """Write four lanes to neighbouring places."""
        kind = ir.VectorType(ir.FloatType(), 4).as_pointer()
        self.builder.store(value, self.builder.bitcast(self.builder.gep(pointer, [offset]), kind), align=4)
