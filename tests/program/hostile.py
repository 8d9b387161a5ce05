"""Small changes to a valid program's description, each of which breaks one rule."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qgrad.program import InputSpec, Instruction, Program, Value
from qgrad.qparams import QParams

Constants = dict[str, NDArray[Any]]
Edit = Callable[[Any, Constants], Any]


def small_program() -> tuple[Program, NDArray[np.float32]]:
    """quantize, conv_q, add_q, max_pool_q, layout, reshape, linear_q, lut, dequantize, unary."""
    rng = np.random.default_rng(0)
    qp, qy = QParams.of(0.05, 120), QParams.of(0.25, 3)
    cl = {name: Value(name, "uint8", qp, "cl") for name in ("q", "c", "s", "p")}
    row = {name: Value(name, "uint8", qp) for name in ("r", "f")}
    rest = {
        "l": Value("l", "uint8", qy),
        "t": Value("t", "uint8", qy),
        "d": Value("d", "float32"),
        "y": Value("y", "float32"),
    }
    clamp = {"qmin": 0, "qmax": 255}
    conv = {"stride": [1, 1], "padding": [1, 1, 1, 1], "dilation": [1, 1], "groups": 1}
    pool = {"kernel": [2, 2], "stride": [2, 2], "padding": [0, 0], "dilation": [1, 1]}
    weighted = ("weight", "weight_scale", "bias")
    instructions = [
        Instruction("quantize", ("x",), "q", {}, {}, "input"),
        Instruction(
            "conv_q", ("q",), "c", conv | clamp, {r: f"conv.{r}" for r in weighted}, "conv"
        ),
        Instruction("add_q", ("c", "q"), "s", clamp, {}, "add"),
        Instruction("max_pool_q", ("s",), "p", pool | {"ceil_mode": False}, {}, "pool"),
        Instruction("layout", ("p",), "r"),
        Instruction("reshape", ("r",), "f", {"shape": [["dim", "x", 0], -1]}, {}, "flatten"),
        Instruction("linear_q", ("f",), "l", clamp, {r: f"fc.{r}" for r in weighted}, "fc"),
        Instruction("lut", ("l",), "t", {}, {"table": "table"}, "act"),
        Instruction("dequantize", ("t",), "d"),
        Instruction("unary", ("d",), "y", {"fn": "elu", "params": {"alpha": 0.5}}, {}, "elu"),
    ]
    constants: Constants = {
        "conv.weight": rng.integers(-127, 128, (3, 3, 3, 3)).astype(np.int8),
        "conv.weight_scale": np.full(3, 0.01, np.float32),
        "conv.bias": np.arange(3, dtype=np.int32),
        "fc.weight": rng.integers(-127, 128, (4, 12)).astype(np.int8),
        "fc.weight_scale": np.full(4, 0.01, np.float32),
        "fc.bias": np.arange(4, dtype=np.int32),
        "table": rng.permutation(256).astype(np.uint8),
    }
    inputs = [InputSpec("x", "float32", (None, 3, 4, 4))]
    program = Program(inputs, ["y", "t"], cl | row | rest, instructions, constants)
    return program, rng.normal(size=(2, 3, 4, 4)).astype(np.float32)


def put(*path: Any, value: Any) -> Edit:
    """Set one field of the description."""

    def edit(description: Any, constants: Constants) -> None:
        for key in path[:-1]:
            description = description[key]
        description[path[-1]] = value

    return edit


def drop(*path: Any) -> Edit:
    """Remove one field."""

    def edit(description: Any, constants: Constants) -> None:
        for key in path[:-1]:
            description = description[key]
        del description[path[-1]]

    return edit


def instruction(index: int, *path: Any, value: Any) -> Edit:
    """Set one field of an instruction."""
    return put("instructions", index, *path, value=value)


def constant(name: str, array: Any) -> Edit:
    """Replace a constant."""

    def edit(description: Any, constants: Constants) -> None:
        constants[name] = array

    return edit


def without(name: str) -> Edit:
    """Remove a constant."""

    def edit(description: Any, constants: Constants) -> None:
        del constants[name]

    return edit


def text(content: str) -> Edit:
    """Replace the whole description."""
    return lambda description, constants: content


def qparams(value: int, **fields: Any) -> Edit:
    """Change the quantization of a value."""

    def edit(description: Any, constants: Constants) -> None:
        description["values"][value]["qparams"].update(fields)

    return edit


def both(first: Edit, second: Edit) -> Edit:
    """Two edits."""

    def edit(description: Any, constants: Constants) -> None:
        first(description, constants)
        second(description, constants)

    return edit


def weights(depth: int) -> Edit:
    """A linear layer whose sums could leave int32."""

    def edit(description: Any, constants: Constants) -> None:
        constants["fc.weight"] = np.zeros((4, depth), np.int8)

    return edit


def nested(depth: int) -> Any:
    """A size in many brackets."""
    size: Any = 1
    for _ in range(depth):
        size = ["+", size, 0]
    return size


SCALAR_INPUT = {"name": "x", "dtype": "float32", "shape": [], "qparams": None}
NAN, INF = np.float32("nan"), np.float32("inf")
Q, C, S, P, R, F, L, T, D, Y = range(10)

# What is changed, and a part of the message that it must give.
EDITS: dict[str, tuple[Edit, str]] = {
    "not json": (text("{"), "not valid JSON"),
    "deep json": (text("[" * 100_000), "not valid JSON"),
    "nan": (text('{"inputs": NaN}'), "NaN is not a number"),
    "huge integer": (text("1" * 10_000), "JSON"),
    "key twice": (text('{"inputs": [], "inputs": []}'), "a key appears twice"),
    "a list": (text("[]"), "must be a dict"),
    "no inputs": (drop("inputs"), "'inputs' is missing"),
    "unknown key": (put("pickle", value="x"), "unknown key 'pickle'"),
    "values no list": (put("values", value={}), "must be a list"),
    "outputs empty": (put("outputs", value=[]), "at least one output"),
    "output unknown": (put("outputs", value=["z"]), "'z' is not a value; nearest"),
    "output no string": (put("outputs", value=[[]]), "must be a string"),
    "input name": (put("inputs", 0, "name", value=""), "1 to 300 characters"),
    "input name long": (put("inputs", 0, "name", value="x" * 10**6), "1 to 300 characters"),
    "input twice": (put("inputs", value=[SCALAR_INPUT] * 2), "listed twice"),
    "input dtype": (put("inputs", 0, "dtype", value="float64"), "dtype must be one of"),
    "input dtype object": (put("inputs", 0, "dtype", value="object"), "dtype must be one of"),
    "input shape negative": (
        put("inputs", 0, "shape", value=[-1]),
        "shape must be a list of sizes",
    ),
    "input shape huge": (put("inputs", 0, "shape", value=[2**62]), "shape must be a list of sizes"),
    "input shape float": (put("inputs", 0, "shape", value=[1.0]), "shape must be a list of sizes"),
    "input shape bool": (put("inputs", 0, "shape", value=[True]), "shape must be a list of sizes"),
    "input rank": (put("inputs", 0, "shape", value=[1] * 99), "shape must be a list of sizes"),
    "input as value": (put("values", Q, "name", value="x"), "differs from the value"),
    "value unknown key": (put("values", Q, "__class__", value="x"), "unknown key"),
    "value twice": (put("values", Q, "name", value="c"), "a value twice"),
    "value layout": (put("values", Q, "layout", value="nhwc"), "layout must be one of"),
    "value without qparams": (put("values", Q, "qparams", value=None), "uint8 values have qparams"),
    "float with qparams": (put("values", D, "dtype", value="uint8"), "uint8 values have qparams"),
    "value never computed": (put("values", Q, "name", value="other"), "not among the values"),
    "scale zero": (qparams(Q, scale=0), "scale"),
    "scale negative": (qparams(Q, scale=-1.0), "scale"),
    "scale denormal": (qparams(Q, scale=1e-42), "scale"),
    "scale infinite": (qparams(Q, scale=1e39), "scale"),
    "scale huge integer": (qparams(Q, scale=10**4000), "scale must be a float32"),
    "scale text": (qparams(Q, scale="1"), "scale must be a number"),
    "scale bool": (qparams(Q, scale=True), "scale must be a number"),
    "zero point outside": (qparams(Q, zero_point=256), "zero point 256"),
    "zero point float": (qparams(Q, zero_point=1.5), "zero_point must be"),
    "qmin above qmax": (qparams(Q, qmin=200, qmax=100), "qmin=200"),
    "qparams of the pool differ": (qparams(P, zero_point=7), "one scale, zero point"),
    "op unknown": (instruction(C, "op", value="__import__"), "unknown op"),
    "op no string": (instruction(C, "op", value=1), "must be a string"),
    "op missing": (drop("instructions", C, "op"), "'op' is missing"),
    "cycle": (instruction(C, "inputs", value=["c"]), "before it is defined"),
    "later value": (instruction(C, "inputs", value=["y"]), "before it is defined"),
    "input undefined": (instruction(C, "inputs", value=["qq"]), "'qq' is not a value; nearest"),
    "input missing": (instruction(S, "inputs", value=["c"]), "takes 2 inputs, got 1"),
    "input no list": (instruction(S, "inputs", value="cq"), "must be a list of strings"),
    "input of a wrong dtype": (instruction(C, "inputs", value=["x"]), "must be uint8"),
    "input of a wrong layout": (put("values", Q, "layout", value="row"), "layout 'cl'"),
    "output twice": (instruction(S, "output", value="c"), "already defined"),
    "output is an input": (instruction(Q, "output", value="x"), "not among the values"),
    "path long": (instruction(C, "path", value="p" * 10**6), "at most 300"),
    "attribute unknown": (
        instruction(C, "attrs", "strid", value=[1, 1]),
        "unknown attribute 'strid'; nearest: 'stride'",
    ),
    "attribute missing": (drop("instructions", C, "attrs", "stride"), "'stride' is missing"),
    "attrs no dict": (instruction(C, "attrs", value=[]), "attrs must be a dict"),
    "stride zero": (
        instruction(C, "attrs", "stride", value=[0, 1]),
        "'stride' must be an integer in [1",
    ),
    "stride bool": (
        instruction(C, "attrs", "stride", value=[True, 1]),
        "'stride' must be an integer",
    ),
    "stride float": (
        instruction(C, "attrs", "stride", value=[1.0, 1]),
        "'stride' must be an integer",
    ),
    "stride huge": (
        instruction(C, "attrs", "stride", value=[2**31, 1]),
        "'stride' must be an integer",
    ),
    "stride short": (instruction(C, "attrs", "stride", value=[1]), "must have 2 entries"),
    "dilation overflow": (
        instruction(C, "attrs", "dilation", value=[2**40, 1]),
        "'dilation' must be",
    ),
    "padding negative": (
        instruction(C, "attrs", "padding", value=[0, 0, 0, -1]),
        "'padding' must be",
    ),
    "padding half": (instruction(C, "attrs", "padding", value=[1, 1]), "must have 4 entries"),
    "groups zero": (instruction(C, "attrs", "groups", value=0), "'groups' must be"),
    "groups that do not divide": (
        instruction(C, "attrs", "groups", value=2),
        "divide into 2 groups",
    ),
    "qmin above qmax of conv": (instruction(C, "attrs", "qmin", value=200), "[200, 255] must hold"),
    "qmax outside": (
        instruction(C, "attrs", "qmax", value=300),
        "'qmax' must be an integer in [0, 255]",
    ),
    "pool padding": (instruction(P, "attrs", "padding", value=[2, 0]), "at most half of kernel"),
    "pool lengths": (instruction(P, "attrs", "stride", value=[2]), "must have one length"),
    "pool kernel zero": (instruction(P, "attrs", "kernel", value=[0, 2]), "'kernel' must be"),
    "ceil_mode number": (instruction(P, "attrs", "ceil_mode", value=1), "must be true or false"),
    "two -1": (instruction(F, "attrs", "shape", value=[-1, -1]), "one -1"),
    "deep size": (instruction(F, "attrs", "shape", value=[nested(99)]), "nested deeper"),
    "size of nothing": (instruction(F, "attrs", "shape", value=[["dim", "zz", 0]]), "size of 'zz'"),
    "size of a later value": (
        instruction(F, "attrs", "shape", value=[["dim", "y", 0]]),
        "size of 'y'",
    ),
    "size unknown operator": (
        instruction(F, "attrs", "shape", value=[["**", 2, 99]]),
        "must be an integer, ",
    ),
    "size text": (instruction(F, "attrs", "shape", value=["1"]), "must be an integer, "),
    "unary function": (instruction(Y, "attrs", "fn", value="__class__"), "'fn' must be one of"),
    "unary parameter": (
        instruction(Y, "attrs", "params", value={"beta": 1.0}),
        "no parameter 'beta'",
    ),
    "unary parameter text": (
        instruction(Y, "attrs", "params", value={"alpha": "1"}),
        "finite number",
    ),
    "role unknown": (
        instruction(C, "constants", "wait", value="table"),
        "unknown constant role 'wait'",
    ),
    "role missing": (drop("instructions", C, "constants", "bias"), "'bias' is missing"),
    "constant undefined": (instruction(C, "constants", "bias", value="b"), "does not hold"),
    "constant no string": (instruction(C, "constants", "bias", value=7), "does not hold"),
    "constants no dict": (instruction(C, "constants", value="x"), "constants must be a dict"),
    "constant gone": (without("conv.bias"), "does not hold"),
    "constant unused": (constant("extra", np.zeros(1, np.float32)), "used by no instruction"),
    "constant dtype": (constant("conv.weight", np.zeros((3, 3, 3, 3), np.uint8)), "must be int8"),
    "constant float64": (constant("conv.weight", np.zeros((3, 3, 3, 3))), "must be an array of"),
    "constant rank": (constant("conv.weight", np.zeros((3, 27), np.int8)), "must have 3 or 4 axes"),
    "weight empty": (constant("conv.weight", np.zeros((3, 3, 0, 3), np.int8)), "does not divide"),
    "weight with a zero and a huge size": (
        constant("fc.weight", np.zeros((0, 2**40), np.int8)),
        "too large",
    ),
    "bias short": (constant("conv.bias", np.zeros(2, np.int32)), "must agree"),
    "scales short": (constant("conv.weight_scale", np.ones(2, np.float32)), "must agree"),
    "weight scale zero": (constant("conv.weight_scale", np.zeros(3, np.float32)), "scale"),
    "weight scale nan": (constant("conv.weight_scale", np.full(3, NAN)), "holds NaN"),
    "weight scale infinite": (constant("conv.weight_scale", np.full(3, INF)), "must be finite"),
    "multiplier infinite": (
        both(qparams(Q, scale=1e3), constant("conv.weight_scale", np.full(3, 3e38, np.float32))),
        "instruction 1 conv_q at 'conv': requantize",
    ),
    "bias beyond int32": (constant("conv.bias", np.full(3, 2**31 - 1, np.int32)), "can reach"),
    "sums beyond int32": (weights(70_000), "k=70000"),
    "table short": (constant("table", np.zeros(255, np.uint8)), "must have 256"),
    "table outside the codes": (qparams(T, qmax=99), "outside the output's"),
}
