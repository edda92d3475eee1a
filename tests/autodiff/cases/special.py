"""SciPy's special functions."""

import numpy as np

from .case import HAS_SCIPY, Const, bools, complex_, empty, positive, real, row, scalar, unit

for fn in (np.logaddexp, np.logaddexp2):
    row(fn, np.array([0.3, -1.0]), np.array([0.3, 2.0]))

if HAS_SCIPY:
    from scipy import special as sp

    from tinygrad_np import special
    from tinygrad_np.autodiff.rules import distributions as densities
    from tinygrad_np.autodiff.rules import log_sums, of_scipy
    from tinygrad_np.autodiff.rules import special as rules

    of_scipy(sp.ndtr)  # fills the table

    low = positive(2, 3) * 0.4  # between 0.17 and 0.75
    other = positive(3, seed=1)
    counts = np.array([2, 1, 3])
    degrees = real(2, 3) * 40

    for fn in (sp.gamma, sp.rgamma, sp.loggamma, sp.psi, sp.gammaln):
        row(fn, positive(2, 3))
        row(fn, scalar)
        row(fn, empty)
    for fn in (sp.gamma, sp.psi, sp.rgamma):
        row(fn, real(2, 3) - 1.1)
    for fn in (sp.gamma, sp.loggamma, sp.rgamma):
        row(fn, complex_(3), _order=1)  # SciPy has no complex trigamma
    row(sp.rgamma, np.array([0.0, -1.0, -3.0]))
    row(sp.gammasgn, real(2, 3))
    row(rules.hidden._zeta, 2, positive(2, 3))
    row(rules.hidden._zeta, 3.5, positive(3))
    row(sp.zeta, 4, positive(2, 3))
    for fn in (sp.poch, sp.beta, sp.betaln):
        row(fn, positive(2, 3), other)
        row(fn, 1.5, positive(3))
    row(sp.binom, 2 + positive(2, 3), other)
    row(sp.binom, 5, low)
    for fn in (sp.gammainc, sp.gammaincc):
        row(fn, counts, positive(2, 3))
        row(fn, 2, positive(2, 3))
    for fn in (sp.gammaincinv, sp.gammainccinv):
        row(fn, counts, low)
    for fn in (sp.betainc, sp.betaincc, sp.betaincinv, sp.betainccinv):
        row(fn, counts, 1.5, low)

    for fn in (sp.erf, sp.erfc, sp.erfi, sp.erfcx, sp.dawsn, sp.ndtr, sp.log_ndtr, sp.expit,
               sp.log_expit, sp.cosm1, sp.exprel, sp.exp2, sp.exp10, sp.expm1, sp.cbrt, sp.i0,
               sp.i0e, sp.i1, sp.i1e, sp.j0, sp.j1, sp.ber, sp.bei, sp.berp, sp.beip, sp.shichi,
               sp.sici, sp.fresnel, sp.airy, sp.itstruve0, sp.it2struve0,
               sp.itmodstruve0, sp.wrightomega):  # fmt: skip
        row(fn, positive(2, 3) if fn in (sp.it2struve0, sp.shichi, sp.sici) else real(2, 3))
        row(fn, scalar)
    for fn in (sp.erf, sp.erfc, sp.erfcx, sp.erfi, sp.dawsn, sp.wofz):
        row(fn, complex_(3) * 0.5)
    for fn in (sp.erfcx, sp.dawsn):
        row(fn, np.array([0.0, 29.0, 31.0, 300.0]))
    row(sp.log_ndtr, np.array([-40.0, -5.0, 5.0, 40.0]))
    row(sp.exprel, np.array([0.0, 1e-9, -0.99, 1.01, 8.0, -20.0]))
    for fn in (sp.erfinv, sp.round):
        row(fn, unit(2, 3))
    for fn in (sp.erfcinv, sp.ndtri, sp.logit, sp.entr, sp.ellipkm1):
        row(fn, low)
    row(sp.ndtri_exp, -positive(2, 3))
    row(sp.ndtri_exp, np.array([-30.0, -3.0, -0.1]))
    row(sp.owens_t, real(2, 3), other)
    row(sp.voigt_profile, real(2, 3), other, positive(3, seed=2))
    for fn in (sp.xlogy, sp.xlog1py, sp.rel_entr, sp.kl_div, sp.boxcox, sp.boxcox1p, sp.powm1):
        row(fn, positive(2, 3), other)
        row(fn, positive(2, 1), 0.3)
    row(sp.xlogy, np.array([0.0, 1.0]), np.array([2.0, 3.0]))
    for fn in (sp.inv_boxcox, sp.inv_boxcox1p):
        row(fn, low, other)
        row(fn, low, np.array([0.0, 1e-6, -0.3]))
    for fn in (sp.boxcox, sp.boxcox1p):
        row(fn, positive(2, 3), np.array([0.0, 1e-6, -0.3]))
    for fn in (sp.huber, sp.pseudo_huber):
        row(fn, positive(2, 1), real(2, 3, seed=1) * 1.5)
    row(sp.tklmbda, unit(2, 3), 0.3)
    row(sp.tklmbda, unit(2, 3), -0.5)
    row(sp.tklmbda, np.array([-0.9, 0.2]), 1.5, _order=1)
    row(sp.log1p, positive(2, 3))
    for fn in (sp.sindg, sp.cosdg, sp.tandg, sp.cotdg):
        row(fn, degrees)

    for fn in (sp.k0, sp.k0e, sp.k1, sp.k1e, sp.y0, sp.y1, sp.ker, sp.kei, sp.kerp, sp.keip,
               sp.exp1, sp.expi, sp.spence, sp.iti0k0, sp.itj0y0):  # fmt: skip
        row(fn, positive(2, 3))
    row(sp.spence, np.array([0.985, 1.0, 1.015, 1.025]))
    for fn in (sp.jv, sp.yv, sp.iv, sp.kv, sp.jve, sp.yve, sp.ive, sp.kve, sp.hankel1, sp.hankel2,
               sp.hankel1e, sp.hankel2e):  # fmt: skip
        row(fn, 1.5, positive(2, 3))
        row(fn, np.array([0, 1, 2]), positive(2, 3))
        row(fn, 1, complex_(3))
    for fn in (sp.struve, sp.modstruve):
        row(fn, 1.5, positive(2, 3))
    for fn in (sp.kn, sp.yn, sp.expn):
        row(fn, 2, positive(2, 3))
        row(fn, np.array([2, 0, 3]), positive(2, 3))
    row(sp.lambertw, positive(2, 3), _reference=sp.lambertw)
    row(rules.hidden._lambertw, positive(2, 3) + 0j, 0, 1e-8)
    for fn in (sp.ellipk, sp.ellipe):
        row(fn, low)
        row(fn, np.array([-2.0, 0.0, 0.9]))
    for fn in (sp.ellipkinc, sp.ellipeinc):
        row(fn, real(2, 3), 0.4)
        row(fn, 4.0, np.array([-2.0, 0.0, 0.9]))
        row(fn, real(2, 3), low)
    row(sp.ellipj, real(2, 3), 0.4)
    for name in ("wright_bessel", "log_wright_bessel"):
        if hasattr(sp, name):
            row(getattr(sp, name), 0.5, 1.3, positive(2, 3))
    row(sp.hyp0f1, 1.5, real(2, 3))
    row(sp.hyp1f1, 0.7, 1.5, real(2, 3))
    row(sp.hyp2f1, 0.7, 0.4, 1.5, unit(2, 3))
    row(sp.hyperu, 0.7, 1.5, positive(2, 3))
    for fn in (sp.eval_legendre, sp.eval_sh_legendre, sp.eval_chebyt, sp.eval_sh_chebyt,
               sp.eval_chebyc, sp.eval_chebyu, sp.eval_sh_chebyu, sp.eval_chebys, sp.eval_hermite,
               sp.eval_hermitenorm, sp.eval_laguerre):  # fmt: skip
        for degree in (0, 1, 4, np.array([3, 0, 1])):
            row(fn, degree, low)
    for fn in (sp.eval_gegenbauer, sp.eval_genlaguerre):
        row(fn, 3, 1.3, low)
        row(fn, 0, 1.3, low)
    for fn in (sp.eval_jacobi, sp.eval_sh_jacobi):
        row(fn, 3, 2.3, 1.2, low)
        row(fn, 0, 2.3, 1.2, low)
    row(sp.lpmv, 1, 3.0, low)

    for fn in (sp.pdtr, sp.pdtrc, sp.chdtr, sp.chdtrc, sp.stdtr):
        row(fn, 3.0, positive(2, 3))
    for fn in (sp.pdtri, sp.chdtri, sp.stdtrit):
        row(fn, 3.0, low)
    for fn in (sp.gdtr, sp.gdtrc):
        row(fn, positive(2, 3), 1.5, other)
    row(sp.gdtria, low, 1.5, other)
    row(sp.gdtrix, other, 1.5, low)
    for fn in (sp.fdtr, sp.fdtrc):
        row(fn, 3.0, 4.0, positive(2, 3))
    row(sp.fdtri, 3.0, 4.0, low)
    for fn in (sp.bdtr, sp.bdtrc, sp.bdtri, sp.nbdtr, sp.nbdtrc, sp.nbdtri):
        row(fn, 2, np.array(5), low)
    row(rules.gauss, real(2, 3))
    row(rules.gauss, complex_(3))
    for fn in (rules.pseudo_huber_by_delta, rules.pseudo_huber_by_r):
        row(fn, positive(2, 1), real(2, 3, seed=1) * 1.5)
    row(densities.weighed, positive(3), 1.7, np.array(0.3), np.array(-2.5), -0.6, scalar)
    # what it says of y holds for an x that y moves
    row(densities.inverse_slope, scalar, positive(3), 1.7, 0.3, -2.5, -0.6, 0.4, _order=0)
    row(densities.weighed, low, positive(2, 3), 0, 0, np.array(-0.7), 0.4)
    row(sp.nrdtrimn, low, other, real(3, seed=2))
    row(sp.nrdtrisd, real(3, seed=2), low * 0.4, other + 3)

    weights = real(2, 3, seed=1)
    for options in ({}, {"axis": 0}, {"axis": -1, "keepdims": True}, {"axis": (0, 1)}):
        row(special.logsumexp, real(2, 3), **options, _reference=sp.logsumexp)
        row(special.logsumexp, real(2, 3), **options, b=weights, return_sign=True,
            _reference=sp.logsumexp)  # fmt: skip
    row(special.logsumexp, real(2, 3), axis=1, b=positive(3), _reference=sp.logsumexp)
    row(special.logsumexp, real(3), b=Const(bools(3) * 1.0), _reference=sp.logsumexp)
    row(special.logsumexp, real(3), b=np.array([0.0, 0.7, 1.2]), _reference=sp.logsumexp)
    row(special.logsumexp, np.array([0.0, 0.0]), b=np.array([0.5, 0.5]), _reference=sp.logsumexp)
    row(special.logsumexp, scalar, _reference=sp.logsumexp)
    row(sp.log_ndtr, np.array([0.0, 0.4]))
    row(special.logsumexp, complex_(2, 3), axis=1, _reference=sp.logsumexp)
    row(special.logsumexp, complex_(2, 3), axis=1, return_sign=True, _reference=sp.logsumexp)
    row(log_sums.log_of_sum, real(2, 3), weights, (0,), True)
    for power, root in ((2, 1), (2, 3), (4, 5)):
        row(rules.elliptic, real(2, 3), positive(2, 3) / 4, power, root)
    for ours, theirs in ((special.softmax, sp.softmax), (special.log_softmax, sp.log_softmax)):
        for options in ({}, {"axis": 0}, {"axis": (0, 1)}):
            row(ours, real(2, 3), **options, _reference=theirs)
    for n in (0, 1, 3, np.array([0, 1, 2])):
        row(special.polygamma, n, positive(2, 3), _reference=sp.polygamma)
    row(special.multigammaln, 2 + positive(2, 3), 3, _reference=sp.multigammaln)
    for options in ({}, {"repetition": True}):
        row(special.comb, 3 + positive(2, 3), other, **options, _reference=sp.comb)
    row(special.perm, 3 + positive(2, 3), other, _reference=sp.perm)
    row(special.factorial, positive(2, 3), _reference=sp.factorial)
