"""Programs: models lowered to instructions, saved to files and run without the rest of qgrad.

records   Value, InputSpec, Instruction
fields    checks of attributes
kind      the table of kinds; one block each in `integer`, `pooling`, `products`,
          `floating` and `movement`
guards    comparisons of sizes that a call must meet
build     checks a whole program; `plan` and `arena` give every value its shape and place
program   Program;  `file` saves and loads it, `table` prints it
"""

from .guards import Guard
from .program import Program
from .records import InputSpec, Instruction, Value

__all__ = ["Guard", "InputSpec", "Instruction", "Program", "Value"]
