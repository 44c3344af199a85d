"""What deploy/ gives to a cluster, without the programs that cluster users have: the base of kustomize, and the chart, in as much of the
language of templates as the chart keeps to. chart_programs_test.py compares with kubectl's and helm's own answers.

Of templates: {{ .Values.x.y }}, {{ .Release.Namespace }}, toJson PATH, if PATH, with PATH, end; {{- takes the blanks before it."""
import json
import pathlib
import re

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
CHART = ROOT / "deploy" / "charts" / "flexai"
ACTION = re.compile(r"(\s*\{\{-|\{\{)\s*(.*?)\s*\}\}", re.S)
PATH = re.compile(r"\.(?:[A-Za-z]\w*(?:\.[A-Za-z]\w*)*)?$")


class NotKnown(Exception):
    """It uses more of the language than the chart is to use."""


def key_of(one):
    return one["kind"], one["metadata"].get("namespace", ""), one["metadata"]["name"]


def by_key(documents):
    found = {}
    for one in documents:
        if one is not None:
            if key_of(one) in found:
                raise NotKnown(f"{key_of(one)} is there twice")
            found[key_of(one)] = one
    return found


def base(folder=ROOT / "deploy" / "kustomize"):
    """The objects of a kustomization: its resources; of what it may change, the tags of images alone, which are those that the files have."""
    told = yaml.safe_load((folder / "kustomization.yaml").read_text(encoding="utf-8"))
    if set(told) - {"resources", "images"}:
        raise NotKnown(f"{folder}: {set(told)}")
    documents = []
    for name in told["resources"]:
        path = (folder / name).resolve()
        if path.is_dir():
            documents += base(path).values()
        else:
            documents += yaml.safe_load_all(path.read_text(encoding="utf-8"))
    for image in told.get("images", []):
        if f"{image['name']}:{image['newTag']}" not in json.dumps(documents):
            raise NotKnown(f"{folder} gives {image['name']} the tag {image['newTag']}, the files another one")
    return by_key(documents)


def value_at(path, scopes, what):
    if not PATH.match(path):
        raise NotKnown(f"{what}: {path}")
    here = scopes[-1] if not path.startswith((".Values", ".Release")) else scopes[0]
    for part in path.strip(".").split(".") if path != "." else []:
        if not isinstance(here, dict) or part not in here:
            raise NotKnown(f"{what}: no value {path}")
        here = here[part]
    return here


def rendered(text, facts, what):
    """`text` with `facts` ({"Values": ..., "Release": ...}) in it."""
    out, scopes, shown, at = [], [facts], [True], 0
    for found in ACTION.finditer(text):
        before = text[at:found.start()]
        at = found.end()
        if shown[-1]:
            out.append(before)
            if not found.group(1).endswith("-"):
                out.append(found.group(1)[:-2])
        words = found.group(2).split()
        if words == ["end"]:
            if len(scopes) == 1:
                raise NotKnown(f"{what}: an end of nothing")
            scopes.pop()
            shown.pop()
        elif words[0] in ("if", "with") and len(words) == 2:
            value = value_at(words[1], scopes, what) if shown[-1] else None
            shown.append(shown[-1] and bool(value))
            scopes.append(value if words[0] == "with" and shown[-1] else scopes[-1])
        elif not shown[-1]:
            continue
        elif words[0] == "toJson" and len(words) == 2:
            out.append(json.dumps(value_at(words[1], scopes, what)))
        elif len(words) == 1:
            out.append(str(value_at(words[0], scopes, what)))
        else:
            raise NotKnown(f"{what}: {found.group(2)}")
    if len(scopes) != 1:
        raise NotKnown(f"{what}: an end is missing")
    return "".join(out) + text[at:]


def merged(values, other):
    """Helm's way: objects part by part, all else as a whole."""
    if not (isinstance(values, dict) and isinstance(other, dict)):
        return other
    return values | {key: merged(values[key], other[key]) if key in values else other[key] for key in other}


def defaults():
    return yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))


def chart(values=None, namespace="flexai-system"):
    facts = {"Values": merged(defaults(), values or {}), "Release": {"Namespace": namespace}}
    documents = []
    for path in sorted((CHART / "templates").glob("*.yaml")):
        documents += yaml.safe_load_all(rendered(path.read_text(encoding="utf-8"), facts, path.name))
    return by_key(documents)


def differences(one, other):
    """One line for each object that only one has, or that is another one."""
    lines = [f"only in the first: {key}" for key in sorted(one.keys() - other.keys())]
    lines += [f"only in the second: {key}" for key in sorted(other.keys() - one.keys())]
    return lines + [f"{key}: {json.dumps(one[key], sort_keys=True)} and {json.dumps(other[key], sort_keys=True)}"
                    for key in sorted(one.keys() & other.keys()) if one[key] != other[key]]
