"""The server that the benchmark of serving measures, in a process that imports nothing else."""

from __future__ import annotations

import sys

import uvicorn

from stretto.configuring.settings import Settings
from stretto.server.app import create_app
from stretto.stores.sql import SqlStore


def main(place: str, provider_url: str, port: int) -> None:
    """Serves a database with one agent, whose model is the provider on loopback."""
    chosen = Settings.model_validate(
        {
            "agents": {"helper": {"id": "helper", "name": "helper", "llm": {"model": "own:one"}}},
            "providers": {"own": {"base_url": f"{provider_url}/v1"}},
            "server": {"max_concurrent_workflows": 1000, "requests_per_minute": 1_000_000},
        }
    )
    app = create_app(chosen, SqlStore(place))
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
