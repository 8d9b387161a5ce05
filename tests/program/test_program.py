"""Program as callers meet it: calls, errors, quantized arguments, text."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from program.hostile import small_program

import qgrad
from qgrad.errors import DTypeError, ModelFormatError, QParamError, ShapeError
from qgrad.kernels.extension import core
from qgrad.program import InputSpec, Instruction, Program, Value
from qgrad.qparams import QParams

QP = QParams.of(0.05, 120)


def embedding() -> Program:
    """Rows of a table of three."""
    step = Instruction("embedding", ("i",), "y", {}, {"weight": "w"}, "words")
    table = np.arange(6, dtype=np.float32).reshape(3, 2)
    values = {"y": Value("y", "float32")}
    return Program([InputSpec("i", "int64", (None,))], ["y"], values, [step], {"w": table})


def test_calls_take_and_give_tensors() -> None:
    """A Tensor for one output, a tuple for several; codes come as quantized tensors."""
    program, x = small_program()
    y, t = program(qgrad.tensor(x))
    assert isinstance(y, qgrad.Tensor)
    np.testing.assert_array_equal(y.numpy(), program.run(x)[0])
    assert t.qparams == program.values["t"].qparams
    np.testing.assert_array_equal(t.int_repr().numpy(), program.run(x)[1])
    single = embedding()(np.array([2, 0]))
    assert single.tolist() == [[4.0, 5.0], [0.0, 1.0]]


def test_quantized_arguments_save_a_rounding() -> None:
    """A quantized tensor gives what its values give, if it has the input's scale and zero point."""
    program, x = small_program()
    q = qgrad.quantize_per_tensor(qgrad.tensor(x), 0.05, 120, qgrad.quint8)
    for got, expected in zip(program.run(x), program(q), strict=True):
        values = expected.int_repr() if isinstance(expected, qgrad.QTensor) else expected
        np.testing.assert_array_equal(got, values.numpy())
    other = qgrad.quantize_per_tensor(qgrad.tensor(x), 0.05, 121, qgrad.quint8)
    with pytest.raises(QParamError, match=r"zero_point=120.*zero_point=121.*dequantize"):
        program(other)


def test_codes_of_an_input_of_codes() -> None:
    """An input declared as codes takes them raw or as a quantized tensor."""
    step = Instruction("dequantize", ("x",), "y")
    spec = InputSpec("x", "uint8", (None,), QP)
    program = Program([spec], ["y"], {"y": Value("y", "float32")}, [step], {})
    codes = np.array([0, 120, 255], np.uint8)
    expected = (codes.astype(np.float32) - 120) * np.float32(0.05)
    np.testing.assert_array_equal(program(codes).numpy(), expected)
    np.testing.assert_array_equal(program(qgrad.QTensor(codes, QP)).numpy(), expected)


def test_codes_that_floats_refuse() -> None:
    """An input that is not quantized first takes no codes."""
    step = Instruction("unary", ("x",), "y", {"fn": "relu"})
    spec = InputSpec("x", "float32", (None,))
    program = Program([spec], ["y"], {"y": Value("y", "float32")}, [step], {})
    with pytest.raises(QParamError, match="'x' takes no codes"):
        program(qgrad.QTensor(np.zeros(3, np.uint8), QP))


BAD_CALLS: list[tuple[Any, type[Exception], str]] = [
    (lambda p, x: p.run(), ShapeError, "takes 1 inputs, got 0"),
    (lambda p, x: p.run(x, x), ShapeError, "takes 1 inputs, got 2"),
    (lambda p, x: p.run(x.astype(np.float64)), DTypeError, "must be float32, got float64"),
    (lambda p, x: p.run(x.astype(">f4")), DTypeError, "must be float32, got >f4"),
    (lambda p, x: p.run(x.tolist()), DTypeError, "must be float32, got list"),
    (lambda p, x: p.run(x[0]), ShapeError, "x: float32[?, 3, 4, 4] got shape (3, 4, 4)"),
    (lambda p, x: p.run(x[:, :2]), ShapeError, "got shape (2, 2, 4, 4)"),
    (lambda p, x: p.run(x * np.nan), ValueError, "instruction 0 quantize at 'input': quantize: "),
]


@pytest.mark.parametrize("case", BAD_CALLS, ids=lambda case: case[2][:20])
def test_bad_calls(case: Any) -> None:
    """The value, the rule and the instruction, from the executor and the interpreter alike."""
    call, error, part = case
    program, x = small_program()
    messages = []
    for name in ("run", "run_reference"):
        program.run = getattr(Program, name).__get__(program)  # type: ignore[method-assign]
        with pytest.raises(error) as caught:
            call(program, x)
        messages.append(str(caught.value))
    assert messages[0] == messages[1]
    assert part in messages[0], messages[0]
    assert len(messages[0]) < 600


@pytest.mark.parametrize("index", [-1, 3, 2**62, -(2**62)])
def test_indices_outside_a_table(index: int) -> None:
    """An error that names instruction and module; no memory is read."""
    program = embedding()
    for call in (program.run, program.run_reference):
        with pytest.raises(ValueError, match=rf"at 'words': index {index} is outside the 3 rows"):
            call(np.array([0, index, 1]))


