"""Where settings come from, which of them counts, and what is said about one that cannot be."""

from pathlib import Path

import pytest

from stretto.configuring.config_files import SecretInFile, SettingRefused, user_file
from stretto.configuring.settings import Settings, load


@pytest.fixture
def here(tmp_path, monkeypatch):
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.delenv("STRETTO_DATABASE")
    return folder


def project(text: str) -> None:
    Path("stretto.toml").write_text(text, "utf-8")


def user(text: str) -> None:
    user_file().parent.mkdir(parents=True, exist_ok=True)
    user_file().write_text(text, "utf-8")


def refused(**options) -> str:
    with pytest.raises(SettingRefused) as caught:
        load(**options)
    return str(caught.value)


def test_without_files_nothing_is_set(here):
    held = load()
    assert isinstance(held, Settings)
    assert held.model_dump(exclude_defaults=True) == {}
    assert (held.model, held.budget, held.agents) == (None, None, {})


def test_the_command_line_counts_more_than_the_environment_the_project_and_the_user(here, monkeypatch):
    user('model = "a:user"\nagent = "user"\nlocale = "user"\ndatabase = "user.db"')
    assert (load().model, load().database) == ("a:user", str(user_file().parent / "user.db"))
    project('model = "a:project"\nagent = "project"\nlocale = "project"')
    assert load().model == "a:project"
    monkeypatch.setenv("STRETTO_MODEL", "a:variable")
    monkeypatch.setenv("STRETTO_AGENT", "variable")
    held = load(model="a:option", locale=None)
    assert (held.model, held.agent, held.locale) == ("a:option", "variable", "project")


def test_tables_of_several_places_are_laid_over_each_other(here, monkeypatch):
    user('[budget]\ntokens = 1000\n[providers.local]\nbase_url = "http://localhost:1/v1"\nkind = "openai"')
    project('[budget]\ncost = 0.5\n[providers.local]\nmax_concurrency = 4\n[prices."local:x"]\ninput = 1\noutput = 2')
    monkeypatch.setenv("STRETTO_BUDGET__COST", "0.25")
    held = load()
    assert (held.budget.tokens, held.budget.cost) == (1000, 0.25)
    provider = held.providers["local"]
    assert (provider.base_url, provider.kind, provider.max_concurrency) == ("http://localhost:1/v1", "openai", 4)
    assert held.prices["local:x"].output == 2


def test_relative_paths_begin_where_their_file_is(here, monkeypatch):
    user('workspace = "notes"\nmcp_servers = "~/mcp.json"')
    assert load().workspace == user_file().parent / "notes"
    assert load().mcp_servers == Path.home() / "mcp.json"
    project('workspace = "src"\ndatabase = "postgresql://user@host/name"')
    assert load().workspace == here / "src"
    assert load().database == "postgresql://user@host/name"
    monkeypatch.setenv("STRETTO_WORKSPACE", "elsewhere")
    assert load().workspace == Path("elsewhere")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('modle = "a:b"', "stretto.toml: modle: there is no such setting; did you mean 'model'?"),
        ("zzzzzz = 1", "stretto.toml: zzzzzz: there is no such setting; there are agent, agents, "),
        ("[budget]\ntoken = 1", "budget.token: there is no such setting; did you mean 'tokens'?"),
        ("[budget]\ntokens = 0", "budget.tokens: must be greater than or equal to 1; it is 0"),
        ('[budget]\ntokens = "many"', "budget.tokens: must be a valid integer"),
        ("[providers.x]\nkind = 'soap'", "providers.x.kind: must be 'openai', "),
        ("[providers.x]\nurl = 'u'", "providers.x.url: there is no such setting; there are base_url, headers, "),
        ("[providers.x.headers]\nx-a = '${NOT_SET_HERE}'", "refers to the environment variable NOT_SET_HERE, which is"),
        ('model = "gpt"', "stretto.toml: model: must be provider:model, as offline:surveyor; it is 'gpt'"),
        ('[prices."a:b"]\ninput = 1', "prices.a:b.output: is missing"),
        ("[agents.coder.llm]\ntemperature = 3", "agents.coder.llm.temperature: must be less than or equal to 2; it is"),
        ("[agents.coder]\nprompt = 'x'", "agents.coder.prompt: there is no such setting; did you mean 'system_prompt'"),
        ("agents = 1", "stretto.toml: agents: must be a valid dictionary; it is 1"),
        ("model = ", "stretto.toml: this is no TOML: "),
    ],
)
def test_what_cannot_be_is_told_with_its_place(here, text, told):
    project(text)
    assert told in refused()


