"""Fetches, cleans and stores in turn; when storing fails, what was reserved is given back.

The shop and its database are local functions and lists that stand in for real ones.

It prints:

    stored 2 rows
    refused: the database is full
    taken back: ['tea', 'cake']
"""

from stretto import SequentialWorkflow, run_sync, step

database: list[str] = []
taken_back: list[str] = []


@step
async def fetch(shop: str) -> list[str]:
    return [" Tea ", "cake"] if shop == "corner" else [" Tea "] * 9


@step
async def clean(rows: list[str]) -> list[str]:
    return [row.strip().lower() for row in rows]


@step
async def give_back(rows: list[str]) -> None:
    taken_back.extend(sorted(set(rows), reverse=True))


@step(undo=give_back)
async def reserve(rows: list[str]) -> list[str]:
    return rows


@step
async def store(rows: list[str]) -> str:
    if len(database) + len(rows) > 2:
        raise OSError("the database is full")
    database.extend(rows)
    return f"stored {len(rows)} rows"


workflow = SequentialWorkflow(name="import", steps=(fetch, clean, reserve, store))
example_input = "corner"


def main() -> None:
    print(run_sync(workflow, "corner"))
    try:
        run_sync(workflow, "corner")
    except OSError as error:  # the error itself, untouched; a note names the path
        print("refused:", error)
    print("taken back:", taken_back)


if __name__ == "__main__":
    main()
