"""Hypothesis strategies for qgrad's objects; needs the extra `qgrad[test]`.

>>> from hypothesis import given
>>> from qgrad.testing.strategies import quantized_tensors
>>> @given(quantized_tensors(dtype=qgrad.quint8))
... def test_codes_survive(q):
...     assert q.clone().equal(q)

Importing this registers nothing and changes no setting of Hypothesis. An installed qgrad is known
to `st.from_type` through the entry point `hypothesis`, which calls `register`.
"""

from __future__ import annotations

from qgrad.testing.registration import register
from qgrad.testing.strategies.arguments import Shape
from qgrad.testing.strategies.configs import qconfig_mappings, qconfigs
from qgrad.testing.strategies.networks import Network, modules
from qgrad.testing.strategies.values import dtypes, qparams, quantized_tensors, tensors

__all__ = [
    "Network",
    "Shape",
    "dtypes",
    "modules",
    "qconfig_mappings",
    "qconfigs",
    "qparams",
    "quantized_tensors",
    "register",
    "tensors",
]
