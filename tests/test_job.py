from __future__ import annotations

from conftest import *

def test_x(htr_exp, scenario):
    done = htr_exp.train("--json")
    print(done)
    print(scenario.calls())
    assert done.code == 0
