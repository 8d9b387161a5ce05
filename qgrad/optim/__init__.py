"""Optimizers and learning rate schedules, with PyTorch's names and update formulas."""

from qgrad.optim import lr_scheduler as lr_scheduler
from qgrad.optim.adam import Adam as Adam
from qgrad.optim.adam import AdamW as AdamW
from qgrad.optim.optimizer import Optimizer as Optimizer
from qgrad.optim.rmsprop import RMSprop as RMSprop
from qgrad.optim.sgd import SGD as SGD

__all__ = ["SGD", "Adam", "AdamW", "Optimizer", "RMSprop", "lr_scheduler"]
