"""Google ADK: a workflow whose node runs as a parallel worker over a list, in memory."""

import uuid
from collections.abc import Sequence

from google.adk.runners import InMemoryRunner
from google.adk.workflow import Workflow, node
from google.genai import types
from rounds import ITEMS, main


async def items(node_input: types.Content) -> list[int]:
    return list(range(ITEMS))


@node(parallel_worker=True)
async def work(node_input: int) -> int:
    return node_input + 1


made: list[int] = []


async def collect(node_input: list[int]) -> int:
    made[:] = node_input
    return len(node_input)


flow = Workflow(name="fan_out", edges=[("START", items, work, collect)])
runner = InMemoryRunner(node=flow, app_name="fan_out")


async def fan_out() -> Sequence[int]:
    made.clear()
    session = await runner.session_service.create_session(app_name="fan_out", user_id="u", session_id=uuid.uuid4().hex)
    message = types.Content(role="user", parts=[types.Part(text="go")])
    async for _ in runner.run_async(user_id="u", session_id=session.id, new_message=message):
        pass
    return made


if __name__ == "__main__":
    main("google-adk", fan_out)
