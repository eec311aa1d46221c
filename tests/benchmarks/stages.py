"""What is measured, one function each. Each takes the pair and the figures, and leaves the pair idle and whole.

Rule: "visible" is when the answer to the partner's long poll has been read whole by a client there. Source:
PERFORMANCE, section 3.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from itertools import pairwise

from tests.benchmarks import meter
from tests.benchmarks.figures import Figures
from tests.benchmarks.pair import SENDERS, Pair, drive
from tests.benchmarks.watching import Watcher
from tests.benchmarks.wire import Line, Unexpected

WINDOW = 40
ARRIVAL_S = 30.0
SETTLE_S = 2.0
SEED_S = 240.0
LATEST = 20


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much of each is done."""

    sequential: int
    two_hops: int
    loop: int
    rate: int
    burst: int
    outage_s: float
    missed: int
    before_memory: int
    small: int
    large: int
    reads: int


FULL = Sizes(
    sequential=200,
    two_hops=150,
    loop=2000,
    rate=800,
    burst=1000,
    outage_s=20.0,
    missed=300,
    before_memory=10_000,
    small=1_000,
    large=100_000,
    reads=200,
)
QUICK = Sizes(
    sequential=15,
    two_hops=10,
    loop=80,
    rate=60,
    burst=80,
    outage_s=2.0,
    missed=20,
    before_memory=0,
    small=50,
    large=400,
    reads=20,
)


def idle_memory(pair: Pair, sizes: Sizes, figures: Figures) -> None:
    """PSS of both after they were peered and furnished, and some rest."""
    time.sleep(SETTLE_S if sizes is FULL else 0.2)
    figures["memory_idle_sender"] = meter.pss_mib(pair.sender.node.pids())
    figures["memory_idle_receiver"] = meter.pss_mib(pair.receiver.node.pids())


def sequential(pair: Pair, sizes: Sizes, figures: Figures) -> None:
    """One message after the other: each is visible at the partner before the next is sent."""
    (line,) = pair.sending_lines(1)
    with pair.watcher(pair.receiver, "yann") as watcher:
        for _ in range(5):  # connections, caches
            watcher.when(pair.post(line), ARRIVAL_S)
        accepted, visible = [], []
        before = pair.cpu()
        for _ in range(sizes.sequential):
            begun = time.monotonic()
            post = pair.post(line)
            accepted.append(time.monotonic() - begun)
            visible.append(watcher.when(post, ARRIVAL_S) - begun)
        spent = pair.cpu().since(before, sizes.sequential)
    figures["send_accepted_p50"] = 1000 * meter.percentile(accepted, 0.5)
    figures["send_to_visible_p50"] = 1000 * meter.percentile(visible, 0.5)
    figures["send_to_visible_p95"] = 1000 * meter.percentile(visible, 0.95)
    figures["cpu_sequential_sender"] = spent.sender
    figures["cpu_sequential_receiver"] = spent.receiver


def two_hops(pair: Pair, sizes: Sizes, figures: Figures) -> None:
    """The member's node posts, the host orders and announces, the member's node shows it accepted."""
    line = pair.line(pair.receiver, "yann")
    with pair.watcher(pair.receiver, "yann", lambda post: post["rev"] is not None) as watcher:
        took = []
        for _ in range(5 + sizes.two_hops):
            begun = time.monotonic()
            post = pair.post(line, pair.receiver)
            took.append(watcher.when(post, ARRIVAL_S) - begun)
    figures["two_hops_p50"] = 1000 * meter.percentile(took[5:], 0.5)
    figures["two_hops_p95"] = 1000 * meter.percentile(took[5:], 0.95)


def loop_of_40(pair: Pair, sizes: Sizes, figures: Figures) -> None:
    """Forty messages on their way at any time; each that becomes visible lets the next go."""
    with pair.watcher(pair.receiver, "yann") as watcher:
        before, begun = pair.cpu(), time.monotonic()
        _loop(pair, watcher, sizes.loop)
        took = time.monotonic() - begun
        spent = pair.cpu().since(before, sizes.loop)
    figures["cpu_loop_of_40_sender"] = spent.sender
    figures["cpu_loop_of_40_receiver"] = spent.receiver
    figures["cpu_loop_of_40_both"] = spent.sender + spent.receiver + spent.database
    figures["cpu_loop_of_40_client"] = spent.client
    figures["cpu_database"] = spent.database
    figures["rate_loop_of_40"] = sizes.loop / took


