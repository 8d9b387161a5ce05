"""What deployment is: a process that knows only the program's file.

python -m qgrad.demo.classify MODEL.safetensors PIXELS.npy SCORES.npy
"""

from __future__ import annotations

import sys

import numpy as np

from qgrad.program import Program

__all__ = ["main"]


def main(model: str, pixels: str, scores: str) -> None:
    """Run the program in file `model` on the array in `pixels`; write its output to `scores`."""
    program = Program.load(model)
    np.save(scores, program.run(np.load(pixels))[0])


if __name__ == "__main__":
    main(*sys.argv[1:])
