# tools/reproduce/arguments.py: what the scripts with several parts take from their command line.
import argparse


def read_arguments(description, name, parts, more={}, has_table=True):
    """`more`: default and help by option, beside those that all have."""
    p = argparse.ArgumentParser(description=description)
    p.add_argument("--part", default="all", help="some of " + ", ".join(parts) + ", with commas")
    if has_table:
        p.add_argument("--table", action="store_true", help="only write the table of these parts")
    p.add_argument("--out", default="reproduction/" + name, help="folder of runs and results")
    for option, (default, text) in more.items():
        p.add_argument("--" + option, default=default, type=type(default), help=text)
    p.add_argument("--threads", type=int, default=0, help="of each run; the results are the same")
    return p.parse_args()