def rates(pair: Pair, sizes: Sizes, figures: Figures) -> None:
    """From the first send to the last that is visible; every one must be."""
    for senders, name in ((1, "rate_1_sender"), (SENDERS, "rate_8_senders")):
        lines = pair.sending_lines(senders)
        with pair.watcher(pair.receiver, "yann") as watcher:
            begun = time.monotonic()
            posts = gathered(pair, lines, sizes.rate)
            watcher.wait_for(posts, ARRIVAL_S)
            figures[name] = sizes.rate / (watcher.seen[-1][1] - begun)


def burst(pair: Pair, sizes: Sizes, figures: Figures) -> None:
    """Eight senders at once, as fast as the node takes them: all of them arrive, each author's in order, once."""
    lines = pair.sending_lines(SENDERS)
    by_author: dict[int, list[str]] = {id(line): [] for line in lines}
    with pair.watcher(pair.receiver, "yann") as watcher:
        drive(lines, sizes.burst, lambda _, line: by_author[id(line)].append(pair.post(line)))
        accepted_at = time.monotonic()
        posts = [post for each in by_author.values() for post in each]
        missing = _missing(watcher, posts)
        order = {post: place for place, (post, _) in enumerate(watcher.seen)}
        wrong = sum(
            order[later] < order[earlier]
            for each in by_author.values()
            for earlier, later in pairwise(each)
            if earlier in order and later in order
        )
        figures["burst_missing"] = missing
        figures["burst_doubled"] = len(watcher.doubled)
        figures["burst_out_of_order"] = wrong
        figures["burst_drained_after"] = max(0.0, watcher.seen[-1][1] - accepted_at)


def outage(pair: Pair, sizes: Sizes, figures: Figures) -> None:
    """The partner is killed, misses posts, comes back: how long until all are visible there."""
    (line,) = pair.sending_lines(1)
    with pair.watcher(pair.receiver, "yann") as watcher:
        pair.receiver.node.kill()
        posts: list[str] = []
        begun = time.monotonic()
        for number in range(sizes.missed):
            time.sleep(max(0.0, begun + sizes.outage_s * number / sizes.missed - time.monotonic()))
            posts.append(pair.post(line))
        time.sleep(max(0.0, begun + sizes.outage_s - time.monotonic()))
        started = time.monotonic()
        pair.receiver.node.start()
        pair.receiver.node.wait_ready()
        answered = time.monotonic()
        missing = _missing(watcher, posts)
        figures["start"] = answered - started
        figures["outage_missing"] = missing
        figures["outage_doubled"] = len(watcher.doubled)
        if not missing:
            figures["outage_visible_after"] = max(0.0, max(map(watcher.at, posts)) - answered)


def pause(pair: Pair, sizes: Sizes, figures: Figures) -> None:
    """The partner hangs (SIGSTOP): the sender's own pages must not; nothing is lost."""
    (line,) = pair.sending_lines(1)
    with pair.watcher(pair.receiver, "yann") as watcher:
        pair.receiver.node.signal(signal.SIGSTOP)
        try:
            took, posts = [], []
            until_s = time.monotonic() + min(sizes.outage_s, 5.0)
            while time.monotonic() < until_s:
                begun = time.monotonic()
                posts.append(pair.post(line))
                took.append(time.monotonic() - begun)
                time.sleep(0.02)
        finally:
            pair.receiver.node.signal(signal.SIGCONT)
        watcher.wait_for(posts, ARRIVAL_S)
    figures["send_accepted_while_partner_hangs_p95"] = 1000 * meter.percentile(took, 0.95)


def memory_after(pair: Pair, sizes: Sizes, figures: Figures) -> None:
    """PSS once so many messages went through these processes (the receiver began anew in the outage)."""
    with pair.watcher(pair.receiver, "yann") as watcher:
        _loop(pair, watcher, max(1, sizes.before_memory - pair.sent))
    time.sleep(SETTLE_S if sizes is FULL else 0.2)
    figures["memory_after_sender"] = meter.pss_mib(pair.sender.node.pids())
    figures["memory_after_receiver"] = meter.pss_mib(pair.receiver.node.pids())
    figures["messages_before_memory_after"] = pair.sent


