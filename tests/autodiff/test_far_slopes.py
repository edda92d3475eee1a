"""Slopes far from 0, where the terms of their formulas cancel, to 12 digits."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg

sp = pytest.importorskip("scipy.special")

ROWS: list[tuple[str, tuple[float, ...], complex, complex]] = [
    # the function, its orders, the place, the slope there: computed with 50 digits at least
    # (mpmath 1.4). Where it is not holomorphic: the gradient of its real part.
    ("erfcx", (), 9+5j, -0.002843453957465382+0.004451790341196515j),
    ("erfcx", (), -9+5j, 7.113855984370145e+25+4.857336930787633e+25j),
    ("erfcx", (), 900+500j, -2.8119129642961345e-07+4.519133730665504e-07j),
    ("erfcx", (), 9e7+5e7j, -2.811909636763471e-17+4.519140487655577e-17j),
    ("erfcx", (), 5+9j, 0.002776831688012298+0.004586837139418953j),
    ("erfcx", (), -5+9j, 0.002776831688012298-0.004586837139418953j),
    ("erfcx", (), 500+900j, 2.811906309195452e-07+4.5191472446491623e-07j),
    ("erfcx", (), -500+900j, 2.811906309195452e-07-4.5191472446491623e-07j),
    ("erfcx", (), 5e7+9e7j, 2.81190963676347e-17+4.519140487655578e-17j),
    ("erfcx", (), -5e7+9e7j, 2.81190963676347e-17-4.519140487655578e-17j),
    ("erfcx", (), 9+8.9j, -7.228054502325231e-05+0.003520092917956903j),
    ("erfcx", (), -9+8.9j, 220.09706965699084-208.60373048747587j),
    ("erfcx", (), 9.0, -0.006840134415568259),
    ("erfcx", (), 31.0, -0.0005861719430369728),
    ("erfcx", (), -9.0, -5.42195033250611e+36),
    ("erfcx", (), 1e8, -5.641895835477562e-17),
    ("dawsn", (), 9+5j, -0.0024609030093669312+0.004064978575619782j),
    ("dawsn", (), -9+5j, -0.0024609030093669312-0.004064978575619782j),
    ("dawsn", (), 900+500j, -2.491987083059498e-07+4.00498996829373e-07j),
    ("dawsn", (), -900+500j, -2.491987083059498e-07-4.00498996829373e-07j),
    ("dawsn", (), 9e7+5e7j, -2.4919900320398716e-17+4.00498398006408e-17j),
    ("dawsn", (), -9e7+5e7j, -2.4919900320398716e-17-4.00498398006408e-17j),
    ("dawsn", (), 5+9j, -3.1522453585710284e+25-2.1523513870300302e+25j),
    ("dawsn", (), -5+9j, -3.1522453585710284e+25+2.1523513870300302e+25j),
    ("dawsn", (), 9+8.9j, -2.6897087560223367+2.6099853027670203j),
    ("dawsn", (), -9+8.9j, -2.6897087560223367-2.6099853027670203j),
    ("dawsn", (), 9.0, -0.0062908410383082924),
    ("dawsn", (), 31.0, -0.000521105592869068),
    ("dawsn", (), -9.0, -0.0062908410383082924),
    ("dawsn", (), -10000.0, -5.000000075000002e-09),
    ("dawsn", (), 1e8, -5.0000000000000005e-17),
    ("wofz", (), 9+5j, -0.004586837139418953-0.002776831688012298j),
    ("wofz", (), 9-5j, 0.004586837139418953-0.002776831688012298j),
    ("wofz", (), 900+500j, -4.5191472446491623e-07-2.811906309195452e-07j),
    ("wofz", (), 900-500j, 4.5191472446491623e-07-2.811906309195452e-07j),
    ("wofz", (), 9e7+5e7j, -4.519140487655578e-17-2.81190963676347e-17j),
    ("wofz", (), 9e7-5e7j, 4.519140487655578e-17-2.81190963676347e-17j),
    ("wofz", (), 5+9j, -0.004451790341196515+0.002843453957465382j),
    ("wofz", (), 5-9j, -4.857336930787633e+25-7.113855984370145e+25j),
    ("wofz", (), 500+900j, -4.519133730665504e-07+2.8119129642961345e-07j),
    ("wofz", (), 5e7+9e7j, -4.519140487655577e-17+2.811909636763471e-17j),
    ("wofz", (), 9+8.9j, -0.003521565358177892-6.376691035650166e-06j),
    ("wofz", (), 9-8.9j, 5.886584518777381-6.070016275008948j),
    ("wofz", (), 31+0j, -0.0005880046948504123j),
    ("kve", (1.5,), 150+90j, -0.00018764404730624634+0.0002008286323628481j),
    ("kve", (1.5,), -150+90j, 0.00019176174766150983-0.00018561891880482782j),
    ("kve", (1.5,), 240j, 0.00012066827777012579+0.00011768881412148071j),
    ("hankel1e", (0.25,), -200.0, -0.00013023406515271798-5.4159399227631e-05j),
    ("hankel1e", (0.25,), -200-30j, 0.00013672363297923364+2.3573853379980586e-05j),
    ("hankel1e", (0.25,), -200-1j, 0.0036157305900894727+0.021366476037126887j),
    ("hankel1e", (1.5,), 150+90j, 0.00012169937129676466-0.00012432078075961042j),
    ("hankel2e", (0.25,), -200.0, 0.025488065961507742-0.15760355179578356j),
    ("hankel2e", (0.25,), -200+30j, 0.00013672363297923364-2.3573853379980586e-05j),
    ("hankel2e", (0.25,), -200+1j, 0.0036157305900894727-0.021366476037126887j),
    ("hankel2e", (1.5,), -150-90j, -0.00012432078075961042-0.00012169937129676466j),
    ("ive", (1.5,), 150+90j, -2.8095119952575702e-05+0.029352813288128752j),
    ("ive", (1.5,), -150+90j, -8.017146129203036e-05-0.005913459069889966j),
    ("ive", (1.5,), 5+200j, 6.625115787466251e-05-0.027277018957110606j),
    ("jve", (1.5,), 150+90j, -0.01489271566692857-2.4796369135565637e-06j),
    ("jve", (1.5,), -150-90j, 0.026077421412963535-8.542891912480788e-05j),
    ("jve", (1.5,), 200+5j, -0.024348122287005922+5.842328354196701e-05j),
    ("yve", (1.5,), 150+90j, -0.026077421412963535+8.542891912480788e-05j),
    ("yve", (1.5,), -90-150j, -0.01657412631435015-3.6823534100513724e-05j),
    ("yve", (1.5,), 200-5j, -0.014228644577673167-3.975927675737827e-05j),
    ("kve", (1.5,), 3e6+4e6j, -1.0026490238074138e-11+5.5145846707104236e-11j),
    ("kve", (1.5,), 3e8+4e8j, -1.0026512869919504e-14+5.514582228853423e-14j),
    ("struve", (3,), 1000.0, 84.87779652940951),
    ("struve", (3,), 1000000.0, 84882.63704164438),
    ("struve", (1,), 10000.0, 0.003647095923438113),
    ("struve", (0,), -10000.0, -0.007096349118734028),
    ("betaln", (1.5,), 1e8, -1.49999999625e-08),
    ("betaln", (-3.25,), 10000.0, 0.000325069079770396),
    ("betaln", (3000.0,), 10000.0, -0.2623758032692662),
]  # fmt: skip
MIRRORS: dict[str, tuple[Callable[[Any], Any], int]] = {
    "erfcx": (np.conj, 1),
    "dawsn": (np.conj, 1),
    "wofz": (lambda z: -np.conj(z), -1),
}


def slope(name: str, orders: tuple[float, ...], z: complex) -> Any:
    with np.errstate(all="ignore"):
        return tg.grad(lambda t: np.real(getattr(sp, name)(*orders, t)))(z)


@pytest.mark.parametrize("name", sorted({row[0] for row in ROWS}))
def test_slopes_keep_their_digits_far_out(name: str) -> None:
    compared = 0
    for fn, orders, z, wanted in ROWS:
        if fn != name:
            continue
        pairs = [(z, wanted)]
        if isinstance(z, complex) and name in MIRRORS:
            mirror, sign = MIRRORS[name]
            pairs.append((complex(mirror(z)), sign * np.conj(wanted)))
        for place, expected in pairs:
            found = slope(name, orders, place)
            expected = expected if isinstance(place, complex) else np.real(expected)
            assert abs(found - expected) <= 1e-12 * abs(wanted), (name, orders, place, found)
        if compared < 4:  # those of a replay have the same bits
            compared += 1
            step = tg.replay(lambda t, fn=fn, orders=orders: slope(fn, orders, t))
            steps = [np.array(step(np.array(place))) for place in (z, 0.3 * z, z)]
            assert steps[-1].tobytes() == np.array(slope(fn, orders, z)).tobytes(), (fn, z)


@pytest.mark.parametrize("name", ["erfcx", "dawsn", "wofz"])
def test_no_slope_is_nan_at_the_ends(name: str) -> None:
    for z in (np.inf, 1e200, -1e200 + 0j, 1e200 + 1e190j, 1e190 + 1e200j, 1e160 - 1e160j):
        if np.isfinite(getattr(sp, name)(z)):
            assert np.isfinite(slope(name, (), z)), z


# the second slopes of pseudo_huber(δ, r) and of hypot, with 400 digits (mpmath 1.3)
SECOND = [
    (1e-05, 1e4, (-1.999999997, 1.0, 1.0000000000000002e-27), (0.0001, -1e-13, 1e-22)),
    (1.0, 1e8, (-1.99999997, 0.9999999999999999, 1e-24), (1e-8, -1e-16, 1e-24)),
    (2.0, -1e150, (-2.0, -1.0, 0.0), (1e-150, 2e-300, 0.0)),
    (1e5, 1e-8, (-7.5e-53, 1e-39, 1.0), (1e-31, -1e-18, 1e-5)),
    (3.0, 4.0, (-0.416, 0.512, 0.216), (0.128, -0.096, 0.072)),
]


def test_second_slopes_of_what_has_a_hypotenuse_in_it() -> None:
    for delta, r, *both in SECOND:
        for fn, wanted in zip((sp.pseudo_huber, np.hypot), both, strict=True):
            (first, mixed), (other, second) = tg.hessian(fn, (0, 1))(delta, r)
            found = [first, mixed, other, second]
            np.testing.assert_allclose(found, [*wanted[:2], *wanted[1:]], rtol=2e-15)
    around = tg.hessian(lambda x: np.abs(x + 1e-5j))(1e4)  # √(x² + 1e-10)
    np.testing.assert_allclose(around, 1e-22, rtol=2e-15)
