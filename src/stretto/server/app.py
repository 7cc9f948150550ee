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
from stretto.server.metrics import Metrics
from stretto.server.openai_models import openai_error
from stretto.server.problems import install_problems, shape_problems
from stretto.server.routes import (
    ag_ui,
    agents,
    events,
    front,
    health,
    mcp,
    mcp_servers,
    memories,
    models,
    openai,
    prompts,
    providers,
    questions,
    run_pictures,
    run_steering,
    runs,
    session,
    settings,
    tasks,
    transfer,
    validations,
    workflows,
)
from stretto.server.safety import install_safety
from stretto.server.safety_tokens import with_token
from stretto.stores.store import Store

ROUTERS = (
    workflows.router, workflows.queue, events.router, runs.router, run_pictures.router, run_steering.router,
    run_steering.library, agents.router, models.router, providers.router,
    mcp_servers.router, memories.router, prompts.router, settings.router, validations.router, questions.router,
    tasks.router, transfer.router, health.router, session.router, front.router, ag_ui.router, openai.router,
)  # fmt: skip


def create_app(chosen: Settings, store: Store, steps: Mapping[str, Step[Any, Any]] | None = None) -> FastAPI:
    """Returns the application for these settings; it opens and closes everything but the store.

    Raises ``DefinitionError`` for a token or an origin that cannot be.
    """
    chosen = with_token(chosen)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        async with open_house(chosen, store, steps) as house:
            app.state.house = house
            yield

    app = FastAPI(
        title="Stretto", version=version("stretto"), lifespan=lifespan, docs_url=None, redoc_url=None,
        openapi_url=None, redirect_slashes=False,
    )  # fmt: skip
    app.state.draining, app.state.metrics = False, Metrics()
    install_problems(app, token=chosen.server.token is not None)
    shape_problems(app, "/v1/", openai_error)
    install_safety(app, chosen.server)
    for router in ROUTERS:  # to include them would compile every route again, at the first requests of each server
        app.router.routes.extend(router.routes)
    app.include_router(mcp.router)  # it begins and ends with the server
    app.router.routes.append(front.page)
    return app
