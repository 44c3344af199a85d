"""What `status` and the end of `up` show."""


def table(rows):
    """Lines of columns as wide as their widest cell."""
    widths = [max(len(str(row[column])) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(str(cell).ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]


def lines_of(facts):
    """Of the facts of a cluster, as Cluster.facts gives them."""
    if facts["state"] == "none":
        return ["there is no cluster: ./dev cluster up"]
    lines = table([("PROCESS", "PID"), *((name, pid or "does not run") for name, pid in facts["processes"].items())])
    if facts["nodes"]:
        lines += ["", *table([("NODE", "READY", "ADDRESS", "SEES"), *(
            (name, "yes" if node["ready"] else "no", node["address"], "PoCL" if node["card"] else "no card, no driver")
            for name, node in facts["nodes"].items())])]
    if not facts["ready"]:
        lines += ["", f"the API server does not answer; its log is {facts['folder']}/log/kube-apiserver.log"]
    if facts["state"] == "partly":
        lines += ["", "./dev cluster up starts what is down"]
    where = "" if facts["folder"].endswith("/cluster/state") else f" --state {facts['folder']}"
    return [*lines, "", f"API server  {facts['server']}", f"kubeconfig  {facts['kubeconfig']}", f"kubectl     {facts['kubectl']}",
            f"try         ./dev cluster{where} kubectl get {'nodes' if facts['nodes'] else 'namespaces'}",
            f"or          export KUBECONFIG={facts['kubeconfig']}"]
