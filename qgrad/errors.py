"""The exceptions qgrad raises on purpose.

Every message starts with the operation or module, then shows the value, the rule and the way out.
Each class also is the built-in a caller would expect, so `except ValueError` keeps working.
"""


class ShapeError(ValueError):
    """Sizes that do not fit together."""


class DTypeError(TypeError):
    """An element type that the operation does not take."""


class QParamError(ValueError):
    """A scale, zero point or code range that breaks the contract of numbers."""


class ModelFormatError(ValueError):
    """A model file or program that is not well formed."""


class UnsupportedOpError(ValueError):
    """An operation that has no implementation for what was asked of it."""


class TraceError(RuntimeError):
    """Python code that cannot be recorded as a graph."""


class CalibrationError(ValueError):
    """Calibration data that is missing, or holds NaN or infinity."""


class ConfigError(ValueError):
    """A quantization configuration that matches nothing or contradicts itself."""
