"""Several processes that train one model, over MPI."""

from .group import Group as Group

__all__ = ["Group"]
