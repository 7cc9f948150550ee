"""What the server tells while it happens, in real tabs: one connection for all of them, and on after every break."""

import time

from playwright.sync_api import expect

from tests.page.served import SteppedModel

WAIT = 25.0


def watching(server, count):
    """Waits until so many streams are open on the server."""
    hub, until = server.background.house.hub, time.monotonic() + WAIT
    while hub.watching != count:
        assert time.monotonic() < until, f"{hub.watching} streams are open, not {count}"
        time.sleep(0.02)
    return True


def test_all_tabs_share_one_connection_which_ends_with_the_last_of_them(page_server, open_page):
    first = open_page(page_server.url)
    expect(first.get_by_text("Live", exact=True).first).to_be_visible()
    tabs = [open_page(page_server.url, context=first.context) for _ in range(19)]
    expect(tabs[-1].get_by_text("Live", exact=True).first).to_be_visible()
    assert watching(page_server, 1)
    page_server.create("Told to the last tab")
    expect(tabs[-1].get_by_text("Told to the last tab").first).to_be_visible()
    first.close()
    page_server.create("Told after the first has gone")
    expect(tabs[0].get_by_text("Told after the first has gone").first).to_be_visible()
    for tab in tabs:
        tab.close()
    assert watching(page_server, 0)


def test_what_another_tab_does_with_workflows_is_seen_here(page_server, open_page):
    page = open_page(page_server.url)
    id = page_server.create("Begun elsewhere")
    expect(page.get_by_text("Begun elsewhere").first).to_be_visible()
    page_server.client.patch(f"/api/workflows/{id}", json={"name": "Named anew"})
    expect(page.get_by_text("Named anew").first).to_be_visible()
    page_server.client.delete(f"/api/workflows/{id}")
    expect(page.get_by_text("Named anew")).to_have_count(0)


def test_a_restarted_server_is_found_again_and_what_was_missed_is_shown(page_server, open_page, allowed):
    allowed += [
        "ERR_CONNECTION_REFUSED",
        "ERR_INCOMPLETE_CHUNKED_ENCODING",
        "ERR_CONNECTION_RESET",
        "ERR_EMPTY_RESPONSE",
    ]
    page = open_page(page_server.url)
    expect(page.get_by_text("Live", exact=True).first).to_be_visible()
    page_server.stop()
    expect(page.get_by_text("Live", exact=True)).to_have_count(0)
    page_server.start()
    page_server.create("Made while nobody looked")
    expect(page.get_by_text("Made while nobody looked").first).to_be_visible()
    expect(page.get_by_text("Live", exact=True).first).to_be_visible()


def test_an_answer_that_is_being_given_survives_a_reload(serve_page, open_page, allowed):
    allowed.append("404 .*api/models/scripted")  # nobody describes the model of this test
    model = SteppedModel("One two three four five.", id="scripted:talker")
    server = serve_page(models={"talker": model})
    id = server.create("A long answer", "talker")
    run_id = server.ask(id, "Count.")
    model.let(3)
    page = open_page(f"{server.url}/workflows/{id}")
    expect(page.get_by_text("One two three").first).to_be_visible()
    page.reload()
    expect(page.get_by_text("One two three").first).to_be_visible()
    model.let()
    expect(page.get_by_text("One two three four five.").first).to_be_visible()
    assert server.over(run_id) == "completed"
    page.reload()
    expect(page.get_by_text("One two three four five.").first).to_be_visible()
