"""Initial value problems, differentiated by the adjoint method.

Chen et al. 2018, "Neural ordinary differential equations", algorithm 2: the cotangent of the state
is carried backwards in time, from one requested time to the one before.
"""

from typing import Any

import numpy as np
from scipy import integrate as _theirs

from ....autodiff.primitives import primitive as _primitive
from ....autodiff.rules import defvjp as _defvjp
from ..misc.flatten import flatten
from ..tracing import make_vjp


class Problem:
    """What is the same in all calls: the function, the nest of its arguments, the options."""

    def __init__(self, func: Any, unflatten: Any, options: dict[str, Any]) -> None:
        self.func, self.unflatten, self.options = func, unflatten, options

    def slope(self, y: Any, t: Any, flat: Any) -> Any:
        """dy/dt, its arguments given in one row."""
        return self.func(y, t, *self.unflatten(flat))


@_primitive
def _integrate(problem: Problem, y0: Any, t: Any, flat: Any) -> Any:
    def slope(y: Any, now: Any) -> Any:
        return np.asarray(problem.slope(y, now, flat))

    return _theirs.odeint(slope, y0, t, **problem.options)


def _back(i: int, g: Any, out: Any, problem: Problem, _y0: Any, t: Any, flat: Any) -> Any:
    count, size = np.shape(out)

    def backwards(state: Any, now: Any, flat: Any) -> Any:
        y, adjoint = state[:size], state[size : 2 * size]

        def slope(point: Any) -> Any:
            return problem.slope(*point)

        pull, value = make_vjp(slope, (y, now, flat))
        by_y, by_t, by_flat = pull(-adjoint)
        return np.concatenate([np.ravel(v) for v in (value, by_y, by_t, by_flat)])

    whole = Problem(backwards, lambda row: (row,), problem.options)
    adjoint, at_start, by_flat, times = g[-1], np.zeros(()), np.zeros(np.shape(flat)), []
    for k in range(count - 1, 0, -1):
        arrival = np.sum(problem.slope(out[k], t[k], flat) * g[k])
        times.append(arrival)
        parts = (out[k], adjoint, at_start - arrival, by_flat)
        state = np.concatenate([np.ravel(part) for part in parts])
        state = _integrate(whole, state, t[k - 1 : k + 1][::-1], flat)[1]
        adjoint = state[size : 2 * size] + g[k - 1]
        at_start, by_flat = state[2 * size], state[2 * size + 1 :]
    if i == 1:
        return adjoint
    return by_flat if i == 3 else np.stack([at_start, *times[::-1]])


_defvjp(_integrate, each=_back)


def odeint(func: Any, y0: Any, t: Any, args: Any = (), **options: Any) -> Any:
    """``scipy.integrate.odeint``, by the initial state, the times and the numbers in ``args``."""
    flat, unflatten = flatten(args if isinstance(args, tuple) else (args,))
    return _integrate(Problem(func, unflatten, options), y0, t, flat)
