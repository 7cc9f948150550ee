"""Makes workflow instances with the shapes of real ones: Montage and Epigenomics."""

from typing import Any


def instance(tasks: list[dict[str, Any]], version: str = "1.5") -> dict[str, Any]:
    """Returns an instance; each task has id, reads, writes and seconds, and its parents are found by its files."""
    writer = {file: task["id"] for task in tasks for file in task["writes"]}
    parents = {
        task["id"]: sorted({writer[f] for f in task["reads"] if writer.get(f, task["id"]) != task["id"]})
        for task in tasks
    }
    children: dict[str, list[str]] = {task["id"]: [] for task in tasks}
    for id, named in parents.items():
        for parent in named:
            children[parent].append(id)
    specified = [
        {
            "name": task["id"].split("_")[0], "id": task["id"], "parents": parents[task["id"]],
            "children": children[task["id"]], "inputFiles": task["reads"], "outputFiles": task["writes"],
        }
        for task in tasks
    ]  # fmt: skip
    executed = [{"id": task["id"], "runtimeInSeconds": task["seconds"], "coreCount": 1} for task in tasks]
    return {
        "name": "sample",
        "description": "made for a test",
        "schemaVersion": version,
        "workflow": {
            "specification": {"tasks": specified, "files": [{"id": file, "sizeInBytes": 1} for file in writer]},
            "execution": {"makespanInSeconds": 1, "executedAt": "2024-01-01T00:00:00Z", "tasks": executed},
        },
    }


def task(id: str, reads: list[str], writes: list[str], seconds: float = 1.0) -> dict[str, Any]:
    return {"id": id, "reads": reads, "writes": writes, "seconds": seconds}


def montage(images: int) -> list[dict[str, Any]]:
    """Projects images, fits the overlap of neighbours, corrects the background of each, and adds all up."""
    made = [task(f"mProject_{i}", [f"raw{i}.fits", "region.hdr"], [f"p{i}.fits"], 5) for i in range(images)]
    made += [task(f"mDiffFit_{i}", [f"p{i}.fits", f"p{i + 1}.fits"], [f"fit{i}.txt"], 2) for i in range(images - 1)]
    made.append(task("mConcatFit_0", [f"fit{i}.txt" for i in range(images - 1)], ["fits.tbl"], 3))
    made.append(task("mBgModel_0", ["fits.tbl"], ["corrections.tbl"], 4))
    made += [task(f"mBackground_{i}", [f"p{i}.fits", "corrections.tbl"], [f"c{i}.fits"], 1) for i in range(images)]
    made.append(task("mAdd_0", [f"c{i}.fits" for i in range(images)], ["mosaic.fits"], 6))
    return made


def epigenomics(lanes: int) -> list[dict[str, Any]]:
    """Splits a sequence into lanes, each of which goes through four filters, and merges them."""
    made = [task("fastqSplit_0", ["dna.fastq"], [f"s{i}" for i in range(lanes)], 10)]
    for i in range(lanes):
        row = [f"s{i}", *(f"{step}{i}" for step in ("filter", "sol", "bfq", "map"))]
        made += [task(f"{row[k + 1]}_{k}", [row[k]], [row[k + 1]], k + 1) for k in range(4)]
    made.append(task("mapMerge_0", [f"map{i}" for i in range(lanes)], ["merged"], 7))
    return made
