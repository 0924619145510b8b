"""What a project file asks for that a person has to allow, and what doesn't need it: who named what."""

from pathlib import Path

import pytest

from reconciler.settings import Project, TokenCommand, TokenFile
from reconciler.trust.needs import CommandGrant, FileGrant, SecretGrant, unmet

SERVER = "server: {url: 'https://pulse.example.com', auth: {tokenEnv: PULSE_TOKEN}}"
TOKEN = {"PULSE_TOKEN": "t"}
PULSE = "https://pulse.example.com"


def missing(project: Project) -> list[object]:
    return [need.grant for need in unmet(project.needs, project.trusted_hosts)]


def secrets(project: Project) -> list[tuple[str, str]]:
    return [(each.secret, each.host) for each in missing(project) if isinstance(each, SecretGrant)]


@pytest.mark.parametrize(
    ("environ", "flags", "asked"),
    [
        ({}, {}, [("env:PULSE_TOKEN", PULSE)]),
        ({"RECONCILER_TRUSTED_HOSTS": "pulse.example.com"}, {}, []),
        ({"RECONCILER_TRUSTED_HOSTS": "example.com"}, {}, [("env:PULSE_TOKEN", PULSE)]),
        ({"RECONCILER_URL": "https://pulse.example.com"}, {}, []),
        ({"RECONCILER_URL": "https://other.example.com"}, {}, []),
        ({}, {"url": "https://other.example.com"}, []),
        ({"RECONCILER_TOKEN": "t"}, {}, [("env:RECONCILER_TOKEN", PULSE)]),
        (
            {"RECONCILER_USERNAME": "u", "RECONCILER_PASSWORD": "p"},
            {},
            [("env:RECONCILER_USERNAME", PULSE), ("env:RECONCILER_PASSWORD", PULSE)],
        ),
        ({"RECONCILER_TOKEN_COMMAND": "get"}, {}, [("command:get", PULSE)]),
        # The host of a state that somebody named is a host that somebody named.
        ({"RECONCILER_STATE": "postgresql://pulse.example.com/x"}, {}, [("env:PULSE_TOKEN", PULSE)]),
    ],
)
def test_a_token_goes_where_somebody_said(here, environ, flags, asked) -> None:
    here.write(SERVER)
    assert secrets(here.project({**TOKEN, **environ}, **flags)) == asked


@pytest.mark.parametrize(
    ("environment", "host"),
    [
        (None, "https://pulse.example.com"),
        ("same", "https://pulse.example.com"),
        ("other", "https://evil.example.com"),
        ("down", "http://pulse.example.com"),
        ("near", None),
        ("inside", None),
    ],
)
def test_an_environment_counts_with_what_it_says(here, environment, host) -> None:
    here.write(
        f"{SERVER}\n"
        "environments:\n"
        "  same: {server: {timeoutSeconds: 5}}\n"
        "  other: {server: {url: 'https://evil.example.com'}}\n"
        "  down: {server: {url: 'http://pulse.example.com'}}\n"
        "  near: {server: {url: 'http://127.0.0.1:8080'}}\n"
        "  inside: {server: {url: 'embedded:'}}\n"
    )
    loaded = here.load(TOKEN, environment=environment)
    assert loaded.project
    assert secrets(loaded.project) == ([] if host is None else [("env:PULSE_TOKEN", host)])
    named = here.load({**TOKEN, "RECONCILER_TRUSTED_HOSTS": "pulse.example.com"}, environment=environment)
    assert named.project
    assert secrets(named.project) == ([] if host in (None, PULSE) else [("env:PULSE_TOKEN", host)])


def test_a_project_file_that_a_flag_names_is_trusted_no_more(here) -> None:
    path = here.write(SERVER)
    assert secrets(here.project(TOKEN, file=path)) == [("env:PULSE_TOKEN", PULSE)]
    assert secrets(here.project({**TOKEN, "RECONCILER_PROJECT": str(path)})) == [("env:PULSE_TOKEN", PULSE)]


def test_the_url_is_the_place_to_look_at(here) -> None:
    here.write(SERVER)
    (need,) = here.project(TOKEN).needs
    assert str(need.place) == "reconciler.yaml:5:17"


