// Fills the index: the server's state, the last workflows, and the form for the token where one is needed.
const place = (id) => document.getElementById(id);

async function ask(path, options = {}) {
  const answer = await fetch(path, { headers: { "content-type": "application/json" }, ...options });
  const body = answer.status === 204 ? null : await answer.json();
  return { status: answer.status, body };
}

function show(name) {
  place("state").textContent = name.replace("_", " ");
  place("state").dataset.state = name;
}

function row(workflow) {
  const made = document.createElement("tr");
  const link = document.createElement("a");
  link.href = `/api/workflows/${encodeURIComponent(workflow.id)}/state`;
  link.textContent = workflow.name;
  const state = document.createElement("span");
  state.className = "state";
  state.dataset.state = state.textContent = workflow.status;
  const seconds = workflow.updated_at;
  const changed = new Date(typeof seconds === "number" ? seconds * 1000 : seconds).toLocaleString();
  for (const held of [link, workflow.agent_id, state, changed]) {
    made.insertCell().append(held);
  }
  return made;
}

async function load() {
  const session = await ask("/api/session");
  place("entry").hidden = session.body.open;
  if (!session.body.open) {
    show("locked");
    place("token").focus();
    return;
  }
  show((await ask("/readyz")).body.status);
  const found = await ask("/api/workflows?limit=10");
  if (found.status !== 200) {
    return;
  }
  const items = Array.isArray(found.body) ? found.body : found.body.items;
  place("rows").replaceChildren(...items.map(row));
  place("none").hidden = items.length > 0;
  place("workflows").hidden = false;
}

place("token-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const answer = await ask("/api/session", { method: "POST", body: JSON.stringify({ token: place("token").value }) });
  place("entry-problem").textContent = answer.status === 204 ? "" : answer.body.detail;
  place("token").value = "";
  if (answer.status === 204) {
    await load();
  }
});

load().catch(() => show("not_ready"));
