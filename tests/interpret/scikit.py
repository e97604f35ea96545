# tests/interpret/scikit.py: answers of scikit-learn and SciPy to small problems, for scikit_test.cpp.
#
#   scikit.py > tests/data/scikit.json
#
# Needs scikit-learn, SciPy and NumPy; the tests need only the file.
import json

import numpy
import scipy
import sklearn
from scipy import stats
from sklearn.decomposition import NMF
from sklearn.linear_model import Lasso

rng = numpy.random.default_rng(0)


def rounded(values):
    return numpy.round(values, 3)


def lasso(n, m, alpha, positive, depends=False):
    """min |y - X w|^2 / (2 n) + alpha |w|_1, w >= 0 if `positive`."""
    X, true = rng.random((n, m)), rng.normal(size=m) * (rng.random(m) < 0.4)
    if depends:  # rows add up to 1, as shares of energy do; here columns nearly agree as well
        X[:, 1] = X[:, 0] + 0.05 * rng.random(n)
        X /= X.sum(1, keepdims=True)
    X = rounded(X)
    y = rounded(X @ (abs(true) if positive else true) + 0.1 * rng.normal(size=n))
    model = Lasso(alpha=alpha, positive=positive, fit_intercept=False, tol=1e-15, max_iter=10**7)
    w = model.fit(X, y).coef_
    return {"X": X.tolist(), "y": y.tolist(), "alpha": alpha, "positive": positive, "w": w.tolist()}


def factors(n, C, k, rank):
    """The least |A - S V| / |A| that its solvers find from six starts."""
    A = rounded(rng.random((n, rank)) @ rng.random((rank, C)) + 0.2 * rng.random((n, C)))
    errors = []
    for init, seed in [("nndsvda", 0)] + [("random", s) for s in range(5)]:
        model = NMF(k, init=init, random_state=seed, tol=1e-12, max_iter=50000)
        model.fit(A)
        errors.append(model.reconstruction_err_ / numpy.linalg.norm(A))
    return {"A": A.tolist(), "k": k, "best": min(errors), "nndsvda": errors[0]}


def ranks(a, b):
    return {"a": a.tolist(), "b": b.tolist(), "spearman": stats.spearmanr(a, b).statistic,
            "kendall": stats.kendalltau(a, b).statistic, "pearson": stats.pearsonr(a, b).statistic}


def rank_problems():
    for n, ties in ((5, True), (12, True), (40, True), (15, False)):
        a = rng.normal(size=n)
        b = a + rng.normal(size=n)
        if ties:  # most weights of units are 0
            a, b = (numpy.maximum(numpy.round(v, 0), 0) for v in (a, b))
        yield ranks(rounded(a), rounded(b))


problems = {
    "lasso": [lasso(30, 8, 0.01, True), lasso(30, 8, 0.05, True), lasso(25, 10, 0.02, False),
              lasso(40, 6, 0.002, True, depends=True)],
    "nmf": [factors(20, 8, 3, 3), factors(15, 10, 2, 4), factors(30, 6, 4, 5)],
    "ranks": list(rank_problems())}
print(f'{{"made_with": "scikit-learn {sklearn.__version__}, SciPy {scipy.__version__}"')
for name, group in problems.items():  # one line per problem
    print(f', "{name}": [\n' + ",\n".join(json.dumps(problem) for problem in group) + "]")
print("}")
