"""Networks: modules, layers, and the functions they are made of."""

from . import functional, init
from .activations import GELU, LeakyReLU, ReLU, Sigmoid, Softmax, Tanh
from .layers import Dropout, Embedding, Flatten, Linear, Sequential
from .module import Module
from .normalisation import BatchNorm1d, LayerNorm

__all__ = [
    "GELU",
    "BatchNorm1d",
    "Dropout",
    "Embedding",
    "Flatten",
    "LayerNorm",
    "LeakyReLU",
    "Linear",
    "Module",
    "ReLU",
    "Sequential",
    "Sigmoid",
    "Softmax",
    "Tanh",
    "functional",
    "init",
]
