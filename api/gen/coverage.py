"""Product: docs/api-coverage.md, the one generated text that is committed."""
import collections

HEAD = """# API coverage

Written by `./dev fmt` from `api/{api}.toml`; a test fails when it is stale. An entry that is not listed is refused.

## {api} {version}
| entries | harmless | custom | refused | metered |
|---|---|---|---|---|
| {total} | {harmless} | {custom} | {refuse} | {metered} |

`harmless` is passed on to the driver, `custom` has a hand-written wrapper in `limit/{api}`, `refuse` answers with the API's own error.
`meter` is what the entry costs on the card; `remote` is how a call would travel.

| entry | id | from | limit | meter | remote |
|---|---|---|---|---|---|
"""

EXTENSIONS = """
### Extensions
A hidden extension string is taken out of what programs see.

| extension | string | functions | why |
|---|---|---|---|
"""


def row(entry):
    limit = f"refuse: {entry.why}" if entry.limit == "refuse" else entry.limit
    origin = entry.extension or entry.since
    meter = "" if entry.meter == "none" else entry.meter
    remote = "" if entry.limit == "refuse" else entry.remote
    return f"| {entry.name} | {entry.id} | {origin} | {limit} | {meter} | {remote} |\n"


def extension_row(extension, by_name):
    counts = collections.Counter(by_name[f].limit for f in extension.functions)
    functions = ", ".join(f"{count} {limit}" for limit, count in sorted(counts.items()))
    state = "hidden" if extension.hidden else "visible"
    return f"| {extension.name} | {state} | {functions} | {extension.why} |\n"


def report(spec):
    counts = collections.Counter(e.limit for e in spec.entries)
    by_name = {e.name: e for e in spec.entries}
    metered = sum(e.meter != "none" for e in spec.entries)
    head = HEAD.format(api=spec.api, version=spec.version, total=len(spec.entries),
                       harmless=counts["harmless"], custom=counts["custom"],
                       refuse=counts["refuse"], metered=metered)
    return (head + "".join(map(row, spec.entries)) + EXTENSIONS +
            "".join(extension_row(x, by_name) for x in spec.extensions))
