"""Every bound of the protocol: name with unit, value, and where it stands.

Source: PROTOCOL 1.3, 2.0, 2.i; SECURITY TH-06, TH-07, TH-27, TH-28, TH-31, F4.
"""

MAX_JSON_DEPTH = 32
MAX_SAFE_INTEGER = 2**53 - 1  # RFC 7493, section 2.2
MAX_KEY_CHARS = 256

CLOCK_SKEW_S = 300
SIGNATURE_LIFETIME_S = 300
NONCE_MEMORY_S = 900
MIN_NONCE_CHARS = 16

MAX_LINE_BYTES = 256 * 1024
MAX_BATCH_BYTES = 1024 * 1024
MAX_BATCH_LINES = 200
GATHERED_LINES = 50  # a batch while another is in flight; MAX_BATCH_LINES in catch-up
MAX_ACTIVITY_BYTES = 256 * 1024  # the single-activity inbox

MAX_LEAVES = 8000  # of a copy, in one answer; a bucket is never cut
MAX_LEAVES_BYTES = 16 * 1024 * 1024
MAX_OUTBOX_BYTES = 8 * 1024 * 1024  # Announces asked for by rev, MAX_BATCH_LINES at most

MAX_ADDRESSES = 500
MAX_ATTACHMENTS = 20
MAX_TAGS = 100
MAX_TYPE_CHARS = 100
MAX_REV_GAP = 10_000  # holes that one Announce may open in a space

CONNECT_TIMEOUT_S = 3.0
TOTAL_DEADLINE_S = 10.0
MAX_JSON_ANSWER_BYTES = 1024 * 1024
MAX_REDIRECTS = 2
CLIENT_IDLE_S = 60.0  # a server of ours keeps an idle connection longer (gunicorn keepalive >= 75)
MAX_IDLE_CONNECTIONS = 4  # per origin
MAX_HEAD_BYTES = 128 * 1024  # of an answer, with the framing of its body

MAX_IRI_CHARS = 2048
MAX_HOST_CHARS = 253
