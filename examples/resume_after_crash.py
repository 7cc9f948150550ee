"""Kills its own process in the middle of a run, and goes on in another: no finished step runs twice.

It prints:

    process 1 works on chapters 1 and 2, then dies with status 9
    process 2 works on chapters 3 and 4
    result: ['chapter 1', 'chapter 2', 'chapter 3', 'chapter 4']
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from stretto import LoopWorkflow, run_sync, step

DIES_AT = int(os.environ.get("DIES_AT", "0"))


@step(idempotent=True)  # running it twice does no harm, so nobody is asked about the chapter that was under way
def write(number: int) -> str:
    if number == DIES_AT:
        os._exit(9)
    with open(os.environ["WORKED_ON"], "a", encoding="utf-8") as log:
        log.write(f"{number}\n")
    return f"chapter {number}"


workflow = LoopWorkflow(name="book", body=write, over=range(1, 5))


def work() -> None:
    from stretto.stores.sql import SqlStore

    store = SqlStore(os.environ["BOOK"])
    # "sync": a chapter is on disk before the next one begins
    print("result:", run_sync(workflow, store=store, run_id="book", durability="sync"))


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        place, log = Path(folder, "book.db"), Path(folder, "worked_on.txt")
        environment = {**os.environ, "BOOK": str(place), "WORKED_ON": str(log)}
        command = [sys.executable, __file__, "work"]
        first = subprocess.run(command, env={**environment, "DIES_AT": "3"}, check=False)
        chapters = log.read_text().split()
        print(f"process 1 works on chapters {' and '.join(chapters)}, then dies with status {first.returncode}")
        second = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
        print(f"process 2 works on chapters {' and '.join(log.read_text().split()[len(chapters) :])}")
        print(second.stdout, end="")


if __name__ == "__main__":
    work() if "work" in sys.argv else main()
