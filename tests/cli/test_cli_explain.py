"""`explain`: fields from the schemas, and where the value of a field comes from; `schema` for all of them."""

import json
from pathlib import Path

import pytest

from reconciler.validation.schema_fields import fields, find
from reconciler.validation.schemas import schema, schema_directory, schema_names

PROJECT = """\
apiVersion: reconciler/v1
kind: Project
metadata: {name: p}
spec:
  resources: [resources]
  environments:
    staging:
      server: {url: 'embedded:'}
      overlays: [overlays/all, overlays/staging]
    production:
      server: {url: 'https://pulse.example.com'}
"""
CAMPAIGN = "apiVersion: reconciler/v1\nkind: Campaign\nmetadata: {name: v1.2}\nspec:\n"


@pytest.fixture
def project(folder: Path) -> Path:
    """A project with two layers of overlays."""
    (folder / "reconciler.yaml").write_text(PROJECT)
    (folder / "resources" / "more.yaml").write_text(
        f"{CAMPAIGN}  description: base\n  settings: {{a.b: x, apiToken: hush, c/d: e}}\n"
        "  desiredStatus: STARTED\n"
    )
    for name, text in (("all", "one"), ("staging", "two")):
        (folder / "overlays" / name).mkdir(parents=True)
        (folder / "overlays" / name / "o.yaml").write_text(f"{CAMPAIGN}  description: {text}\n")
    path = folder / "overlays" / "staging" / "o.yaml"
    path.write_text(path.read_text() + "  desiredStatus:\n  gatewayLists: []\n")
    return folder


def test_a_kind(run):
    made = run("explain", "Campaign")
    assert made.code == 0
    assert made.out.startswith("Campaign\n  An update campaign: which packages go to which gateways")
    assert "\nFields of spec\n" in made.out
    assert "\n  approve  true or false, default false\n      Whether the tool gives the approval" in made.out
    assert "\nExample\n  apiVersion: reconciler/v1\n  kind: Campaign\n" in made.out


def test_everything_there_is(run):
    made = run("explain")
    assert made.code == 0
    for name in ("Campaign", "GatewayList", "Project"):
        assert f"\n{name}\n    " in f"\n{made.out}"
    assert "Documents that are written: " in made.out
    assert "plan" in made.out.splitlines()[-1]


@pytest.mark.parametrize("name", schema_names())
def test_every_field_of_every_schema(run, name):
    """Each can be explained, down to the last, and is found again by the path that is shown."""
    waiting = [find(name)]
    while waiting:
        field = waiting.pop()
        if len(field.path) < 7:
            waiting += fields(field)
        assert str(find(str(field))) == str(field)
    assert run("explain", name).code == 0


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("campaign.DESIRED", None),
        ("campaign.spec.desiredStatus", "  one of STARTED, STOPPED\n"),
        ("Campaign.desiredStatus", "  one of STARTED, STOPPED\n"),
        ("Campaign.schedules.schedule", "  text, required\n"),
        (
            "Campaign.packageOverrides",
            "Exactly one of\n  Override for gateway lists (gatewayLists, packageSet)",
        ),
        ("Campaign.settings", "Each value is one of\n  Plain value: Text that may show.\n"),
        ("Campaign.settings.whatever", "Examples\n  '3'\n\n  fromEnv: LINE3_KEY\n"),
        ("Campaign.settings.whatever.fromEnv", "The name of an environment variable"),
        ("Campaign.metadata.labels.site", "  text\n"),
        ("Campaign.distributionList.reevaluationIntervalSeconds", "  At least 1.\n"),
        ("PackageSet.packages.file", "  text\n"),
        ("PackageSet.packages", "  list of mappings, required\n"),
        ("Schedule.download.begin", "  text\n"),
        (
            "Project.server.auth",
            "Exactly one of\n  Token from the environment (tokenEnv): An access token.\n",
        ),
        ("Project.guards.maxGatewaysRemovedPercent", "  number, default 30\n"),
        ("Project.environments.any.overlays", "Each item stands once.\n"),
        ("Project.server.timeoutSeconds", "  More than 0.\n"),
        ("GatewayList.gateways", "  At most 255 characters.\n"),
        ("plan.summary.steps", "whole number"),
    ],
)
def test_a_field(run, path, said):
    made = run("explain", path)
    if said is None:
        assert made.code == 64
        assert "Did you mean Campaign.spec.desiredStatus?" in made.err
    else:
        assert made.code == 0, made.err
        assert said in made.out


@pytest.mark.parametrize(
    ("path", "message", "hint"),
    [
        ("Campain", "there is no schema of 'Campain'", "Did you mean Campaign?"),
        ("xyzzy", "there is no schema of 'xyzzy'", "There are: Calendar, CallbackSet, Campaign, "),
        (
            "Campaign.schedule",
            "Campaign.spec has no field 'schedule'",
            "Did you mean Campaign.spec.schedules?",
        ),
        ("Campaign.spec.approve.x", "Campaign.spec.approve has no field 'x'", "It has no fields."),
        (
            "Campaign.schedules.zzz",
            "Campaign.spec.schedules has no field 'zzz'",
            "There are: schedule, gatewayLists.",
        ),
        ("Campaign.", "Campaign.spec has no field ''", "There are: "),
    ],
)
def test_a_typo(run, path, message, hint):
    made = run("explain", path)
    assert made.code == 64
    assert f"error: {message}\n  hint: {hint}" in made.err


