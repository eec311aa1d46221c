"""A long history at once, signed and announced like any other: to see how a node bears it.

Rule: nothing is special about what is seeded; only the unit of work holds many posts instead of one.
Source: issue *spine*, `parvis seed`; PERFORMANCE, section 3, goals 7 and 9.
"""

from __future__ import annotations

from collections.abc import Iterator

from node.core.ground import Ground
from node.spaces.services import reading as spaces
from node.spaces.services.spaces import By, saying
from node.threads.services.posting import Draft, Posted, say

AT_ONCE = 200
WORDS = (
    "The deck panels arrive on Thursday; the crane is booked from seven.",
    "Welds 14 to 22 were tested this morning, the report follows.",
    "Please check the tolerance at the north abutment before we pour.",
    "Drawing C shows the new bracket. It replaces revision B.",
    "The river is high: we start one day later and keep the order of work.",
)


def seed(ground: Ground, by: By, space_key: str, posts: int) -> Iterator[int]:
    """Writes one thread of so many posts into a space; how many stand after each unit of work. Raises Absent."""
    begun: Posted | None = None
    done = 0
    while done < posts:
        with saying(ground) as work:
            space = spaces.seen(work.session, space_key, by.actor)
            for number in range(done, min(done + AT_ONCE, posts)):
                text = f"({number + 1}) {WORDS[number % len(WORDS)]}"
                if begun is None:
                    first = Draft(text, "en", "A long discussion")
                    begun = say(ground, work, by, space, first, context=None, reply_to=None)
                else:
                    say(ground, work, by, space, Draft(text, "en"), context=begun.iri, reply_to=begun.iri)
                done = number + 1
        yield done
