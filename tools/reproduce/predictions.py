# tools/reproduce/predictions.py: what the experiments of all papers share: cached runs, tables, verdicts.
#
#     python3 tools/reproduce/predictions.py             # the claims in README, from results/*.json
#     python3 tools/reproduce/predictions.py --check     # fails unless README says what they say
import collections
import glob
import json
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.environ.get("LIMPID_BUILD", os.path.join(HERE, "../../build"))
LIMPID = os.path.join(BUILD, "limpid")
TESTS = os.path.join(BUILD, "tests/interpret_test")
README = os.path.join(HERE, "../../README.md")


class Bench:
    """Runs limpid commands once and keeps what they print."""

    def __init__(self, out, threads):
        self.out, self.threads = out, threads
        self.commits = set()  # of the programs that made what was used
        os.makedirs(out, exist_ok=True)
        version = subprocess.run([LIMPID, "--version"], stdout=subprocess.PIPE, text=True).stdout
        self.commit = version.split("(")[1].split(",")[0]

    def file(self, name):
        return os.path.join(self.out, name)

    def command(self, arguments):
        print("+ limpid", " ".join(arguments), file=sys.stderr, flush=True)
        threads = ["--threads", str(self.threads)] if self.threads else []
        run = subprocess.run([LIMPID, *arguments, *threads, "--json"], stdout=subprocess.PIPE,
                             text=True)
        if run.returncode != 0:
            sys.exit(f"reproduce: limpid {' '.join(arguments)} failed")
        return json.loads(run.stdout)

    def cached(self, name, arguments):
        """The JSON of a command, from the file of that name if it is there."""
        return self.cached_call(name, lambda: dict(self.command(arguments), arguments=arguments))

    def cached_call(self, name, call):
        path = self.file(name + ".json")
        if os.path.exists(path):
            with open(path) as file:
                result = json.load(file)
                self.commits.add(result["commit"])
                return result
        result = dict(call(), commit=self.commit)
        self.commits.add(self.commit)
        with open(path + ".new", "w") as file:
            json.dump(result, file)
        os.replace(path + ".new", path)
        return result

    def trained(self, name, arguments):
        """A run of `limpid train` in the folder of that name; goes on where it was interrupted."""
        folder = self.file(name)
        resume = ["--resume"] if os.path.exists(folder) else []
        result = self.cached(name + ".train", ["train", *arguments, "--out", folder, *resume])
        result["folder"] = folder
        return result


def parts_named(text, parts):
    """The parts of a comma-separated list, or all."""
    names = list(parts) if text == "all" else text.split(",")
    if not set(names) <= set(parts):
        sys.exit(f"reproduce: the parts are {', '.join(parts)} and all")
    return names


# ---- Statistics over seeds ----

T = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776}  # 97.5 % points of Student's t for so many seeds


def mean(values):
    return sum(values) / len(values)


def slope(x, y):
    """Of the line of least squares."""
    mx, my = mean(x), mean(y)
    return (sum((a - mx) * (b - my) for a, b in zip(x, y))
            / sum((a - mx) ** 2 for a in x))


def ranks(values):
    """0 for the smallest; equal values in their order."""
    order = sorted(range(len(values)), key=values.__getitem__)
    result = [0] * len(values)
    for rank, i in enumerate(order):
        result[i] = rank
    return result


def seed_interval(values):
    """Mean over the seeds and the 95 % interval of Student's t."""
    m = mean(values)
    if len(values) < 2:
        return m, float("-inf"), float("inf")
    deviation = (sum((v - m) ** 2 for v in values) / (len(values) - 1)) ** 0.5
    half = T[len(values)] * deviation / len(values) ** 0.5
    return m, m - half, m + half


def verdict(expected, per_seed):
    """`per_seed`: (difference, low, high) of each seed, paired over images; expected sign 1 or -1."""
    right = sum(expected * d > 0 for d, _, _ in per_seed)
    sure = sum(min(expected * low, expected * high) > 0 for _, low, high in per_seed)
    wrong = sum(max(expected * low, expected * high) < 0 for _, low, high in per_seed)
    if right == len(per_seed) and sure >= 2:
        return "reproduced"
    return "not reproduced" if wrong >= 2 else "under-powered"


