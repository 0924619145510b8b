"""The project file, the environment and flags, merged; and everything that can be wrong with them."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from reconciler.errors import ReconcilerError
from reconciler.model import Place, Secret, Severity
from reconciler.settings import Basic, EditWhileStarted, Token
from tests.project.project_folders import HEAD, URL, Folder

# --- without a project file ----------------------------------------------------------------------


def test_nothing_needs_to_be_configured(here) -> None:
    project = here.project()
    assert (project.root, project.resources) == (here.root, (here.root,))
    assert (project.name, project.file, project.environment) == (None, None, None)
    assert project.server.embedded
    assert project.server.auth is None
    assert project.state_url == "file:.reconciler/state.json"
    assert project.guards == {}


def test_paths_are_relative_to_the_working_folder(here) -> None:
    assert here.project(paths=["a", Path("/b")]).resources == (here.root / "a", Path("/b"))


def test_an_environment_has_a_state_of_its_own(here) -> None:
    loaded = here.load(environment="staging")
    project = loaded.project
    assert project is not None
    assert (project.environment, project.state_url) == ("staging", "file:.reconciler/staging/state.json")
    (said,) = loaded.findings
    assert (said.code, said.severity) == ("environment-without-project", Severity.WARNING)
    assert "--environment says `staging`, and there is no project file" in said.message
    assert here.load({"RECONCILER_ENVIRONMENT": "x"}).findings[0].message.startswith("RECONCILER_ENVIRONMENT")


def test_wrong_paths_of_resources_leave_the_settings(here) -> None:
    here.write(f"resources: [campaigns]\nserver: {{url: {URL}}}")
    loaded = here.load()
    assert (loaded.project, [each.code for each in loaded.findings]) == (None, ["file-not-found"])
    assert loaded.settings is not None
    assert loaded.settings.server.url == URL
    here.write("resources: [campaigns]\nserver: {url: 'https://a', organization: ' x'}")
    assert here.load().settings is None


@pytest.mark.parametrize("name", ["../up", "a/b", ".", "-x", "a b", "x" * 129])
def test_an_environment_is_a_name_and_no_path(here, name: str) -> None:
    finding = here.finding(environment=name)
    assert finding.code == "unknown-environment"
    assert finding.message == "--environment is no name of an environment"


@pytest.mark.parametrize("ci", ["true", "1", "yes"])
def test_a_robot_must_name_its_server(here, ci: str) -> None:
    codes = [finding.code for finding in here.load({"CI": ci}).findings]
    assert codes == ["missing-url", "state-in-ci"]
    assert here.project({"CI": ci}, need_server=False).server.embedded


@pytest.mark.parametrize("ci", ["", "false", "0"])
def test_a_person_need_not(here, ci: str) -> None:
    assert here.project({"CI": ci}).server.embedded


def test_a_robot_may_name_the_embedded_server(here) -> None:
    loaded = here.load({"CI": "true"}, url="embedded:")
    assert loaded.project.server.embedded
    (finding,) = loaded.findings
    assert (finding.code, finding.severity) == ("state-in-ci", Severity.WARNING)
    assert finding.message == "CI is set, and the state is a file: a runner forgets it"


def test_a_robot_with_a_state_elsewhere_is_not_warned(here) -> None:
    assert here.project({"CI": "true"}, url=URL, state="s3://bucket/state").state_url == "s3://bucket/state"


# --- finding and reading the file ----------------------------------------------------------------


@pytest.mark.parametrize("name", ["reconciler.yaml", "reconciler.yml", "reconciler.YAML", "Reconciler.Yml"])
def test_the_file_is_found_here_and_above(here, name: str) -> None:
    path = here.write(f"server: {{url: {URL}}}", name)
    below = here.root / "a" / "b"
    below.mkdir(parents=True)
    for cwd in (here.root, below):
        project = here.project(cwd=cwd)
        assert (project.root, project.file, project.name) == (here.root, path, "line-3")
        assert project.resources == (here.root,)
        assert project.server.url == URL


def test_the_nearest_file_wins(here) -> None:
    here.write(f"server: {{url: {URL}}}")
    below = Folder(here.root / "below")
    below.root.mkdir()
    path = below.write("server: {url: 'embedded:'}")
    assert below.project().file == path


@pytest.mark.parametrize(
    "names",
    [
        ("reconciler.yaml", "reconciler.yml"),
        ("reconciler.YAML", "reconciler.yaml"),
        ("Reconciler.yml", "reconciler.yaml", "reconciler.yml"),
    ],
)
def test_two_files_are_refused_and_named(here, names: tuple[str, ...]) -> None:
    for name in names:
        here.write(f"server: {{url: {URL}}}", name)
    below = here.root / "below"
    below.mkdir()
    for cwd in (here.root, below):
        finding = here.finding(cwd=cwd)
        assert finding.code == "two-project-files"
        assert all(f"`{name}`" in finding.message for name in names)
        assert str(here.root) in finding.message
    assert here.project(file=names[0]).file == here.root / names[0], "unless one is named"
    (below / names[0]).write_text(f"{HEAD}  server: {{url: {URL}}}\n")
    assert here.project(cwd=below).file == below / names[0], "or the nearest is one"


@pytest.mark.parametrize("target", ["nowhere", "reconciler.yml"])
def test_a_link_to_nowhere_is_not_passed_over(here, target: str) -> None:
    (here.root / "reconciler.yml").symlink_to(target)
    finding = here.finding()
    assert finding.code in ("file-not-found", "unreadable-file")
    assert "reconciler.yml" in finding.message


def test_a_folder_of_that_name_is_not_taken(here) -> None:
    (here.root / "reconciler.yaml").mkdir()
    assert here.project().file is None


def test_a_folder_that_may_not_be_searched_holds_no_file(here, monkeypatch) -> None:
    def refused(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    here.write(f"server: {{url: {URL}}}")
    monkeypatch.setattr(Path, "stat", refused)
    monkeypatch.setattr(os, "listdir", refused)
    assert here.project().file is None


@pytest.mark.parametrize("how", ["flag", "environ"])
def test_a_file_may_be_named(here, how: str) -> None:
    here.write(f"server: {{url: {URL}}}").rename(here.root / "other.yaml")
    elsewhere = here.root / "elsewhere"
    elsewhere.mkdir()
    name = "../other.yaml"
    project = (
        here.project(cwd=elsewhere, file=name)
        if how == "flag"
        else here.project({"RECONCILER_PROJECT": name}, cwd=elsewhere)
    )
    assert project.file == elsewhere / name
    assert project.root.resolve() == here.root


def test_the_flag_beats_the_environment(here) -> None:
    here.write(f"server: {{url: {URL}}}")
    assert here.project({"RECONCILER_PROJECT": "gone.yaml"}, file="reconciler.yaml").name == "line-3"


@pytest.mark.parametrize(
    ("file", "code", "said"),
    [
        ("gone.yaml", "file-not-found", "(from --project) can't be read: No such file or directory"),
        (".", "unreadable-file", "(from --project) can't be read: Is a directory"),
        ("", "empty-flag", "--project is empty"),
    ],
)
def test_a_named_file_must_be_there(here, file: str, code: str, said: str) -> None:
    finding = here.finding(file=file)
    assert finding.code == code
    assert said in finding.message


@pytest.mark.parametrize(
    ("text", "code", "place"),
    [
        ("a: [", "yaml-syntax", None),
        ("", "bad-project-file", Place("reconciler.yaml", 1, 1)),
        ("# nothing\n---\n", "bad-project-file", Place("reconciler.yaml", 1, 1)),
        (f"{HEAD}  {{}}\n---\n{HEAD}  {{}}\n", "bad-project-file", Place("reconciler.yaml", 7, 1)),
        (HEAD.replace("Project", "Campaign") + "  {}\n", "unknown-kind", Place("reconciler.yaml", 2, 7)),
        (f"{HEAD}  sever: {{}}\n", "unknown-field", Place("reconciler.yaml", 5, 3)),
        (f"{HEAD}  server: {{url: 'ftp://x'}}\n", "bad-format", Place("reconciler.yaml", 5, 17)),
        (f"{HEAD}  server: {{url: 'https://u:p@x'}}\n", "url-with-credentials",
         Place("reconciler.yaml", 5, 17)),
    ],
)  # fmt: skip
def test_a_file_that_is_no_project(here, text: str, code: str, place: Place | None) -> None:
    (here.root / "reconciler.yaml").write_text(text)
    loaded = here.load()
    (finding,) = [finding for finding in loaded.findings if finding.is_error]
    assert finding.code == code
    if place:
        assert finding.place == place


# --- merging -------------------------------------------------------------------------------------


def test_every_field_of_the_file(full) -> None:
    project = full.project({"TOKEN": "t"})
    server = project.server
    assert project.resources == (full.root / "campaigns", full.root / "lists")
    assert (server.provider, server.url, server.api_version) == ("pulse", URL, "0.17")
    assert (server.organization, server.ca_file) == ("line-3", full.root / "ca.pem")
    assert (server.timeout, server.max_requests_per_second) == (5.0, 7.5)
    assert (server.batch_size, server.page_size) == (40, 50)
    assert server.edit_while_started is EditWhileStarted.ALLOW
    assert isinstance(server.auth, Token)
    assert server.auth.token.reveal() == "t"
    assert project.state_url == "file:state/base.json"
    assert project.guards == {"maxDeletes": 1, "allowEmpty": True}


@pytest.mark.parametrize("how", ["flag", "environ"])
def test_an_environment_is_laid_over(full, how: str) -> None:
    environ = {"NAME": "n", "WORD": "w"}
    project = (
        full.project(environ, environment="staging")
        if how == "flag"
        else full.project({**environ, "RECONCILER_ENVIRONMENT": "staging"})
    )
    assert project.environment == "staging"
    assert project.resources == (full.root / "campaigns",)
    assert project.server.url == "https://staging.example.com"
    assert project.server.auth == Basic("n", Secret("environment variable WORD", "w"))
    assert (project.server.batch_size, project.server.page_size) == (10, 50)
    assert project.state_url == "file:state/staging.json"
    assert project.guards == {"maxDeletes": 100, "allowEmpty": True, "maxStarts": 5}


def test_an_environment_that_says_nothing_changes_nothing(full) -> None:
    base = full.project({"TOKEN": "t"})
    over = full.project({"TOKEN": "t"}, environment="production")
    assert (over.server, over.state_url, over.guards) == (base.server, base.state_url, base.guards)


def test_a_state_that_nobody_names_is_one_for_each_environment(here) -> None:
    here.write(f"server: {{url: {URL}}}\nenvironments: {{a: {{}}}}")
    assert here.project().state_url == "file:.reconciler/state.json"
    assert here.project(environment="a").state_url == "file:.reconciler/a/state.json"


def test_an_unknown_environment_gets_the_nearest(full) -> None:
    finding = full.finding({"RECONCILER_ENVIRONMENT": "stagin"})
    assert finding.code == "unknown-environment"
    assert finding.message == "RECONCILER_ENVIRONMENT: there is no environment `stagin`"
    assert finding.place == Place("reconciler.yaml", 20, 3)
    assert finding.hint == "did you mean `staging`?"
    assert full.finding(environment="xyzzy").hint == "known: production, staging"


def test_an_environment_of_a_project_without_any(here) -> None:
    here.write(f"server: {{url: {URL}}}")
    finding = here.finding(environment="a")
    assert (finding.place, finding.hint) == (Place("reconciler.yaml", 5, 3), "the project has none")


def test_flags_beat_the_environment_beats_the_file(full) -> None:
    environ = {"TOKEN": "t", "RECONCILER_URL": "https://e", "RECONCILER_STATE": "file:e.json"}
    project = full.project(environ)
    assert (project.server.url, project.state_url) == ("https://e", "file:e.json")
    project = full.project(environ, url="https://f", state="file:f.json", paths=["lists"])
    assert (project.server.url, project.state_url) == ("https://f", "file:f.json")
    assert project.resources == (full.root / "lists",)


def test_an_empty_variable_is_as_good_as_none(full) -> None:
    names = ("URL", "STATE", "PROJECT", "ENVIRONMENT", "TOKEN", "USERNAME", "PASSWORD")
    environ = {f"RECONCILER_{name}": "" for name in names}
    assert full.project({**environ, "TOKEN": "t"}) == full.project({"TOKEN": "t"})


@pytest.mark.parametrize("flag", ["url", "state", "environment", "file"])
def test_an_empty_flag_is_a_mistake(full, flag: str) -> None:
    """As from an unset shell variable: it must not fall back to the server of the file."""
    loaded = full.load({"TOKEN": "t"}, **{flag: ""})
    assert loaded.project is None
    assert "empty-flag" in [finding.code for finding in loaded.findings]


# --- resources -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "code", "said"),
    [
        ("gone", "file-not-found", "there is no file or folder `gone`"),
        ("..", "outside-project", "`..` leads out of the project"),
        ("link", "outside-project", "`link` leads out of the project"),
        ("/etc", "outside-project", "`/etc` leads out of the project"),
    ],
)
def test_resources_are_in_the_project(here, name: str, code: str, said: str) -> None:
    (here.root / "link").symlink_to("/")
    here.write(f"server: {{url: {URL}}}\nresources: [., {name}]")
    finding = here.finding()
    assert (finding.code, finding.place, finding.message) == (code, Place("reconciler.yaml", 6, 18), said)
    assert here.project(paths=["x"]).resources == (here.root / "x",)


def test_a_resource_of_an_environment_is_found_where_it_stands(here) -> None:
    here.write("environments:\n  a:\n    server: {url: 'embedded:'}\n    resources: [gone]")
    assert here.finding(environment="a").place == Place("reconciler.yaml", 8, 19)


def test_no_resources_are_none(here) -> None:
    here.write(f"server: {{url: {URL}}}\nresources: []")
    assert here.project().resources == ()


# --- the server ----------------------------------------------------------------------------------


def test_a_project_names_its_server(here) -> None:
    here.write("server: {batchSize: 1}")
    finding = here.finding()
    assert (finding.code, finding.place) == ("missing-url", Place("reconciler.yaml", 5, 3))
    assert str(finding.hint).startswith("add server.url to reconciler.yaml, or give --url")
    assert here.project(need_server=False), (
        "a fork has no variable that may name it, and validate calls nobody"
    )
    here.root.joinpath("reconciler.yaml").rename(here.root / "reconciler.yml")
    assert str(here.finding().hint).startswith("add server.url to reconciler.yml, or give --url")
    assert here.project({"RECONCILER_URL": URL}).server.url == URL


def test_where_only_environments_name_one_it_is_needed_only_to_talk_to_it(here) -> None:
    here.write(
        f"environments:\n  b: {{server: {{url: {URL}}}}}\n  a: {{server: {{url: 'embedded:'}}}}\n  c: {{}}"
    )
    assert here.finding().hint == "choose an environment with --environment: a, b"
    assert here.finding(environment="c").code == "missing-url"
    assert here.project(environment="b").server.url == URL
    assert here.project(need_server=False).name == "line-3"


def test_a_ca_file_must_be_there_to_talk_to_the_server(here) -> None:
    here.write(f"server: {{url: {URL}, caFile: gone.pem}}")
    finding = here.finding()
    assert (finding.code, finding.place) == ("missing-file", Place("reconciler.yaml", 5, 52))
    assert here.finding(need_server=False).code == "missing-file", "it is part of the checkout"
    assert here.project(need_access=False).server.ca_file == here.root / "gone.pem"


@pytest.mark.parametrize(
    ("declared", "column"),
    [("caFile: /gone/ca.pem", 52), ("caFile: ../ca.pem", 52), ("auth: {tokenFile: token}", 50)],
)
def test_a_file_that_may_be_elsewhere_is_a_warning_to_who_calls_no_server(
    here, declared: str, column: int
) -> None:
    here.write(f"server: {{url: {URL}, {declared}}}")
    loaded = here.load(need_server=False)
    (finding,) = loaded.findings
    assert loaded.project is not None
    assert (finding.code, finding.severity) == ("missing-file", Severity.WARNING)
    assert finding.place == Place("reconciler.yaml", 5, column)
    assert finding.message.endswith("` on this machine")
    assert here.finding().is_error, "the server can't be called without it"
    assert here.load(need_access=False).findings == ()


# --- the state -----------------------------------------------------------------------------------


def test_the_warning_about_a_forgotten_state_points_at_it(full) -> None:
    finding = full.finding({"CI": "true", "TOKEN": "t"})
    assert (finding.code, finding.place) == ("state-in-ci", Place("reconciler.yaml", 18, 16))
    assert finding.message == "CI is set, and state.url is a file: a runner forgets it"
    assert full.project({"CI": "true"}, need_server=False).state_url == "file:state/base.json"


# --- signing in ----------------------------------------------------------------------------------


def auth(here, text: str, environ: Mapping[str, str], **flags: Any) -> Any:
    here.write(f"server:\n  url: {URL}\n  auth: {text}")
    return here.project(environ, **flags).server.auth


def test_everything_that_is_wrong_is_said_at_once(here) -> None:
    here.write("resources: [gone]\nserver: {auth: {tokenEnv: T}, caFile: gone.pem}\nguards: {maxDeletes: 1}")
    codes = [finding.code for finding in here.load(state="nope").findings]
    assert codes == ["file-not-found", "missing-url", "missing-secret", "missing-file", "bad-url"]


def test_an_empty_project_file_is_said_to_be_empty(here) -> None:
    (here.root / "reconciler.yaml").write_text("# to do\n")
    finding = here.finding()
    assert finding.message == "project file reconciler.yaml is empty"
    assert "or delete it" in str(finding.hint)


# --- what is wrong hides nothing -----------------------------------------------------------------

WRONG = {
    # what the project file says: the codes of all findings
    "sever: {url: x}": ["unknown-field"],
    "server: {url: 5}": ["wrong-type"],
    "server: {url: 5, caFile: gone.pem, batchSize: 0}": ["wrong-type", "missing-file", "out-of-range"],
    "server: [x]": ["wrong-type"],
    "server: {url: *x}": ["yaml-alias"],
    "zzz: 1": ["unknown-field"],
    "environments: {a: {server: {url: 5}}}": ["wrong-type"],
    "environments: {a: 5}": ["wrong-type"],
    "environments: {a: {}, b: 5}": ["wrong-type"],
    "server: {batchSize: 0}": ["out-of-range"],
    "server: {url: 'https://x', auth: {usernameEnv: U}}": ["missing-field"],
    "server: {url: 'https://x', auth: {tokenEnv: T, tokenFile: t}}": ["exactly-one-of"],
    "server: {url: 'ftp://x'}\nstate: {url: nope}": ["bad-format", "bad-format"],
    "server: {url: 'https://x'}\nguards: {maxDeletes: -1}": ["out-of-range"],
}


@pytest.mark.parametrize("said", WRONG)
def test_what_is_wrong_with_the_project_doesnt_hide_its_resources(here, said: str) -> None:
    (here.root / "a.yaml").touch()
    here.write(f"resources: [a.yaml, gone.yaml, 5]\n{said}")
    loaded = here.load(need_server=False)
    assert loaded.project is None
    assert loaded.resources == (here.root / "a.yaml",)
    codes = [finding.code for finding in loaded.findings]
    assert sorted(codes) == sorted(["file-not-found", "wrong-type", *WRONG[said]])


@pytest.mark.parametrize(
    ("resources", "read"),
    [("resources: 5", False), ("resorces: [a.yaml]", False), ("zzz: 5", False), ("server: {url: 5}", True)],
)
def test_what_the_resources_are_isnt_guessed(here, resources: str, read: bool) -> None:
    """Without the field they are all that stands in the folder."""
    here.write(resources)
    assert here.load().resources == ((here.root,) if read else ())


@pytest.mark.parametrize("environment", ["prodution", "pro duction", ""])
def test_an_unknown_environment_hides_neither_the_project_nor_its_resources(here, environment: str) -> None:
    (here.root / "a.yaml").touch()
    here.write(
        "resources: [a.yaml, gone.yaml]\nserver: {auth: {tokenEnv: T}, batchSize: 0}\n"
        "environments: {production: {server: {url: 'https://x'}}}"
    )
    loaded = here.load(environment=environment)
    assert (loaded.project, loaded.resources) == (None, (here.root / "a.yaml",))
    code = "unknown-environment" if environment else "empty-flag"
    assert {finding.code for finding in loaded.findings} == {"file-not-found", "out-of-range", code}


def test_an_environment_of_which_something_is_wrong_is_not_unknown(here) -> None:
    here.write("environments: {production: 5, staging: {}}\nserver: {auth: {tokenEnv: T}}")
    assert [finding.code for finding in here.load(environment="production").findings] == ["wrong-type"]


def test_the_state_that_ci_forgets_isnt_guessed(here) -> None:
    here.write("server: {url: 'https://x'}\nstate: {url: 5}")
    assert [finding.code for finding in here.load({"CI": "1"}).findings] == ["wrong-type"]


def test_a_file_of_another_kind_tells_nothing(here) -> None:
    (here.root / "reconciler.yaml").write_text(HEAD.replace("Project", "Campaign") + "  {name: x}\n")
    loaded = here.load()
    assert [finding.code for finding in loaded.findings] == ["unknown-kind", "unknown-field"]
    assert loaded.resources == ()


def test_nothing_is_raised(here) -> None:
    """All findings are values, also for what the command line would refuse."""
    try:
        loaded = here.load(file="gone", environment="../x", url="x", state="x", paths=["gone"])
    except ReconcilerError as error:  # the message says which rule was broken
        pytest.fail(f"raised {error!r}")
    assert loaded.project is None


def test_calendars_are_those_of_the_environment_where_it_names_some(here) -> None:
    here.write(
        f"server: {{url: {URL}}}\ncalendars: [nights, company]\n"
        "environments: {a: {}, lab: {calendars: []}, b: {calendars: [days]}}"
    )
    names = {
        name: [each.name for each in here.project({"TOKEN": "t"}, environment=name).calendars]
        for name in (None, "a", "lab", "b")
    }
    assert names == {None: ["nights", "company"], "a": ["nights", "company"], "lab": [], "b": ["days"]}
    assert here.load(environ={"TOKEN": "t"}).apart == ("b", "lab")
    [first, _] = here.project({"TOKEN": "t"}).calendars
    assert first.place is not None
    assert first.place.line > 1