@pytest.mark.parametrize(
    "auth",
    [
        "{tokenEnv: GITHUB_TOKEN}",
        "{tokenEnv: AWS_SECRET_ACCESS_KEY}",
        "{tokenEnv: RECONCILER_GITLAB_TOKEN}",
        "{usernameEnv: CI_JOB_TOKEN, passwordEnv: P}",
        "{usernameEnv: P, passwordEnv: ACTIONS_RUNTIME_TOKEN}",
    ],
)
@pytest.mark.parametrize("url", [PULSE, "http://127.0.0.1:8080", "embedded:"])
def test_variables_of_others_are_not_handed_on_to_anybody(here, auth, url) -> None:
    here.write(f"server: {{url: '{url}', auth: {auth}}}")
    names = [word.strip("{},") for word in auth.split() if word.isupper() or "_" in word]
    environ = {**dict.fromkeys(names, "x"), "P": "p"}
    named = {**environ, "RECONCILER_TRUSTED_HOSTS": "pulse.example.com", "RECONCILER_URL": url}
    for given in (environ, named):
        loaded = here.load(given)
        assert loaded.project
        reserved = [
            need for need in unmet(loaded.project.needs, loaded.project.trusted_hosts) if need.reserved
        ]
        assert [need.place and need.place.line for need in reserved] == [5]
        assert reserved[0].by.startswith("server.auth.")


def test_a_command_needs_the_word_of_a_person_even_for_this_machine(here) -> None:
    path = here.write("server: {url: 'http://127.0.0.1:1', auth: {tokenCommand: 'vault read x'}}")
    project = here.project()
    assert missing(project) == [CommandGrant("vault read x", str(path))]
    assert project.server.auth == TokenCommand("vault read x", here.root)
    named = here.project({"RECONCILER_TOKEN_COMMAND": "other"}, cwd=here.root)
    assert missing(named) == []
    assert named.server.auth == TokenCommand("other", here.root, "the command in RECONCILER_TOKEN_COMMAND")
    assert missing(here.project({"RECONCILER_TOKEN": "t"})) == [], "what isn't run needs nothing"


def test_files_in_the_project_are_read_and_others_need_the_word_of_a_person(here) -> None:
    outside = here.root.parent / "secret.pem"
    outside.write_text("x")
    (here.root / "inside.pem").write_text("x")
    (here.root / "link.pem").symlink_to(outside)
    (here.root / ".git").mkdir()
    (here.root / ".git" / "config").write_text("x")
    for name, asked in (
        ("inside.pem", None),
        ("./x/../inside.pem", None),
        ("link.pem", outside),
        ("../secret.pem", outside),
        (str(outside), outside),
        (".git/config", here.root / ".git/config"),
    ):
        (here.root / "x").mkdir(exist_ok=True)
        for field in ("caFile: {}", "auth: {{tokenFile: {}}}"):
            path = here.write(f"server: {{url: 'http://127.0.0.1:1', {field.format(name)}}}")
            grants = [] if asked is None else [FileGrant(str(asked), str(path))]
            assert missing(here.project()) == grants, (field, name)


def test_files_that_variables_name_are_read(here, tmp_path) -> None:
    (tmp_path / "t").write_text("x")
    here.write("server: {url: 'http://127.0.0.1:1', caFile: gone.pem, auth: {tokenFile: gone}}")
    environ = {"RECONCILER_TOKEN_FILE": "t", "RECONCILER_CA_FILE": "t"}
    project = here.project(environ, cwd=tmp_path, file=here.root / "reconciler.yaml")
    assert (project.server.auth, project.server.ca_file) == (TokenFile(tmp_path / "t"), tmp_path / "t")
    assert missing(project) == []


@pytest.mark.parametrize("variable", ["RECONCILER_TOKEN_FILE", "RECONCILER_CA_FILE"])
def test_a_file_that_a_variable_names_has_to_be_there(here, variable) -> None:
    found = here.finding({variable: "gone"})
    assert found.code == "missing-file"
    assert variable in found.message


DB = "postgresql://db.example.com"
POSTGRESQL = [("postgresql", DB)]


