"""The main job from end to end, on real data: train, quantize, repair, compare, ship."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import qgrad
from qgrad import nn
from qgrad.demo.data import Digits, load_digits
from qgrad.demo.model import DigitNet
from qgrad.demo.progress import Progress
from qgrad.demo.results import Row, latency, table
from qgrad.demo.training import BATCH, accuracy, batches, train
from qgrad.program import Program
from qgrad.quantization import (
    QConfigMapping,
    convert,
    default_per_channel_qconfig,
    default_qconfig,
    get_default_qat_qconfig_mapping,
    get_default_qconfig,
    get_default_qconfig_mapping,
    prepare,
    prepare_qat,
)
from qgrad.quantization.prepared import PreparedModel
from qgrad.testing import count_differing_codes

__all__ = ["run_demo"]

EPOCHS, LR = 40, 3e-3
QAT_EPOCHS, QAT_LR = 24, 3e-3
HURTS = 3.0  # points of accuracy: from here on, rounding after training is not good enough


def run_demo(out: Path, seed: int, *, quiet: bool) -> list[Row]:
    """Do all six steps, leave the files in the folder `out`, and give the table's rows."""
    return _Demo(out, seed, quiet, Progress(quiet=quiet)).run()


@dataclass
class _Demo:
    out: Path
    seed: int
    quiet: bool
    progress: Progress

    def run(self) -> list[Row]:
        digits = self.load()
        model = self.train(digits)
        rows = [self.float_row(model, digits), self.int8(model, digits)]
        rows += self.few_bits(model, digits, rows[0].accuracy)
        self.say("\n5. what each costs and keeps\n")
        print(table(rows, BATCH))
        self.ship(rows[1], digits)
        return rows

    def say(self, text: str) -> None:
        if not self.quiet:
            print(text, flush=True)

    def load(self) -> Digits:
        digits = load_digits(self.seed)
        self.say(
            f"1. {sum(map(len, digits)):,} scans of handwritten digits, 8x8: {len(digits.train):,} "
            f"to train, {len(digits.calibration)} to calibrate, {len(digits.test)} to test"
        )
        return digits

    def train(self, digits: Digits) -> nn.Module:
        qgrad.manual_seed(self.seed)
        model = DigitNet()
        start = time.perf_counter()
        self.fit(model, digits, EPOCHS, LR, "training in float32")
        count = sum(parameter.numel() for parameter in model.parameters())
        self.say(
            f"2. trained a residual CNN of {count:,} parameters in "
            f"{time.perf_counter() - start:.1f} s: {accuracy(model, digits.test):.2f} % of the "
            "test digits are right"
        )
        return model

    def fit(self, model: nn.Module, digits: Digits, epochs: int, lr: float, task: str) -> None:
        train(
            model,
            digits.train,
            epochs=epochs,
            lr=lr,
            seed=self.seed,
            progress=lambda epochs: self.progress.steps(epochs, task),
        )

    def float_row(self, model: nn.Module, digits: Digits) -> Row:
        path = self.out / "float32.safetensors"
        qgrad.save_file(model.state_dict(), path)
        return Row("float32", accuracy(model, digits.test), path, self.latency(model, digits))

    def int8(self, model: nn.Module, digits: Digits) -> Row:
        mapping = (
            QConfigMapping()
            .set_global(get_default_qconfig())
            .set_object_type(nn.Conv2d, default_per_channel_qconfig)  # min-max, not histograms
            .set_module_name_regex(r"block1\.", get_default_qconfig(weight_bits=6))
            .set_module_name("block2.conv2", default_qconfig)  # one scale for all its channels
            .set_module_name("head", None)  # stays float
        )
        self.say("3. quantized after training to int8; the rule that won for every module:\n")
        self.say(_indented(mapping.resolve(model)))
        return self.quantize(model, mapping, digits, "int8 PTQ")

    def few_bits(self, model: nn.Module, digits: Digits, float_accuracy: float) -> list[Row]:
        self.say("\n4. weights of fewer bits, rounded after training:")
        for bits in (4, 3, 2):
            mapping = get_default_qconfig_mapping(weight_bits=bits)
            rounded = self.quantize(model, mapping, digits, f"{bits}-bit PTQ")
            lost = float_accuracy - rounded.accuracy
            self.say(f"   {bits} bits: {rounded.accuracy:.2f} %, {lost:.2f} points below float32")
            if lost >= HURTS:
                break
        mapping = get_default_qat_qconfig_mapping(weight_bits=bits)
        prepared = prepare_qat(model, mapping, (digits.calibration.pixels[:BATCH],))
        self.fit(prepared, digits, QAT_EPOCHS, QAT_LR, f"training with {bits}-bit weights")
        repaired = self.row(f"{bits}-bit QAT", prepared, digits)
        self.say(f"   {bits} bits, trained {QAT_EPOCHS} epochs as such: {repaired.accuracy:.2f} %")
        return [rounded, repaired]

    def quantize(self, model: nn.Module, mapping: QConfigMapping, digits: Digits, name: str) -> Row:
        pixels = digits.calibration.pixels
        prepared = prepare(model, mapping, (pixels[:BATCH],))
        for part in batches(len(pixels)):
            prepared(pixels[part])
        return self.row(name, prepared, digits)

    def row(self, name: str, prepared: PreparedModel, digits: Digits) -> Row:
        program = convert(prepared)
        path = self.out / f"{name.replace(' ', '-').lower()}.safetensors"
        program.save(path)
        compared = count_differing_codes(prepared, program, digits.test.pixels)
        return Row(
            name,
            accuracy(program, digits.test),
            path,
            self.latency(program, digits),
            compared.differing,
            compared.total,
        )

    def latency(self, model: nn.Module | Program, digits: Digits) -> float:
        with qgrad.no_grad():
            return latency(model, qgrad.from_numpy(digits.test.pixels[:BATCH]))

    def ship(self, row: Row, digits: Digits) -> None:
        pixels, scores = self.out / "digits.npy", self.out / "scores.npy"
        np.save(pixels, digits.test.pixels)
        names = [path.name for path in (row.file, pixels, scores)]
        # In its folder: beside a source tree, -m would find that before the installed package.
        command = [sys.executable, "-m", "qgrad.demo.classify", *names]
        subprocess.run(command, cwd=self.out, check=True)
        fresh = np.load(scores)
        right = int((fresh.argmax(axis=1) == digits.test.labels).sum())
        if not np.array_equal(fresh, Program.load(row.file).run(digits.test.pixels)[0]):
            raise RuntimeError("demo: a fresh process computed other scores from the same file")
        self.say(
            f"\n6. a fresh process loaded {row.file.name} and classified {len(fresh)} digits: "
            f"{right} right, every score equal to this process's, bit for bit"
        )


def _indented(text: object) -> str:
    return "\n".join(f"   {line}" for line in str(text).splitlines())