def test_shapes_that_only_a_call_can_show() -> None:
    """Free sizes may turn out too small for a kernel; the message names the module."""
    attrs = {"stride": [1], "padding": [0, 0], "dilation": [1], "groups": 1}
    step = Instruction("conv", ("x",), "y", attrs, {"weight": "w"}, "net.conv")
    x, weight = InputSpec("x", "float32", (None, 2, None)), np.ones((4, 2, 5), np.float32)
    program = Program([x], ["y"], {"y": Value("y", "float32")}, [step], {"w": weight})
    assert program.run(np.zeros((1, 2, 5), np.float32))[0].shape == (1, 4, 1)
    with pytest.raises(ShapeError, match=r"conv at 'net\.conv': the kernel spans 5 of 4 padded"):
        program.run(np.zeros((1, 2, 4), np.float32))


def test_constants_are_the_programs_own() -> None:
    """Changing the arrays it was made from changes nothing; its own are read-only."""
    program, x = small_program()
    given = {name: np.array(array) for name, array in program.constants.items()}
    parts = (program.inputs, program.outputs, program.values, program.instructions)
    copy = Program(*parts, given)
    for array in given.values():
        array[...] = 0
    for got, expected in zip(copy.run(x), program.run(x), strict=True):
        np.testing.assert_array_equal(got, expected)
    with pytest.raises(ValueError, match="read-only"):
        copy.constants["table"][0] = 1


def test_constants_of_another_byte_order() -> None:
    """Arrays from big-endian files become the program's own, in the machine's order."""
    program, x = small_program()
    given = {n: a.astype(a.dtype.newbyteorder(">")) for n, a in program.constants.items()}
    parts = (program.inputs, program.outputs, program.values, program.instructions)
    for got, expected in zip(Program(*parts, given).run(x), program.run(x), strict=True):
        np.testing.assert_array_equal(got, expected)


def test_records_that_are_not_records() -> None:
    """Python callers get the same checks as files."""
    program, _ = small_program()
    parts = [program.inputs, program.outputs, program.values, program.instructions]
    for index, bad in [(0, "x"), (0, [1]), (1, "y"), (2, {"q": 1}), (3, [("relu",)])]:
        wrong: list[Any] = [*parts, dict(program.constants)]
        wrong[index] = bad
        with pytest.raises(ModelFormatError, match="program"):
            Program(*wrong)


def test_text() -> None:
    """repr is one line; summary has a line for each instruction, with shape, scale and bytes."""
    program, _ = small_program()
    assert repr(program) == (
        "Program(x: float32[?, 3, 4, 4] -> y, t; 10 instructions, "
        f"{sum(a.nbytes for a in program.constants.values())} bytes)"
    )
    lines = program.summary().splitlines()
    assert len(lines) == 2 + 10 + 1
    conv = next(line for line in lines if " conv_q " in line)
    for part in ("conv", "uint8[?, 3, 4, 4] channels last", "0.05 @ 120", "105"):
        assert part in conv
    assert max(map(len, lines)) <= 100


def test_deployment_loads_little(tmp_path: Any) -> None:
    """A fresh process that runs a file needs neither autograd's users nor Hypothesis nor tqdm."""
    program, x = small_program()
    program.save(tmp_path / "p")
    np.save(tmp_path / "x.npy", x)
    script = (
        "import sys, numpy as np\n"
        "import qgrad; from qgrad.program import Program\n"
        "assert not {'safetensors', 'tqdm', 'hypothesis', 'onnx'} & set(sys.modules)\n"
        "p = Program.load(sys.argv[1] + '/p')\n"
        "y = p.run(np.load(sys.argv[1] + '/x.npy'))\n"
        "sys.stdout.buffer.write(y[0].tobytes())\n"
    )
    env = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", script, str(tmp_path)]
    child = subprocess.run(command, capture_output=True, env=env)
    assert child.returncode == 0, child.stderr.decode()
    assert child.stdout == program.run(x)[0].tobytes()


@pytest.mark.skipif(core is None, reason="NumPy is interrupted between instructions")
def test_a_long_run_can_be_interrupted() -> None:
    """Ctrl-C ends a program of several seconds within one, though it is a single call of C++."""
    script = (
        "import signal, sys, threading, time, numpy as np\n"
        # Who starts the tests in the background may have had it ignored.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from qgrad.program import InputSpec, Instruction, Program, Value\n"
        "names = ['x', *(f'v{i}' for i in range(3000))]\n"
        "gelu = {'fn': 'gelu'}\n"
        "steps = [Instruction('unary', (a,), b, gelu) for a, b in zip(names, names[1:])]\n"
        "values = {name: Value(name, 'float32') for name in names[1:]}\n"
        "p = Program([InputSpec('x', 'float32', (None,))], [names[-1]], values, steps, {})\n"
        "p.run(np.zeros(1, np.float32))\n"
        "threading.Timer(0.3, signal.raise_signal, [signal.SIGINT]).start()\n"
        "start = time.perf_counter()\n"
        "try:\n"
        "    p.run(np.zeros(8_000_000, np.float32))\n"
        "except KeyboardInterrupt:\n"
        "    print(time.perf_counter() - start)\n"
    )
    env = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    child = subprocess.run([sys.executable, "-c", script], capture_output=True, env=env, text=True)
    assert child.returncode == 0, child.stderr
    assert 0.2 < float(child.stdout) < 1.3
