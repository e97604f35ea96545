# tests/interpret/pot_exact.py: exact transport by POT (Python Optimal Transport), for pot_exact_test.cpp.
#
#   pot_exact.py > tests/data/pot_exact.json
#
# Points and masses come from a generator that the test has as well, so only sizes, seeds and costs
# are stored. Needs POT and NumPy; the tests need only the file.
import json

import numpy
import ot

KINDS = ("equal", "unequal", "masses", "counts", "line")
PROBLEMS = 100


class Lcg:
    """x <- a x + c modulo 2^64 (Knuth's MMIX); a value in [0, 1) from its upper 53 bits."""

    def __init__(self, seed):
        self.state = seed

    def values(self, *shape):
        out = numpy.empty(numpy.prod(shape))
        for k in range(out.size):
            self.state = (self.state * 6364136223846793005 + 1442695040888963407) % 2**64
            out[k] = (self.state >> 11) / 2**53
        return out.reshape(shape)


def problem(seed):
    """Sizes, points and masses of a problem; the test says the same in C++."""
    lcg = Lcg(seed)
    kind = KINDS[seed % len(KINDS)]
    n, m = (1 + numpy.floor(400 * lcg.values(2) ** 2)).astype(int)
    d = 1 if kind == "line" else 1 + int(8 * lcg.values(1)[0])
    if kind == "equal":
        m = n
    X, Y = lcg.values(n, d), lcg.values(m, d) + 0.25
    a, b = numpy.ones(n), numpy.ones(m)
    if kind in ("masses", "line"):
        a, b = lcg.values(n), lcg.values(m)
    if kind == "counts":  # points of a grid, whole masses, zeros among them
        X, Y = numpy.floor(4 * X), numpy.floor(4 * Y)
        a, b = (1.0 + (numpy.arange(k) + seed) % 3 for k in (n, m))
        a[1::4] = 0
    return kind, X, Y, a / a.sum(), b / b.sum()


rows = []
for seed in range(PROBLEMS):
    kind, X, Y, a, b = problem(seed)
    C = ((X[:, None] - Y[None]) ** 2).sum(2)
    row = {"seed": seed, "kind": kind, "n": len(a), "m": len(b), "d": X.shape[1],
           "emd2": ot.emd2(a, b, C, numItermax=10**7)}
    if kind == "line":
        row["wasserstein_1d"] = float(numpy.ravel(ot.wasserstein_1d(X[:, 0], Y[:, 0], a, b, p=2))[0])
    rows.append(json.dumps(row))
print(f'{{"made_with": "POT {ot.__version__}, NumPy {numpy.__version__}", "problems": [\n'
      + ",\n".join(rows) + "]}")
