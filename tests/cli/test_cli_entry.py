"""The command line as such: help, flags, and one clear message with its exit code for everything."""

import io
import logging
import subprocess
import sys
from importlib import import_module

import click
import pytest

from reconciler.cli import main
from reconciler.cli.flags import Flags, global_flags
from reconciler.cli.group import COMMANDS, EXAMPLES, PURPOSES, cli
from reconciler.cli.output import paint_for
from reconciler.cli.running import run as run_async
from reconciler.errors import InvalidInput, Refused, StateError, UsageError
from reconciler.model import Finding, Place
from reconciler.report.terminal import ansi, plain


def test_help_names_every_command_with_the_first_line_of_its_help(run):
    ran = run("--help")
    assert ran.code == 0
    assert ran.err == ""
    for name, line in COMMANDS.items():
        command = cli.get_command(None, name)
        assert command.name == name
        assert command.help.splitlines()[0] == line
        assert f"  {name}" in ran.out
        assert line in ran.out


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_its_help(run, name):
    ran = run(name, "--help")
    assert ran.code == 0
    assert ran.out.startswith(f"Usage: reconciler {name}")
    assert "--no-color" in ran.out


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_shows_an_example_that_its_options_know(run, name):
    example = EXAMPLES[name]
    assert run(name, "--help").out.endswith(f"\n  Example:\n    {example}\n")
    program, *words = example.split()
    assert (program, words[0]) == ("reconciler", name)
    command, context = cli, click.Context(cli, obj=Flags())
    while isinstance(command, click.Group):
        command = command.get_command(context, words.pop(0))
    assert command is not None
    assert not command.make_context(name, words, context).args


def test_help_groups_commands_by_purpose_within_80_columns(run):
    lines = run("--help").out.splitlines()
    assert max(map(len, lines)) <= 80
    for purpose, commands in PURPOSES.items():
        at = lines.index(f"{purpose}:")
        assert [line.split()[0] for line in lines[at + 1 : at + 1 + len(commands)]] == list(commands)
        assert lines[at + 1 + len(commands)] == f"  Example: {EXAMPLES[next(iter(commands))]}"


def test_version(run):
    assert run("--version").out == "reconciler 0.1.0\n"


def test_without_a_command_there_is_help_on_stderr(run):
    ran = run()
    assert (ran.code, ran.out) == (64, "")
    assert "Check and plan:" in ran.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["plam"], "error: There is no command 'plam'. Did you mean 'plan'?"),
        (["zzz"], "error: There is no command 'zzz'. There are: init, trust, doctor,"),
        (["plan", "--nope"], "error: No such option"),
        (["--nope"], "error: No such option"),
        (["plan", "--output", "yaml"], "error: Invalid value for '--output'"),
        (["apply", "--parallelism", "0"], "error: Invalid value for '--parallelism'"),
        (["apply", "--max-rps", "0"], "error: Invalid value for '--max-rps'"),
        (["apply", "--lock-timeout", "-1"], "error: Invalid value for '--lock-timeout'"),
        (["serve", "--port", "70000"], "error: Invalid value for '--port'"),
        (["status", "--limit", "0"], "error: Invalid value for '--limit'"),
        (["campaign", "lst"], "error: There is no command 'campaign lst'. Did you mean 'list'?"),
        (["gateway", "zzz"], "error: There is no command 'gateway zzz'. There are: notify, close,"),
        (["campaign", "show", "PackageSet/fw"], "error: PackageSet/fw isn't a campaign"),
        (["plan", "--project"], "error: Option '--project' requires an argument."),
        (["schema", "Campain"], "error: there is no schema of 'Campain'"),
    ],
)
def test_a_wrong_command_line_is_64(run, arguments, message):
    ran = run(*arguments)
    assert (ran.code, ran.out) == (64, "")
    assert message in ran.err
    assert "  hint: " in ran.err


def test_global_flags_stand_before_or_after_the_command_and_the_last_one_wins(monkeypatch):
    seen = []

    @click.command("validate")
    @global_flags
    @click.pass_obj
    def command(flags):
        seen.append(
            Flags(flags.project, flags.environment, flags.url, flags.state, flags.verbose, flags.no_color)
        )
        return 0

    monkeypatch.setattr(import_module("reconciler.cli.validate"), "command", command)
    assert main(["--project", "a", "-e", "x", "--verbose", "validate", "--project", "b", "--url", "u"]) == 0
    assert main(["validate", "--state", "s", "-v", "--no-color"]) == 0
    assert main(["--url", "", "validate"]) == 0
    assert seen == [
        Flags(project="b", environment="x", url="u", verbose=True),
        Flags(state="s", verbose=True, no_color=True),
        Flags(url=""),
    ]


