"""Networks: modules, layers, and the functions they are made of."""

from . import functional, init
from .activations import (
    ELU,
    GELU,
    Identity,
    LeakyReLU,
    ReLU,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Tanh,
)
from .attention import MultiheadAttention
from .containers import ModuleDict, ModuleList, Sequential
from .convolution import Conv1d, Conv2d, ConvTranspose2d
from .images import AdaptiveAvgPool2d, AvgPool2d, MaxPool2d, Upsample, ZeroPad2d
from .layers import Dropout, Dropout2d, Embedding, Flatten, Linear
from .module import Module
from .normalisation import BatchNorm1d, BatchNorm2d, GroupNorm, LayerNorm
from .recurrent import GRU, LSTM, RNN
from .stateless import functional_call

# PyTorch's names of what is a function here
_FUNCTIONS = {
    "CrossEntropyLoss": "cross_entropy", "NLLLoss": "nll_loss", "MSELoss": "mse_loss",
    "L1Loss": "l1_loss", "HuberLoss": "huber_loss", "BCELoss": "binary_cross_entropy",
    "BCEWithLogitsLoss": "binary_cross_entropy_with_logits",
}  # fmt: skip


def __getattr__(name: str) -> None:
    found = _FUNCTIONS.get(name)
    way = f"; use the function nn.functional.{found}" if found else ""
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}{way}")


__all__ = [
    "ELU",
    "GELU",
    "GRU",
    "LSTM",
    "RNN",
    "AdaptiveAvgPool2d",
    "AvgPool2d",
    "BatchNorm1d",
    "BatchNorm2d",
    "Conv1d",
    "Conv2d",
    "ConvTranspose2d",
    "Dropout",
    "Dropout2d",
    "Embedding",
    "Flatten",
    "GroupNorm",
    "Identity",
    "LayerNorm",
    "LeakyReLU",
    "Linear",
    "MaxPool2d",
    "Module",
    "ModuleDict",
    "ModuleList",
    "MultiheadAttention",
    "ReLU",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Tanh",
    "Upsample",
    "ZeroPad2d",
    "functional",
    "functional_call",
    "init",
]