def gathered(pair: Pair, lines: list[Line], count: int) -> list[str]:
    """So many posts sent over these lines; their IRIs."""
    posts: list[str] = []
    drive(lines, count, lambda _, line: posts.append(pair.post(line)))
    return posts


def _loop(pair: Pair, watcher: Watcher, count: int) -> None:
    """`count` messages by eight senders, forty on their way at most; comes back when all are visible."""
    window = threading.Semaphore(WINDOW)
    before = watcher.count()
    released = 0

    def release() -> None:
        nonlocal released
        while released < count:
            watcher.wait_count(before + released + 1, ARRIVAL_S)
            now = watcher.count() - before
            window.release(now - released)
            released = now

    def send(_: int, line: Line) -> None:
        if not window.acquire(timeout=ARRIVAL_S):
            raise TimeoutError(f"{watcher.count() - before} of {count} became visible.")
        pair.post(line)

    releasing = threading.Thread(target=release, daemon=True)
    releasing.start()
    drive(pair.sending_lines(SENDERS), count, send)
    watcher.wait_count(before + count, ARRIVAL_S)
    releasing.join()


def _missing(watcher: Watcher, posts: list[str]) -> int:
    try:
        watcher.wait_for(posts, ARRIVAL_S)
    except TimeoutError:
        seen = {post for post, _ in watcher.seen}
        return sum(post not in seen for post in posts)
    return 0


def disk(pair: Pair, figures: Figures, before: dict[str, int], messages: int) -> None:
    """What the database of each grew by, per message."""
    for house, name in (
        (pair.sender, "disk_per_message_sender"),
        (pair.receiver, "disk_per_message_receiver"),
    ):
        slug = house.organisation.slug
        figures[name] = (pair.databases.size(slug, pair.folder) - before[slug]) / messages


def sizes_on_disk(pair: Pair) -> dict[str, int]:
    """Bytes of each database, by slug."""
    return {
        house.organisation.slug: pair.databases.size(house.organisation.slug, pair.folder)
        for house in (pair.sender, pair.receiver)
    }


def reading(pair: Pair, sizes: Sizes, figures: Figures) -> None:
    """The latest 20 posts of a short and of a long thread, in turns, so that both meet the same machine."""
    before = pair.databases.size(pair.sender.organisation.slug, pair.folder)
    paths, took_s = [], 0.0
    for posts in (sizes.small, sizes.large):
        space = pair.sender.admin.post("/spaces", name=f"{posts} messages", purpose="")["key"]
        begun = time.monotonic()
        seed(pair, space, posts)
        took_s += time.monotonic() - begun
        (thread,) = pair.line(pair.sender, "camille").get(f"/spaces/{space}/threads?limit=1")["items"]
        paths.append(f"/threads/{thread['key']}?limit={LATEST}")
    seeded = sizes.small + sizes.large
    figures["seed_rate"] = seeded / took_s
    figures["disk_per_seeded_post"] = (
        pair.databases.size(pair.sender.organisation.slug, pair.folder) - before
    ) / seeded
    line = pair.line(pair.sender, "camille")
    took: dict[str, list[float]] = {path: [] for path in paths}
    for _ in range(sizes.reads):
        for path in paths:
            begun = time.monotonic()
            answer = line.get(path)
            took[path].append(time.monotonic() - begun)
            if len(answer["items"]) != LATEST:
                raise Unexpected(f"{path} gave {len(answer['items'])} posts.")
    small, large = (1000 * meter.percentile(took[path], 0.5) for path in paths)
    figures["read_latest_20_small"] = small
    figures["read_latest_20_large"] = large
    figures["read_growth"] = large / small


def seed(pair: Pair, space: str, posts: int) -> None:
    """`parvis seed`: signed history, written in batches."""
    node = pair.sender.node
    words = [sys.executable, "-m", "node.cli", "seed", "--space", space, "--posts", str(posts)]
    done = subprocess.run(
        words, env=node.environment, capture_output=True, text=True, timeout=SEED_S, check=False
    )
    if done.returncode:
        raise Unexpected(f"parvis seed ended with {done.returncode}: {done.stderr.strip()[-500:]}")
