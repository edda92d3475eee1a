"""Networks: modules, layers, and the functions they are made of."""

from . import functional, init
from .activations import GELU, LeakyReLU, ReLU, Sigmoid, Softmax, Tanh
from .convolution import AvgPool2d, Conv2d, MaxPool2d
from .layers import Dropout, Embedding, Flatten, Linear, Sequential
from .module import Module
from .normalisation import BatchNorm1d, BatchNorm2d, LayerNorm

__all__ = [
    "GELU",
    "AvgPool2d",
    "BatchNorm1d",
    "BatchNorm2d",
    "Conv2d",
    "Dropout",
    "Embedding",
    "Flatten",
    "LayerNorm",
    "LeakyReLU",
    "Linear",
    "MaxPool2d",
    "Module",
    "ReLU",
    "Sequential",
    "Sigmoid",
    "Softmax",
    "Tanh",
    "functional",
    "init",
]
