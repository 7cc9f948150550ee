"""The document that every path of the page shows, in a real browser."""

import pytest

from stretto.server import page as page_files


def test_the_page_opens_at_its_root(page, page_server):
    answer = page.goto(page_server.url)
    assert answer.status == 200
    page.locator("#app > *").first.wait_for()
    assert "Stretto" in page.title()


def test_a_deep_link_finds_what_it_loads(page, page_server):
    answer = page.goto(f"{page_server.url}/runs/abc/and/deeper?tab=timeline")
    assert answer.status == 200
    page.locator("#app > *").first.wait_for()
    assert page.evaluate("document.baseURI") == f"{page_server.url}/"
    loaded = page.evaluate("performance.getEntriesByType('resource').map(each => new URL(each.name).origin)")
    assert set(loaded) == {page_server.url}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_page_that_is_not_built_says_how_to_build_it(page, page_server, theme, allowed, axe, monkeypatch, tmp_path):
    allowed.append("status of 503")
    monkeypatch.setattr(page_files, "FOLDER", tmp_path)
    answer = page.goto(f"{page_server.url}/runs/abc")
    assert answer.status == 503
    assert page.get_by_text("python3 dev.py build").is_visible()
    assert axe(page) == []
    assert page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches") == (theme == "dark")
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == {"dark": "rgb(15, 18, 22)", "light": "rgb(255, 255, 255)"}[theme]
    assert page.get_by_role("link", name="the operations").get_attribute("href") == "/docs"


def test_whatever_a_page_complains_of_is_heard(page, page_server, complaints, allowed):
    allowed.append("something|thrown|Content Security Policy|status of 404|elsewhere")  # also what comes later
    page.goto(f"{page_server.url}/runs/abc")
    with page.expect_console_message(lambda message: "status of 404" in message.text), page.expect_event("pageerror"):
        page.evaluate("""() => {
            console.error('something');
            setTimeout(() => { throw new Error('thrown') });
            document.body.insertAdjacentHTML('beforeend', '<img src="https://elsewhere.example/picture.png">');
            return fetch('api/nothing').then(() => null);
        }""")
    for wanted in ("something", "thrown", "Content Security Policy", "status of 404"):
        assert [each for each in complaints if wanted in each], f"{wanted}: {complaints}"
