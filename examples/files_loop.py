"""Works on four files one after another, then the same body on all of them at once.

It prints:

    january c3d7d6df
    february 406a3315
    march 31aad3c6
    april 3c706259
    the same at once: True
"""

import hashlib

from stretto import LoopWorkflow, MapReduceWorkflow, SequentialWorkflow, run_sync, step

FILES = [f"report_{month}.csv" for month in ("january", "february", "march", "april")]


@step
async def month(file: str) -> tuple[str, str]:
    return file.removeprefix("report_").removesuffix(".csv"), file


@step
async def digest(month_and_file: tuple[str, str]) -> dict[str, str]:
    name, file = month_and_file
    return {"month": name, "hash": hashlib.md5(file.encode(), usedforsecurity=False).hexdigest()[:8]}


body = SequentialWorkflow(name="file", steps=(month, digest))
workflow = LoopWorkflow(name="files", body=body, over=FILES)
at_once = MapReduceWorkflow(name="files", map=body)


def main() -> None:
    rows = run_sync(workflow)
    for row in rows:
        print(row["month"], row["hash"])
    print("the same at once:", run_sync(at_once, FILES) == rows)


if __name__ == "__main__":
    main()
