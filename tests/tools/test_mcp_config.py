"""The common ``mcpServers`` JSON: what is taken, what is refused in which words, and what is never shown."""

import json

import pytest

from stretto.tools.mcp import HttpServer, McpConfig, McpConfigError, StdioServer


def read(environ=None, **server):
    return McpConfig.of({"mcpServers": {"s": server}}, environ or {}).servers["s"]


def test_the_common_form_is_read_with_its_defaults():
    found = McpConfig.of(
        {
            "globalShortcut": "of another program",
            "mcpServers": {
                "files": {"command": "npx", "args": ["-y", "server", "/data"], "env": {"A": "1"}, "cwd": "/tmp"},
                "web": {"url": "https://example.com/mcp", "headers": {"Authorization": "Bearer abc12345"}},
                "typed": {"type": "streamable-http", "url": "http://127.0.0.1:1/mcp"},
            },
        },
        {},
    )
    files, web, typed = found.servers.values()
    assert isinstance(files, StdioServer)
    assert (files.command, files.args, files.cwd) == ("npx", ("-y", "server", "/data"), "/tmp")
    assert (files.timeout, files.connect_timeout, files.stop_timeout) == (60, 30, 2)
    assert (files.max_concurrency, files.max_restarts, files.disabled) == (8, 3, False)
    assert isinstance(web, HttpServer)
    assert web.secrets == ("Bearer abc12345", "abc12345")
    assert typed.type == "http"


def test_secrets_are_shown_nowhere():
    server = read(command="x", env={"API_KEY": "sk-123456", "HOME_DIR": "/data"})
    assert server.secrets == ("sk-123456",)
    assert "sk-123456" not in repr(server) + str(server) + server.model_dump_json()


def test_variables_of_the_environment_are_put_in():
    environ = {"TOKEN": "t-1", "DIR": "/d"}
    server = read(environ, command="${DIR}/run", args=["--root=${DIR}", "${PORT:-80}"], env={"T": "${TOKEN}"})
    assert (server.command, server.args) == ("/d/run", ("--root=/d", "80"))
    assert server.env["T"].get_secret_value() == "t-1"
    with pytest.raises(McpConfigError, match=r"env\.T: the environment variable TOKEN is not set") as wrong:
        read({}, command="x", env={"T": "${TOKEN}"})
    assert (wrong.value.server, wrong.value.field) == ("s", "env.T")
    assert read({"EMPTY": ""}, command="x", args=["${EMPTY}"]).args == ("",)


@pytest.mark.parametrize(
    ("server", "words"),
    [
        ({}, "command: is missing: a server has a command (stdio) or a url (http)"),
        ({"type": "http"}, "url: is missing"),
        ({"type": "sse", "url": "http://x/"}, "Server-Sent Events alone are not spoken"),
        ({"type": 3}, "type: must be 'stdio' or 'http', not 3"),
        ({"command": ""}, "command: String should have at least 1 character; it is ''"),
        ({"command": "x\x00"}, "command: "),
        ({"command": "x", "args": ["a"] * 51}, "args: Tuple should have at most 50 items"),
        ({"command": "x", "args": ["a", "b" * 513]}, "args.1: String should have at most 512 characters; it is 'bbb"),
        ({"command": "x", "env": {"1A": "x"}}, "env.1A: String should match pattern"),
        ({"command": "x", "env": {"A": "secret-value" * 400}}, "at most 4,096 characters"),
        ({"command": "x", "env": {"A": 3}}, "env.A: Input should be a valid string; it is a value that is not shown"),
        ({"url": "ftp://x"}, "url: String should match pattern"),
        ({"url": "http://x/", "headers": {"X": "a\nb"}}, "without NUL or line breaks"),
        ({"command": "x", "timeout": 0}, "timeout: Input should be greater than 0; it is 0"),
        ({"command": "x", "max_concurrency": 0}, "max_concurrency: "),
        ({"command": "x", "max_restarts": -1}, "max_restarts: "),
        ({"command": "x", "max_message": 10}, "max_message: "),
        ({"command": "x", "stop_timeout": 0}, "stop_timeout: "),
        ({"command": "x", "connect_timeout": 0}, "connect_timeout: "),
        ({"command": "x", "description": "x" * 1025}, "description: "),
        ({"command": "x", "disabled": "perhaps"}, "disabled: "),
        (
            {"command": "x", "alwaysAllow": []},
            "alwaysAllow: is not a setting of such a server; there are args, command",
        ),
        ({"command": "x", "url": "http://x/", "type": "stdio"}, "url: is not a setting of such a server"),
    ],
)
def test_what_cannot_be_followed_is_refused_with_server_and_field(server, words):
    with pytest.raises(McpConfigError) as wrong:
        read(**server)
    assert "MCP server 's': " in str(wrong.value)
    assert words in str(wrong.value)
    assert "secret-value" not in str(wrong.value)


@pytest.mark.parametrize("name", ["", "a b", "é", "x" * 65, "a/b"])
def test_a_name_is_letters_digits_and_little_else(name):
    with pytest.raises(McpConfigError, match="a server's name is 1 to 64 letters"):
        McpConfig.of({"mcpServers": {name: {"command": "x"}}})


def test_what_is_no_configuration_is_told(tmp_path):
    path = tmp_path / "mcp.json"
    for text, words in (
        ("{", "is not JSON"),
        ("{}", "mcpServers: must be an object"),
        ('{"mcpServers": {"a": 3}}', "MCP server 'a': must be an object, not 3"),
        ('{"mcpServers": {"a": {"command": "x"}, "a": {"command": "y"}}}', "a: is there twice"),
    ):
        path.write_text(text)
        with pytest.raises(McpConfigError) as wrong:
            McpConfig.load(path)
        assert words in str(wrong.value)
    path.write_text(json.dumps({"mcpServers": {"a": {"command": "${STRETTO_X}"}}}))
    assert McpConfig.load(path, {"STRETTO_X": "x"}).servers["a"].command == "x"
