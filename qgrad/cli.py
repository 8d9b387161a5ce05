"""The command `qgrad`. Results go to stdout, progress and errors to stderr."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from qgrad.version import __version__

__all__ = ["main"]

USAGE_ERROR = 2
INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line `argv`, by default that of the process; gives the exit status."""
    arguments = _parser().parse_args(argv)
    try:
        return _demo(arguments)
    except KeyboardInterrupt:
        print("qgrad: interrupted", file=sys.stderr)
        return INTERRUPTED
    except (ImportError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return USAGE_ERROR


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="qgrad", description="Train models for int8 and ship exactly what was trained."
    )
    parser.add_argument("--version", action="version", version=f"qgrad {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    demo = commands.add_parser(
        "demo",
        help="train, quantize, repair and ship a small CNN on real handwritten digits",
        description="Quantize a trained model from end to end, on real data, in under a minute.",
        epilog="example: qgrad demo --out digits --seed 1",
    )
    demo.add_argument(
        "--out", type=Path, metavar="DIR", help="keep the files here (default: nowhere)"
    )
    demo.add_argument(
        "--seed",
        type=_seed,
        default=0,
        metavar="N",
        help="of data, weights and training (default 0)",
    )
    demo.add_argument("--quiet", action="store_true", help="print nothing but the table")
    return parser


def _seed(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 on")
    return int(text)


def _demo(arguments: argparse.Namespace) -> int:
    from qgrad.demo.run import run_demo  # not for `qgrad --version`

    if arguments.out is not None:
        arguments.out.mkdir(parents=True, exist_ok=True)
        run_demo(arguments.out, arguments.seed, quiet=arguments.quiet)
        return 0
    with tempfile.TemporaryDirectory(prefix="qgrad-demo-") as folder:
        run_demo(Path(folder), arguments.seed, quiet=arguments.quiet)
    return 0
