"""The HTTP application: operations, problems, and the house that lives as long as it does."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI

from stretto.configuring.settings import Settings
from stretto.core.step import Step
from stretto.server.house import open_house
from stretto.server.problems import install_problems
from stretto.server.routes import (
    ag_ui,
    agents,
    events,
    health,
    mcp_servers,
    memories,
    models,
    openai,
    prompts,
    providers,
    questions,
    runs,
    settings,
    tasks,
    transfer,
    validations,
    workflows,
)
from stretto.stores.store import Store

ROUTERS = (
    workflows.router, workflows.queue, events.router, runs.router, agents.router, models.router, providers.router,
    mcp_servers.router, memories.router, prompts.router, settings.router, validations.router, questions.router,
    tasks.router, transfer.router, health.router, ag_ui.router, openai.router,
)  # fmt: skip


def create_app(chosen: Settings, store: Store, steps: Mapping[str, Step[Any, Any]] | None = None) -> FastAPI:
    """Returns the application for these settings; it opens and closes everything but the store."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        async with open_house(chosen, store, steps) as house:
            app.state.house = house
            yield

    app = FastAPI(
        title="Stretto", version=version("stretto"), lifespan=lifespan, docs_url="/docs", redoc_url=None,
        openapi_url="/openapi.json",
    )  # fmt: skip
    install_problems(app)
    for router in ROUTERS:
        app.include_router(router)
    return app
