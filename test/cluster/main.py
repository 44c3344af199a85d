#!/usr/bin/env python3
"""A real Kubernetes on one machine, for trying and testing.

The full profile (root): a control machine with etcd, API server, controller manager and scheduler, and two nodes with a kubelet, containerd
and kube-proxy each: card, which has PoCL, and plain, which has neither card nor driver. The control-plane profile (no root): etcd and API
server on loopback, up in seconds. The scheduling profile (no root): controller manager and kube-scheduler besides; nodes are objects that
tests make."""
import argparse
import json
import os
import pathlib
import signal
import sys

import cluster
import flexai
import reach
import servers
from network import Network
from report import lines_of
from say import Failed, say
from state import State

VERBS = {"build": "build the servers, once a machine; `up` does it by itself",
         "up": "bring it up, or back up what of it is down; `./dev cluster up` puts Flexai into a full one as well", "down": "end it and remove all it made but the built servers",
         "status": "what runs; exit code 0: all of it, 1: a part, 3: there is no cluster", "kubectl": "run kubectl as administrator",
         "helm": "run helm as administrator; the first time builds it",
         "stop": "end one of its processes (SIGTERM); `up` starts it again", "kill": "the same by SIGKILL",
         "on": "run a command on a machine: control, card, plain or second; it sees what a program there sees",
         "install": "put Flexai into it: the image of a build, certificates, deploy/kustomize; again: the new build",
         "load": "put an image (a tar: OCI layout or docker archive) on every node"}

ROOT = pathlib.Path(__file__).resolve().parents[2]
BEFORE_OTHERS = {"kubectl": 1, "helm": 1, "on": 2}  # how many words are still ours


def default_cache():
    named = os.environ.get("FLEXAI_CACHE")
    return pathlib.Path(named) if named else pathlib.Path.home() / ".cache" / "flexai"


def parse(words):
    parser = argparse.ArgumentParser(prog="./dev cluster", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--state", type=pathlib.Path, help="folder of this cluster; one each for several; default: below the cache")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for name, text in VERBS.items():
        verb = verbs.add_parser(name, help=text, description=text)
        # After the verb as well; not given there it does not undo what was given before.
        verb.add_argument("--state", type=pathlib.Path, default=argparse.SUPPRESS, help=argparse.SUPPRESS)
        if name == "build":
            verb.add_argument("--check", action="store_true", help="only say by the exit code whether all is built")
        if name in ("build", "up"):
            verb.add_argument("--profile", choices=[cluster.FULL, cluster.SMALL, cluster.SCHEDULING], default=cluster.FULL)
        if name == "up":
            verb.add_argument("--network", metavar="N.N", help=f"the first two numbers of all its addresses ({cluster.NETWORK})")
        if name == "up":
            verb.add_argument("--second-card", action="store_true", help="a third node, second, that has a card as well")
            verb.add_argument("--flexai", metavar="BUILD", type=pathlib.Path, help="put Flexai into it, from this build folder")
        if name in ("status", "up"):
            verb.add_argument("--json", action="store_true", help="tell as JSON")
        if name in ("stop", "kill"):
            verb.add_argument("process", help="as `status` names it")
        if name == "load":
            verb.add_argument("archive", type=pathlib.Path)
        if name == "install":
            verb.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / os.environ.get("FLEXAI_PRESET", "dev"))
        if name == "on":
            verb.add_argument("machine")
    own, passed = split(words)
    args = parser.parse_args(own)
    args.words = passed
    return args


def split(words):
    """(ours, those that are for the program behind `kubectl` or `on MACHINE`)."""
    for at, word in enumerate(words):
        if word in BEFORE_OTHERS:
            return words[:at + BEFORE_OTHERS[word]], words[at + BEFORE_OTHERS[word]:]
    return words, []


def tell(facts, as_json):
    print(json.dumps(facts, indent=1) if as_json else "\n".join(lines_of(facts)))
    return {"up": 0, "partly": 1, "none": 3}[facts["state"]]


def existing(state, cache):
    if not state.exists:
        raise Failed("there is no cluster: ./dev cluster up")
    return cluster.Cluster(state, cache)


def build(args, builder):
    wanted = cluster.NEEDED[args.profile]
    if getattr(args, "check", False):
        return 1 if builder.missing(wanted) else 0
    builder.build(wanted)
    return 0


def go_up(args, state, cache):
    if state.exists:
        chosen = state.read()
        if chosen["profile"] != args.profile or args.network not in (None, chosen["network"]):
            raise Failed(f"the cluster in {state.folder} is a {chosen['profile']} one on {chosen['network']}; ./dev cluster down ends it")
    else:
        network = args.network or cluster.NETWORK
        if args.profile == cluster.FULL:
            cluster.check_host(state, Network(network))
        chosen = {"profile": args.profile, "network": network, "ports": [cluster.free_port() for _ in range(5)],
                  "second": args.second_card and args.profile == cluster.FULL}
    build(args, servers.Servers(cache))
    with state.lock():
        if not state.exists:
            state.create(chosen)
        one = cluster.Cluster(state, cache)
        one.up()
        if args.flexai:
            install(one, state, args.flexai)
        code = tell(one.facts(), args.json)
        if args.flexai:
            say("next: kubectl apply -f examples/, then: kubectl flexai top")
        return code


def install(one, state, folder: pathlib.Path):
    flexai.Flexai(one, state.folder, folder.absolute()).install()
    facts = one.facts()
    if os.geteuid() == 0:
        reach.Reach(state.folder).give(facts["kubectl"], folder.absolute() / "bin" / "kubectl-flexai", facts["kubeconfig"])


def go_down(state):
    with state.lock():
        if state.exists or (state.folder.exists() and state.empty):
            reach.Reach(state.folder).take()
            cluster.down(state)
        else:
            say("there is no cluster")
            return 0
    say("down; nothing of it is left but the built servers")
    return 0


def run(args):
    cache = default_cache() / "cluster"
    state = State(args.state or cache / "state")
    if args.verb == "build":
        return build(args, servers.Servers(cache))
    if args.verb == "up":
        return go_up(args, state, cache)
    if args.verb == "down":
        return go_down(state)
    if args.verb == "status":
        return tell(cluster.Cluster(state, cache).facts() if state.exists else {"state": "none", "folder": str(state.folder)}, args.json)
    one = existing(state, cache)
    if args.verb == "kubectl":
        return one.call_kubectl(args.words)
    if args.verb == "helm":
        one.servers.build([servers.HELM])
        return one.call_helm(args.words)
    if args.verb == "on":
        return one.call_on(args.machine, args.words)
    with state.lock():
        if args.verb == "load":
            one.load(args.archive)
        elif args.verb == "install":
            flexai.Flexai(one, state.folder, args.build.absolute()).install()
        else:
            one.stop(args.process, signal.SIGTERM if args.verb == "stop" else signal.SIGKILL)
    return 0


def main():
    try:
        sys.exit(run(parse(sys.argv[1:])))
    except Failed as error:
        print(f"cluster: {error}", file=sys.stderr)
    except PermissionError as error:
        print(f"cluster: {error.filename}: {error.strerror}; run it as who brought the cluster up", file=sys.stderr)
    except OSError as error:
        print(f"cluster: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        print("cluster: stopped half-way; ./dev cluster up goes on, ./dev cluster down clears all away", file=sys.stderr)
    sys.exit(1)


if __name__ == "__main__":
    main()