def test_the_place_that_is_told_is_the_one_that_counts(here, monkeypatch):
    user("[budget]\ntokens = -1")
    assert str(user_file()) in refused()
    project("[budget]\ntokens = -2")
    assert refused().startswith("stretto.toml: budget.tokens: ")
    monkeypatch.setenv("STRETTO_BUDGET__TOKENS", "-3")
    assert refused().startswith("STRETTO_BUDGET__TOKENS: must be")
    monkeypatch.setenv("STRETTO_BUDGET", '{"cost": "many"}')
    monkeypatch.setenv("STRETTO_BUDGET__TOKENS", "3")
    assert refused().startswith("STRETTO_BUDGET: cost: must be a valid number")
    monkeypatch.setenv("STRETTO_BUDGET__COST__MORE", "1")
    assert refused().startswith("STRETTO_BUDGET")
    assert refused(model="gpt").startswith("the command line: model: ")


def test_a_variable_that_nearly_names_a_setting_is_refused(here, monkeypatch):
    monkeypatch.setenv("STRETTO_SOMETHING_ELSE", "1")
    load()
    monkeypatch.setenv("STRETTO_MODLE", "a:b")
    assert refused() == "the environment: STRETTO_MODLE: there is no such setting; did you mean STRETTO_MODEL?"


def test_a_variable_that_is_no_json_is_refused(here, monkeypatch):
    monkeypatch.setenv("STRETTO_PROVIDERS", "{")
    assert "write JSON" in refused()


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('[providers.x]\napi_key = "abc"', "providers.x.api_key"),
        ('[providers.x]\nkey = "abc"', "providers.x.key"),
        ('token = "abc"', "token"),
        ('[server]\ntoken = "abc"', "server.token"),
        ('model = "sk-abcdefghijklmnopqrstuvwxyz"', "model"),
        ('[[things]]\nsecret = "x"', "things.0.secret"),
        ('database = "postgresql://me:abc@host/db"', "database"),
        ('[providers.p.headers]\nAuthorization = "Bearer abc ${HOME}"', "providers.p.headers.Authorization"),
        ('[providers.p.headers]\nX-More = "sk-abc-0123456789abcdef"', "providers.p.headers.X-More"),
        ('[providers.x.headers]\nAuthorization = "Bearer abc"', "providers.x.headers.Authorization"),
    ],
)
def test_a_secret_in_a_file_is_refused_and_not_shown(here, text, key):
    project(text)
    with pytest.raises(SecretInFile, match="a secret does not belong into a file") as caught:
        load()
    assert caught.value.key == key
    assert "abc" not in str(caught.value)
    assert "environment" in str(caught.value)


def test_headers_may_refer_to_the_environment(here, monkeypatch):
    monkeypatch.setenv("MY_TOKEN", "abc")
    project('[providers.x]\nkey_name = "X_KEY"\n[providers.x.headers]\nAuthorization = "Bearer ${MY_TOKEN}"\nx-t = "y"')
    assert load().providers["x"].headers == {"Authorization": "Bearer abc", "x-t": "y"}


def test_an_agent_is_named_by_its_table(here):
    project('[agents.coder]\nsystem_prompt = "You code."\ntools = ["read_file"]\n[agents.w]\nname = "Writer"')
    agents = load().agents
    assert (agents["coder"].id, agents["coder"].name, agents["coder"].tools) == ("coder", "coder", ("read_file",))
    assert agents["w"].name == "Writer"
