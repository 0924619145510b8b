"""`export`: a server's campaigns as resources, and what it leaves alone."""


def test_what_is_there_becomes_files(world, run):
    ran = run("export", "--out", "live")
    assert ran.code == 0, ran
    assert f"Server: {world.proxy.url}" in ran.out
    assert "Exported to live: 1 campaign, " in ran.out
    assert "\nFiles: " in ran.out
    assert " new, 0 changed, 0 unchanged.\n" in ran.out
    assert not world.writes()
    again = run("export", "--out", "live")
    assert "Files: 0 new, 0 changed, " in again.out


def test_a_dry_run_says_what_would_be_written_over(world, run):
    assert run("export", "--out", "live").code == 0
    made = sorted((world.folder / "live").rglob("*.yaml"))
    before = made[0].read_text()
    made[0].write_text("# mine now\n" + before)
    made[1].unlink()
    tried = run("export", "--out", "live", "--dry-run")
    assert "Files, of which none was written: 1 new, 1 changed, " in tried.out
    assert f"  new: {made[1].relative_to(world.folder / 'live')}\n" in tried.out
    assert (
        f"  in the way, made or changed by somebody: {made[0].relative_to(world.folder / 'live')}"
        in tried.out
    )
    assert "  written over: " in run("export", "--out", "live", "--dry-run", "--force").out
    assert not made[1].exists()
    assert run("export", "--out", "live").code != 0, "it is in the way"
    assert run("export", "--out", "live", "--force").code == 0
    assert made[0].read_text() == before
