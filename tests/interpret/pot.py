# tests/interpret/pot.py: answers of POT, Python Optimal Transport, for pot_test.cpp.
#
#   pot.py > tests/data/pot.json
#
# Needs POT and NumPy; the tests need only the file. What POT returns: wasserstein_1d the p-th power
# of W_p, sliced_wasserstein_distance SW_2 itself, sinkhorn2 <pi, C> without the entropic term,
# gromov_wasserstein2 the sum of squares.
import json

import numpy
import ot

rng = numpy.random.default_rng(0)
TIGHT = {"numItermax": 10**4, "stopThr": 1e-13, "stopThr2": 1e-13}  # of conditional gradient


def rounded(values):
    return numpy.round(values, 3)


def masses(n):
    values = numpy.round(rng.random(n) + 0.1, 3)
    return values / values.sum()


def cloud(n, d, shift=0.0, scale=1.0):
    return rounded(shift + scale * rng.normal(size=(n, d)))


def line(n, m, weighted):
    x, y = cloud(n, 1)[:, 0], cloud(m, 1, 0.5, 2)[:, 0]
    a, b = (masses(n), masses(m)) if weighted else (None, None)
    result = {"x": x.tolist(), "y": y.tolist(),
              "w1": float(ot.wasserstein_1d(x, y, a, b, p=1)),
              "w2_squared": float(ot.wasserstein_1d(x, y, a, b, p=2))}
    if weighted:
        result.update(a=a.tolist(), b=b.tolist())
    return result


def sliced(n, m, d, projections, weighted):
    X, Y = cloud(n, d), cloud(m, d, 0.3, 1.5)
    a, b = (masses(n), masses(m)) if weighted else (ot.unif(n), ot.unif(m))
    theta = rng.normal(size=(d, projections))
    theta /= numpy.linalg.norm(theta, axis=0)
    sw = ot.sliced_wasserstein_distance(X, Y, a, b, n_projections=projections, projections=theta)
    return {"X": X.tolist(), "Y": Y.tolist(), "a": a.tolist(), "b": b.tolist(),
            "directions": theta.tolist(), "sw2": float(sw)}


def sinkhorn(n, m, share):
    X, Y, a, b = cloud(n, 3), cloud(m, 3, 0.5), masses(n), masses(m)
    C = ot.dist(X, Y)
    epsilon = float(share * C.mean())
    transport = ot.sinkhorn2(a, b, C, epsilon, method="sinkhorn_log", numItermax=10**5,
                             stopThr=1e-10)
    return {"X": X.tolist(), "Y": Y.tolist(), "a": a.tolist(), "b": b.tolist(),
            "epsilon": epsilon, "transport": float(transport)}


def gromov_of_masses(n, m):
    X, Y, p, q = cloud(n, 2), cloud(m, 3), masses(n), masses(m)
    C, D = ot.dist(X, X, metric="euclidean"), ot.dist(Y, Y, metric="euclidean")
    product = ot.gromov.gromov_wasserstein2(C, D, p, q, loss_fun="square_loss", **TIGHT)
    return {"X": X.tolist(), "Y": Y.tolist(), "p": p.tolist(), "q": q.tolist(),
            "from_product": float(product)}


def gromov(n, d, e):
    X, Y, p = cloud(n, d), cloud(n, e), ot.unif(n)
    C, D = ot.dist(X, X, metric="euclidean"), ot.dist(Y, Y, metric="euclidean")
    product = ot.gromov.gromov_wasserstein2(C, D, p, p, loss_fun="square_loss", **TIGHT)
    identity = ot.gromov.gromov_wasserstein2(C, D, p, p, loss_fun="square_loss",
                                             G0=numpy.diag(p), **TIGHT)
    epsilon = 0.5
    entropic = ot.gromov.entropic_gromov_wasserstein2(C, D, p, p, "square_loss", epsilon, tol=1e-10)
    return {"X": X.tolist(), "Y": Y.tolist(), "from_product": float(product),
            "from_identity": float(identity), "epsilon": epsilon, "entropic": float(entropic)}


problems = {
    "line": [line(12, 12, False), line(7, 15, False), line(9, 6, True)],
    "sliced": [sliced(20, 20, 4, 8, False), sliced(15, 9, 3, 6, True)],
    "sinkhorn": [sinkhorn(15, 20, 0.5), sinkhorn(20, 15, 0.1), sinkhorn(20, 20, 0.03)],
    "gromov": [gromov(10, 2, 3), gromov(16, 3, 2), gromov(20, 2, 5)],
    "gromov_of_masses": [gromov_of_masses(8, 12), gromov_of_masses(15, 11)]}
print(f'{{"made_with": "POT {ot.__version__}, NumPy {numpy.__version__}"')
for name, group in problems.items():  # one line per problem
    print(f', "{name}": [\n' + ",\n".join(json.dumps(problem) for problem in group) + "]")
print("}")
