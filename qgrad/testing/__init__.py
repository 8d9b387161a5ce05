"""For tests of code that uses qgrad; `qgrad.testing.strategies` has what Hypothesis needs."""

from qgrad.autograd.finite_differences import gradcheck as gradcheck
from qgrad.autograd.finite_differences import gradgradcheck as gradgradcheck
from qgrad.testing.codes import CodeReport as CodeReport
from qgrad.testing.codes import NodeCodes as NodeCodes
from qgrad.testing.codes import assert_codes_equal as assert_codes_equal
from qgrad.testing.codes import count_differing_codes as count_differing_codes
