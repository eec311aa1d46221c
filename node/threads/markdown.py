"""From what people type to the HTML that is kept, and from strangers' HTML to the same few elements.

Rule: all HTML passes `clean` on the node that shows it, whoever made it (DECISIONS 11). No picture, no style, no
script, no form: a browser of ours loads nothing from a partner. Source: SECURITY TH-33, TH-34, C23,
H4; https://nh3.readthedocs.io; https://markdown-it-py.readthedocs.io.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from html import escape, unescape
from typing import Any

_INLINE = {"a", "br", "code", "del", "em", "s", "span", "strong"}
_BLOCKS = {"blockquote", "h3", "h4", "h5", "hr", "li", "ol", "p", "pre", "ul"}
_TABLES = {"table", "tbody", "td", "th", "thead", "tr"}
TAGS = frozenset(_INLINE | _BLOCKS | _TABLES)
ATTRIBUTES = {"a": {"href"}, "ol": {"start"}, "span": {"class"}, "th": {"scope"}}
CLASSES = {"span": {"mention"}}
SCHEMES = frozenset({"http", "https", "mailto"})
LINK_REL = "noopener noreferrer nofollow"
EXCERPT_CHARS = 240

MENTION = re.compile(r"(?<![\w@./-])@([a-z0-9][a-z0-9._-]*(?:@[a-z0-9][a-z0-9.:-]*)?)", re.IGNORECASE)

_HEADINGS = {"h1": "h3", "h2": "h4", "h3": "h5", "h4": "h5", "h5": "h5", "h6": "h5"}
_BREAKS = re.compile(r"</(?:p|li|h[3-5]|blockquote|pre|tr)>|<br>")
_TAG = re.compile(r"<[^<>]*>")


def clean(html: str) -> str:
    """The HTML with the few elements that a post may have; everything else goes, `script` and `style` with content."""
    return str(_cleaner()(html))


def render(text: str, mentions: Mapping[str, str] = {}) -> str:
    """Markdown to HTML that holds no markup of the writer's. `mentions`: handle as typed -> name to show.

    Like all HTML it is cleaned where it is taken in to be shown, here and at every partner's.
    """
    named = {"mentions": {key.lower(): name for key, name in mentions.items()}}
    return str(_parser().render(text, named))


def handles(text: str) -> list[str]:
    """The handles that a text mentions, as typed without the @, each once; those in code are none."""
    found: dict[str, None] = {}
    for block in _parser().parse(text, {}):
        for token in block.children or ():
            if token.type == "text":
                found.update((match[1].rstrip(".-"), None) for match in MENTION.finditer(token.content))
    return list(found)


def excerpt(html: str) -> str:
    """The beginning of a post as plain text, on one line."""
    text = " ".join(unescape(_TAG.sub("", _BREAKS.sub(" ", html))).split())
    return text if len(text) <= EXCERPT_CHARS else text[:EXCERPT_CHARS].rsplit(" ", 1)[0] + "…"


@cache
def _cleaner() -> Any:
    import nh3

    cleaner = nh3.Cleaner(
        tags=set(TAGS),
        attributes={tag: set(names) for tag, names in ATTRIBUTES.items()} | {"span": set()},
        allowed_classes={tag: set(names) for tag, names in CLASSES.items()},
        url_schemes=set(SCHEMES),
        link_rel=LINK_REL,
        strip_comments=True,
    )
    return cleaner.clean


@cache
def _parser() -> Any:
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": False, "linkify": True, "breaks": True})
    parser.enable(["linkify", "strikethrough", "table"])
    parser.disable(["image", "html_block", "html_inline"])
    parser.add_render_rule("heading_open", _heading)
    parser.add_render_rule("heading_close", _heading)
    parser.add_render_rule("text", _text)
    return parser


def _heading(renderer: Any, tokens: Any, index: int, options: Any, env: Any) -> str:  # noqa: ARG001 - its signature
    token = tokens[index]
    name = _HEADINGS[token.tag]
    return f"<{name}>" if token.nesting == 1 else f"</{name}>\n"


def _text(renderer: Any, tokens: Any, index: int, options: Any, env: Any) -> str:  # noqa: ARG001 - its signature
    names: Mapping[str, str] = env.get("mentions", {})
    text, said, at = tokens[index].content, [], 0
    for match in MENTION.finditer(text):
        handle = match[1].rstrip(".-")
        name = names.get(handle.lower())
        if name is None:
            continue
        end = match.start() + 1 + len(handle)
        said += [escape(text[at : match.start()]), f'<span class="mention">@{escape(name)}</span>']
        at = end
    return "".join([*said, escape(text[at:])])
