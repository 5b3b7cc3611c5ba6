"""Which server and key orchctl takes, and how it keeps them."""
import stat

import pytest

from harness.orchctl import Orchctl


@pytest.fixture
def bare(shared, tmp_path):
    """Without anything in the environment."""
    return Orchctl(None, tmp_path)


@pytest.fixture
def url(shared):
    return f"http://127.0.0.1:{shared.port}"


def test_a_context_brings_server_and_key(shared, bare, url):
    bare.ok("context", "set", "here", "--server", url, "--key-file", "-", stdin=shared.key + "\n")
    assert "role admin" in bare.ok("whoami")
    assert "(from the context)" in bare.ok("whoami")


def test_the_file_is_for_its_owner_only_and_no_key_is_ever_shown(shared, bare, url):
    shown = bare.ok("context", "set", "here", "--server", url, "--key", shared.key)
    path = bare.home / ".config/orchctl/contexts.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert shared.key in path.read_text()
    shown += bare.ok("context", "ls") + bare.ok("context", "show")
    assert shared.key not in shown and "set" in shown


def test_a_file_that_others_may_read_is_refused(bare, url):
    bare.ok("context", "set", "here", "--server", url)
    path = bare.home / ".config/orchctl/contexts.json"
    path.chmod(0o644)
    said = bare.fails(1, "get", "d")
    assert "others may read or write it (mode 0644)" in said and f"chmod 600 {path}" in said


def test_a_broken_file_is_told_with_its_place(bare, url):
    bare.ok("context", "set", "here", "--server", url)
    path = bare.home / ".config/orchctl/contexts.json"
    path.write_text('{"current": \n nonsense}')
    assert f"{path}:2:" in bare.fails(1, "get", "d")


def test_contexts_are_chosen_and_removed(shared, bare, url):
    bare.ok("context", "set", "wrong", "--server", "http://127.0.0.1:1")
    bare.ok("context", "set", "here", "--server", url, "--key", shared.key)
    bare.fails(1, "whoami")
    assert "role admin" in bare.ok("whoami", "--context", "here")
    assert "role admin" in bare.ok("whoami", ORCH_CONTEXT="here")
    bare.ok("context", "use", "here")
    assert "role admin" in bare.ok("whoami")
    bare.ok("context", "rm", "here")
    assert "there is no context" in bare.fails(1, "context", "use", "here")


def test_the_command_line_wins_over_the_environment_and_that_over_the_context(shared, bare, url):
    bare.ok("context", "set", "wrong", "--server", "http://127.0.0.1:1")
    settings = {"ORCH_SERVER": url, "ORCH_API_KEY": shared.key}
    assert "role admin" in bare.ok("whoami", **settings)
    bare.fails(1, "whoami", "--server", "http://127.0.0.1:1", **settings)


def test_a_contexts_key_is_not_sent_to_another_server(shared, bare, url):
    bare.ok("context", "set", "here", "--server", url, "--key", shared.key)
    other = url.replace("127.0.0.1", "localhost")
    assert "give a key" in bare.fails(1, "whoami", "--server", other)
