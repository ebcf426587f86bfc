"""CPU time of comparing 20 runs over 100 pages, each pair with its interval and tests, beside scipy's paired t-test of the same pairs."""

from __future__ import annotations

import itertools
import json
import random
import time

from scipy.stats import ttest_rel

from htr_exp.scoring.intervals import Count, holm, of_difference

RUNS, PAGES = 20, 100
LIMIT_CPU_S = 2


def main() -> None:
    source = random.Random(0)
    characters = [source.randint(600, 1400) for _ in range(PAGES)]
    runs = [[Count(round(of * source.gauss(0.08, 0.02)), of) for of in characters] for _ in range(RUNS)]
    begin = time.process_time()
    found = [of_difference(one, two) for one, two in itertools.combinations(runs, 2)]
    holm([one.p for one in found if one])
    ours = time.process_time() - begin
    rates = [[count.errors / count.units for count in run] for run in runs]
    begin = time.process_time()
    for one, two in itertools.combinations(rates, 2):
        ttest_rel(one, two).confidence_interval(0.95)
    peer = time.process_time() - begin
    result = {
        "name": f"all pairs of {RUNS} runs over {PAGES} pages",
        "ours_cpu_s": round(ours, 3),
        "limit_cpu_s": LIMIT_CPU_S,
        "peer": "scipy.stats.ttest_rel with its interval: no sizes of pages, no sign flips",
        "peer_cpu_s": round(peer, 3),
        "ratio": round(ours / peer, 1),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
