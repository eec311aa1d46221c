"""`parvis seed`: a long history like any other."""

from __future__ import annotations

from contextlib import contextmanager

from click.testing import CliRunner

from node.threads.cli import seed_command
from node.threads.services.seeding import seed
from tests.node.spaces.world import House, exchange_all, opened


def test_what_is_seeded_is_signed_announced_and_delivered_like_any_other(
    partners: tuple[House, House],
) -> None:
    aubier, nord = partners
    ines, marie = aubier.person("Inès Le Goff"), nord.person("Marie Lenoir")
    key = aubier.space(ines)
    iri = opened(aubier, nord, key, ines, marie)
    with aubier.ground.database.counting() as counted:
        assert list(seed(aubier.ground, aubier.by(ines), key, 250)) == [200, 250]
    assert counted.commits == 2
    exchange_all(aubier, nord)
    for house in (aubier, nord):
        assert house.count("post") == 250
        assert house.count("thread") == 1
        assert house.fact("SELECT max(rev) - min(rev) FROM post") == 249
    assert nord.fact("SELECT rev FROM space") == aubier.fact("SELECT rev FROM space")
    assert nord.key_of(iri)


def test_the_command_names_what_is_wrong(aubier: House) -> None:
    @contextmanager
    def opened_here():  # type: ignore[no-untyped-def]
        yield aubier.ground

    ines = aubier.person("Inès Le Goff")
    key = aubier.space(ines)
    run = CliRunner().invoke
    done = run(seed_command, ["--space", key, "--posts", "3"], obj=opened_here)
    assert (done.exit_code, done.output) == (0, "3 of 3\n")
    paul = aubier.person("Paul Delmotte")
    for words in (
        ["--space", "nothing", "--posts", "3"],
        ["--space", key, "--posts", "3", "--person", "nobody"],
        ["--space", key, "--posts", "3", "--person", paul.preferred_username],
    ):
        refused = run(seed_command, words, obj=opened_here)
        assert refused.exit_code == 1
        assert refused.output.startswith("Error: ")
    assert aubier.count("post") == 3