@pytest.mark.parametrize(
    ("url", "asked"),
    [
        ("file:.reconciler/x.json", []),
        ("postgresql://db.example.com/x", POSTGRESQL),
        ("postgresql://ci@DB.example.com./x", POSTGRESQL),
        ("postgresql://db.example.com:5433/x", [("postgresql", f"{DB}:5433")]),
        ("postgresql://127.0.0.1/x", []),
        ("postgresql://localhost:5433/x", []),
        ("postgresql:///x", []),
        ("postgresql://%2Fvar%2Frun/x", []),
        ("postgresql:///x?host=/var/run", []),
        ("postgresql:///x?host=db.example.com", POSTGRESQL),
        ("postgresql://localhost/x?host=db.example.com", POSTGRESQL),
        ("postgresql://localhost/x?hostaddr=192.0.2.1", [("postgresql", "postgresql://192.0.2.1")]),
        (
            "postgresql://localhost,db.example.com,evil.example.com/x",
            [*POSTGRESQL, ("postgresql", "postgresql://evil.example.com")],
        ),
        (
            "postgresql:///x?host=127.0.0.1,db.example.com&port=1,2",
            [("postgresql", f"{DB}:2")],
        ),
        ("postgresql://localhost/x?dbname=host%3Devil", [("postgresql", "postgresql://host=evil")]),
        (
            "postgresql://localhost/postgresql:%2F%2Fevil",
            [("postgresql", "postgresql://[postgresql://evil]")],
        ),
        (
            "postgresql://localhost/x?oauth_issuer=https://sso.example.com",
            [("postgresql", "https://sso.example.com")],
        ),
        ("s3://bucket/key", []),
        ("s3://bucket/key?region=eu-central-1", []),
        ("s3://bucket/key?endpoint=https://s3.example.com", [("s3", "https://s3.example.com")]),
        ("s3://bucket/key?endpoint=http://s3.example.com:9000", [("s3", "http://s3.example.com:9000")]),
        ("s3://bucket/key?endpoint=http://127.0.0.1:9000", []),
        ("s3://bucket/key?endpoint=https%3A%2F%2Fs3.example.com", [("s3", "https://s3.example.com")]),
    ],
)
def test_what_a_state_needs(here, url, asked) -> None:
    here.write(f"server: {{url: 'embedded:'}}\nstate: {{url: '{url}'}}")
    assert secrets(here.project()) == asked
    assert secrets(here.project(need_access=False)) == asked, "also where no server is called"
    assert here.project(need_server=False).needs == ()
    assert secrets(here.project({"RECONCILER_STATE": url})) == []
    assert secrets(here.project(state=url)) == []


@pytest.mark.parametrize(
    "option", ["passfile", "sslkey", "sslcert", "sslrootcert", "sslkeylogfile", "servicefile"]
)
def test_files_of_a_database_stay_in_the_project(here, option) -> None:
    path = here.write(
        f"server: {{url: 'embedded:'}}\nstate: {{url: 'postgresql://localhost/x?{option}=/etc/x'}}"
    )
    assert missing(here.project()) == [FileGrant("/etc/x", str(path))]
    here.write(f"server: {{url: 'embedded:'}}\nstate: {{url: 'postgresql://localhost/x?{option}=x.pem'}}")
    assert missing(here.project()) == []


def test_the_certificates_of_the_system_are_no_file(here) -> None:
    here.write("server: {url: 'embedded:'}\nstate: {url: 'postgresql://localhost/x?sslrootcert=system'}")
    assert missing(here.project()) == []


@pytest.mark.parametrize("entry", ["*", "*.example.com", "https://u:p@pulse.example.com", "a b"])
def test_an_entry_that_is_no_host_is_a_finding(here, entry) -> None:
    found = here.load({"RECONCILER_TRUSTED_HOSTS": f"pulse.example.com,{entry}"}).findings
    assert [each.code for each in found] == ["bad-trusted-host"]
    assert "RECONCILER_TRUSTED_HOSTS" in found[0].message
    here.project({"RECONCILER_TRUSTED_HOSTS": entry}, need_server=False)


def test_nothing_is_needed_to_validate(here) -> None:
    here.write("server: {url: 'https://evil.example.com', auth: {tokenCommand: 'rm -rf x'}, caFile: /etc/x}")
    loaded = here.load(need_server=False)
    assert loaded.project
    assert loaded.project.needs == ()


@pytest.mark.parametrize(
    ("resources", "code"),
    [
        ("../elsewhere", "outside-project"),
        ("/etc", "outside-project"),
        ("link", "outside-project"),
        (".git/config", "private-path"),
        (".GIT", "private-path"),
        (".reconciler", "private-path"),
        ("inside/../.git", "private-path"),
    ],
)
@pytest.mark.parametrize("field", ["resources", "overlays"])
def test_what_is_outside_is_not_opened(here, resources, code, field) -> None:
    (here.root.parent / "elsewhere").mkdir()
    for name in (".git", ".GIT", ".reconciler", "inside"):
        (here.root / name).mkdir(exist_ok=True)
    (here.root / ".git" / "config").write_text("x")
    (here.root / "link").symlink_to("../elsewhere")
    spec = "resources" if field == "resources" else "environments: {night: {overlays"
    end = "" if field == "resources" else "}}"
    here.write(f"server: {{url: 'embedded:'}}\n{spec}: [inside, '{resources}']{end}")
    for need_server in (True, False):
        loaded = here.load(environment=None if field == "resources" else "night", need_server=need_server)
        assert [each.code for each in loaded.findings] == [code]
        assert loaded.findings[0].place
        opened = loaded.resources if field == "resources" else loaded.overlays
        assert opened == (here.root / "inside",)


def test_nothing_in_a_path_is_expanded(here) -> None:
    here.write("server: {url: 'embedded:', caFile: '${HOME}/x'}\nresources: ['~', '$HOME']")
    found = here.load({"HOME": "/etc"}).findings
    assert {each.code for each in found} == {"file-not-found", "missing-file"}
    assert Path("~").expanduser() != here.root / "~"
