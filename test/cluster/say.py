"""What the cluster's commands tell people."""
import sys


class Failed(Exception):
    """Said in one line, or one and the end of a log: what, and the way out."""


def say(text: str):
    print(f"cluster: {text}", file=sys.stderr, flush=True)