def failing(monkeypatch, error):
    @click.command("validate")
    @global_flags
    def command():
        raise error

    monkeypatch.setattr(import_module("reconciler.cli.validate"), "command", command)


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (UsageError("wrong", hint="right"), 64, "error: wrong\n  hint: right\n"),
        (StateError("locked\x1b"), 1, "error: locked\\x1b\n"),
        (Refused("403 no", request="PUT /api/x", hint="ask"), 1, "error: PUT /api/x: 403 no\n  hint: ask\n"),
        (ExceptionGroup("two", [StateError("inner"), ValueError()]), 1, "error: inner\n"),
        (click.FileError("f", "gone"), 1, "error: Could not open file 'f': gone\n"),
        (
            PermissionError(13, "Permission denied", "a.yaml"),
            1,
            (
                "error: a.yaml: Permission denied\n"
                "  hint: See that the path is right, and that this user may read and write there\n"
            ),
        ),
        (OSError("odd"), 1, "error: OSError\n"),
        (
            KeyboardInterrupt(),
            1,
            "error: interrupted\n  hint: Nothing is lost: the same command goes on from here.\n",
        ),
        (
            click.Abort(),
            1,
            "error: interrupted\n  hint: Nothing is lost: the same command goes on from here.\n",
        ),
    ],
)
def test_errors_are_one_clear_message(run, monkeypatch, error, code, said):
    failing(monkeypatch, error)
    ran = run("validate")
    assert (ran.code, ran.out, ran.err.lstrip("\n")) == (code, "", said)


def test_invalid_input_lists_its_findings(run, monkeypatch):
    failing(monkeypatch, InvalidInput([Finding("x", "no", Place("a.yaml", 1, 2), "yes")]))
    assert run("validate").err == "a.yaml:1:2: error[x]: no\n  hint: yes\nerror: 1 error in the input\n"


def test_a_bug_says_where_and_never_with_what(run, monkeypatch):
    failing(monkeypatch, KeyError("canary-secret"))
    ran = run("validate")
    assert ran.code == 1
    assert ran.err.startswith("error: this is a bug in reconciler: KeyError in command, ")
    assert "Traceback" not in ran.err
    assert len(ran.err.splitlines()) == 2
    verbose = run("--verbose", "validate")
    assert verbose.code == 1
    assert "raise error" in verbose.err
    assert "canary" not in ran.err + verbose.err


class Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "flags", "env", "paint"),
    [
        (Tty(), Flags(), {}, ansi),
        (io.StringIO(), Flags(), {}, plain),
        (io.StringIO(), Flags(), {"FORCE_COLOR": "1"}, ansi),
        (Tty(), Flags(no_color=True), {}, plain),
        (Tty(), Flags(), {"NO_COLOR": "1"}, plain),
        (Tty(), Flags(), {"NO_COLOR": ""}, ansi),
        (Tty(), Flags(), {"TERM": "dumb"}, plain),
    ],
)
def test_colour(monkeypatch, stream, flags, env, paint):
    monkeypatch.setenv("TERM", "xterm")
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    assert paint_for(stream, flags) is paint


def test_a_pipe_that_ends_early_leaves_no_word(folder):
    command = [sys.executable, "-m", "reconciler", "schema"]
    from cli_runs import environment

    with subprocess.Popen(
        command, cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as made:
        assert made.stdout is not None
        assert made.stderr is not None
        made.stdout.close()
        assert made.stderr.read() == b""
    assert made.returncode == 0


def test_a_terminal_that_lacks_a_character_is_no_error(process):
    ran = process("schema", "Campaign", PYTHONIOENCODING="ascii")
    assert (ran.code, ran.err) == (0, "")


def test_the_log_is_for_the_verbose(capsys):
    async def work():
        logging.getLogger("reconciler.x").info("hello")
        return 7

    logger = logging.getLogger("reconciler")
    before = (logger.level, list(logger.handlers))
    assert run_async(Flags(), work()) == 7
    assert capsys.readouterr().err == ""
    assert run_async(Flags(verbose=True), work()) == 7
    assert capsys.readouterr().err.endswith(" INFO reconciler.x: hello\n")
    assert (logger.level, list(logger.handlers)) == before


def test_the_group_knows_only_its_commands():
    context = click.Context(cli)
    assert cli.list_commands(context) == list(COMMANDS)
    assert cli.get_command(context, "nope") is None


def test_at_its_end_a_process_does_not_look_for_garbage() -> None:
    """What is left is given back to the system anyway; to go through it takes as long as a small command."""
    script = (
        "import atexit, gc, sys\n"
        "atexit.register(lambda: print(len(gc.get_objects()) < 100 < gc.get_freeze_count()))\n"
        "sys.argv = ['reconciler', '--version']\n"
        "from reconciler.cli import main\n"
        "main()\n"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines()[-1] == "True"
