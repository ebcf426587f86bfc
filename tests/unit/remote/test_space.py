"""How much still fits there: what the programs of different sites say."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from htr_exp.remote.rsync import word
from htr_exp.remote.space import Limit, limits, room, script, too_much

DF = """== df
Filesystem     1024-blocks      Used Available Capacity Mounted on
nfs01:/home    10737418240 999999999 900000000      11% /home
nfs01:/home    100000000 500000  99500000    1% /home
"""
QUOTA = """== quota
Disk quotas for user ada (uid 1000):
     Filesystem   blocks   quota   limit   grace   files   quota   limit   grace
/dev/sda1    1  2  3   1  2  3
nfs01:/home  400000000* 390000000 488281250  6days  250000       0       0
"""
LFS = """== lfs
Disk quotas for usr ada (uid 1000):
     Filesystem  kbytes   quota   limit   grace   files   quota   limit   grace
/lustre/very/long/name/of/it
                 100     0     1100       -     990       0    1000       -
uid 1000 is using default block quota setting
"""


def test_df_says_bytes_and_files() -> None:
    assert limits(DF) == [Limit("df", 900000000 * 1024, 99500000)]


def test_a_quota_counts_where_it_is_of_the_disk_of_the_folder() -> None:
    assert limits(DF + QUOTA)[1] == Limit("quota", (488281250 - 400000000) * 1024, None)


def test_a_long_name_has_a_line_of_its_own_in_lfs() -> None:
    assert limits(LFS) == [Limit("lfs", 1000 * 1024, 10)]


@pytest.mark.parametrize(
    ("said", "free"),
    [
        ("Home: 12.5 GB of 500 GB (2 %)", 487.5e9),
        ("Home : 12,5 Go / 500 Go", 487.5e9),
        ("/home  499.5/500G", 0.5e9),
        ("used 600 GB of 500 GB", 0),
    ],
)
def test_diskquota_is_read_in_its_usual_forms(said: str, free: float) -> None:
    assert limits(f"== diskquota\n{said}\n") == [Limit("diskquota", int(free))]


@pytest.mark.parametrize("program", ["df", "quota", "lfs", "diskquota"])
def test_what_cannot_be_read_is_unknown_in_its_own_words(program: str) -> None:
    assert limits(f"== {program}\nsomething \x1b[2J new\n") == [Limit(program, unread="something \\u001b[2J new")]
    assert f"{program} says: something" in room(limits(f"== {program}\nsomething new\n"))


def test_no_quota_at_all_is_no_limit() -> None:
    found = limits(DF + "== quota\nDisk quotas for user ada (uid 1000): none\n")
    assert found == limits(DF)
    assert room(found) == "room there: 922 GB (says df); a quota is not known"
    assert room([]) == "room there: unknown; a quota is not known"


def test_what_does_not_fit_is_said_of_each_limit() -> None:
    found = limits(DF + LFS)
    assert too_much(found, 1000, 10) == []
    assert too_much(found, 2 * 10**6, 11) == [
        "2.0 MB are to be sent, and the quota there (lfs) has room for 1.0 MB",
        "11 files are to be sent, and the quota there (lfs) has room for 10",
    ]


def test_the_script_asks_the_disk_of_a_folder_that_is_not_made_yet(tmp_path: Path) -> None:
    said = subprocess.run(
        ["sh", "-c", script(word(f"{tmp_path}/not/yet made"))], capture_output=True, text=True, check=True
    )
    assert next(one for one in limits(said.stdout) if one.program == "df").free