def test_a_long_description_is_wrapped(run):
    assert max(map(len, run("explain", "Campaign").out.splitlines())) <= 100


# --- --from ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("v1.2.description", """\
Campaign/v1.2 spec.description: "two"
  set at overlays/staging/o.yaml:5:16
  replaces "one", set at overlays/all/o.yaml:5:16
  replaces "base", set at resources/more.yaml:5:16
"""),
        ("campaign/v1.2.spec.desiredStatus", """\
Campaign/v1.2 spec.desiredStatus: not set, so not managed
  unset at overlays/staging/o.yaml:6:17
  replaces "STARTED", set at resources/more.yaml:7:18
"""),
        ("v1.2.gatewayLists", """\
Campaign/v1.2 spec.gatewayLists: []
  set at overlays/staging/o.yaml:7:17
"""),
        ("v1.2.settings.a.b", """\
Campaign/v1.2 spec.settings.a.b: "x"
  set at resources/more.yaml:6:19
"""),
        ("v1.2.settings.apiToken", """\
Campaign/v1.2 spec.settings.apiToken: (plain text, not shown here)
  set at resources/more.yaml:6:32
"""),
        ("v1.2.settings.c/d", """\
Campaign/v1.2 spec.settings.c/d: "e"
  set at resources/more.yaml:6:43
"""),
        ("v1.2.approve", "Campaign/v1.2 spec.approve: set nowhere, so the default false\n"),
        ("v1.2.packageSet", "Campaign/v1.2 spec.packageSet: set nowhere, so not managed\n"),
        ("v1.2.metadata.name", """\
Campaign/v1.2 metadata.name: "v1.2"
  set at overlays/staging/o.yaml:3:18
  replaces "v1.2", set at overlays/all/o.yaml:3:18
  replaces "v1.2", set at resources/more.yaml:3:18
"""),
        ("GatewayList/hall.gateways.1", """\
GatewayList/hall spec.gateways.1: "gw-2"
  set at resources/line.yaml:12:20
"""),
    ],
)  # fmt: skip
def test_where_a_value_comes_from(run, project, text, said):
    made = run("explain", "--from", text, "-e", "staging")
    assert (made.code, made.out) == (0, said), made.err


def test_every_field_of_a_resource(run, project):
    made = run("explain", "--from", "v1.2", "-e", "staging")
    assert [line.split(":")[0] for line in made.out.splitlines() if not line.startswith(" ")] == [
        f"Campaign/v1.2 spec.{name}"
        for name in (
            "description",
            "settings.a.b",
            "settings.apiToken",
            "settings.c/d",
            "desiredStatus",
            "gatewayLists",
        )
    ]


def test_another_environment_has_other_values(run, project):
    plain = 'Campaign/v1.2 spec.description: "base"\n  set at resources/more.yaml:5:16\n'
    assert run("explain", "--from", "v1.2.description").out == plain
    assert run("explain", "--from", "v1.2.description", "-e", "production").out == plain


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--from", "v1.3"], 64, "there is no Campaign of the name 'v1'\n  hint: Did you mean v1.2?"),
        (
            ["--from", "Schedule/night"],
            64,
            "there is no Schedule of the name 'night'\n  hint: No Schedule is declared.",
        ),
        (["--from", "xyzzy"], 64, "hint: There are: line-3, v1.2."),
        (["--from", "v1.2.aprove"], 64, "Did you mean Campaign.spec.approve?"),
        (["--from", "v1.2", "Campaign"], 64, "--from stands alone"),
        (["--from", "v1.2", "-e", "stagin"], 1, "did you mean `staging`?"),
    ],
)
def test_what_is_not_there(run, project, arguments, code, said):
    made = run("explain", *arguments)
    assert made.code == code
    assert said in made.err


def test_what_can_not_be_read_is_said(run, project):
    (project / "resources" / "broken.yaml").write_text("a: [")
    assert run("explain", "--from", "v1.2.description").code == 0
    made = run("explain", "--from", "other")
    assert made.code == 1
    assert "resources/broken.yaml:1:" in made.err


# --- schema ----------------------------------------------------------------------------------------


def test_schema_covers_everything_that_is_published(run):
    assert set(schema_names()) == {path.stem for path in schema_directory().iterdir()}
    for name in schema_names():
        assert json.loads(run("schema", name).out) == schema(name)
        assert json.loads(run("schema", name.upper()).out) == schema(name)


def test_no_such_schema(run):
    made = run("schema", "xyzzy")
    assert made.code == 64
    assert all(name in made.err for name in schema_names())
