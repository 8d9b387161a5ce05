"""Working on all parameters of a model at once."""

from qgrad.nn.utils.clip_grad import clip_grad_norm_ as clip_grad_norm_
from qgrad.nn.utils.clip_grad import clip_grad_value_ as clip_grad_value_
from qgrad.nn.utils.convert_parameters import parameters_to_vector as parameters_to_vector
from qgrad.nn.utils.convert_parameters import vector_to_parameters as vector_to_parameters

__all__ = [
    "clip_grad_norm_",
    "clip_grad_value_",
    "parameters_to_vector",
    "vector_to_parameters",
]