def claims(rows):
    """One line per prediction with a verdict: how often which, and a row that stands for it."""
    predictions = {}
    for row in rows:
        if row["verdict"]:
            predictions.setdefault(row["prediction"], []).append(row)
    lines = ["| claim | outcome by setting | one of them |", "|---|---|---|"]
    for prediction, of_it in predictions.items():
        counts = collections.Counter(row["verdict"] for row in of_it)
        outcome = ", ".join(f"{verdict} {n}" if len(of_it) > 1 else verdict
                            for verdict, n in counts.most_common())
        shown = next((row for row in of_it if row["headline"]), of_it[0])
        lines.append(f"| {prediction} | {outcome} | {shown['data']}, {shown['setting']}: "
                     f"{shown['figure']} |")
    return "\n".join(lines) + "\n"


def with_block(text, name, block):
    """The text of README with the block between the marks of that name."""
    begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->\n"
    before, rest = text.split(begin)
    return before + begin + block + end + rest.split(end)[1]


def read(path):
    with open(path) as file:
        return file.read()


def write_block(name, block):
    text = with_block(read(README), name, block)
    with open(README, "w") as file:
        file.write(text)


class Table:
    """One row per prediction and setting; the first `headline` row of a prediction stands for it in
    README."""

    def __init__(self, rows=()):
        self.rows, self.charts = list(rows), []

    def add(self, prediction, data, setting, figure, result, headline=False):
        self.rows.append({"prediction": prediction, "data": data, "setting": setting,
                          "figure": figure, "verdict": result, "headline": headline})

    def add_difference(self, prediction, data, setting, name, expected, per_seed, digits=2,
                       control=None, headline=False):
        m, low, high = seed_interval([d for d, _, _ in per_seed])
        figure = f"{name} {m:+.{digits}f} [{low:+.{digits}f}, {high:+.{digits}f}]"
        result = verdict(expected, per_seed)
        if control is not None:
            figure += f", control {mean(control):+.{digits}f}"
            if result == "reproduced" and expected * (m - mean(control)) <= 0:
                result = "not beyond the control"
        self.add(prediction, data, setting, figure, result, headline)

    def add_chart(self, title, x_title, y_title, caption, series):
        """Of series (name, x, y), for the page of limpid report."""
        self.charts.append({"title": title, "x_title": x_title, "y_title": y_title,
                            "caption": caption,
                            "series": [{"name": name, "x": x, "y": y} for name, x, y in series]})

    def markdown(self):
        columns = ("prediction", "data", "setting", "figure", "verdict")
        lines = ["| " + " | ".join(columns) + " |", "|---" * len(columns) + "|"]
        lines += ["| " + " | ".join(row[c] for c in columns) + " |" for row in self.rows]
        return "\n".join(lines) + "\n"

    def write(self, name, title, note, commits):
        """results/NAME.md for people, results/NAME.json for limpid report, claims into README."""
        folder = os.path.join(HERE, "results")
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, name + ".md"), "w") as file:
            file.write(f"# {title}\n\n{note}\n\n{self.markdown()}")
        charts = {"charts": self.charts} if self.charts else {}
        with open(os.path.join(folder, name + ".json"), "w") as file:
            json.dump({"schema": 1, "command": "reproduce", "title": title, "note": note,
                       "commits": sorted(commits), **charts, "rows": self.rows}, file, indent=1)
        write_block(name, claims(self.rows))
        print(self.markdown())


def main():
    text, is_checking = read(README), sys.argv[1:] == ["--check"]
    for path in sorted(glob.glob(os.path.join(HERE, "results", "*.json"))):
        name = os.path.basename(path)[:-len(".json")]
        table = Table(json.loads(read(path))["rows"])
        text = with_block(text, name, claims(table.rows))
        if is_checking and not read(path[:-len("json")] + "md").endswith(table.markdown()):
            sys.exit(f"results/{name}.md does not say what {name}.json says")
    text = with_block(text, "ranks", read(os.path.join(HERE, "results/ranks.md")))
    if is_checking:
        sys.exit(0 if text == read(README) else "README does not say what results/*.json and ranks.md say")
    with open(README, "w") as file:
        file.write(text)


if __name__ == "__main__":
    main()
