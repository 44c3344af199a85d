"""Asks the API server as the administrator: what set-up and status need, no more."""
import http.client
import json
import ssl
import urllib.error
import urllib.request

from authority import Authority


class ApiServer:
    def __init__(self, address: str, authority: Authority, who: str = "admin"):
        self.address, self.authority, self.who = address, authority, who

    def ask(self, path: str, body=None):
        """(status, JSON or text); status 0 when nobody answers."""
        a = self.authority
        try:
            context = ssl.create_default_context(cafile=a.certificate("ca"))
            context.load_cert_chain(a.certificate(self.who), a.key(self.who))
        except OSError:
            return 0, "there are no certificates"
        # What is on this machine is not asked for by way of a proxy.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.address + path, data=data, headers={"Content-Type": "application/json"})
        try:
            with opener.open(request, timeout=5) as answer:
                return answer.status, parsed(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, parsed(error.read())
        except (OSError, http.client.HTTPException) as error:
            return 0, str(error)

    def ready(self):
        return self.ask("/readyz")[0] == 200

    def ready_nodes(self):
        status, nodes = self.ask("/api/v1/nodes")
        return ready_in(nodes) if status == 200 else set()


def parsed(content: bytes):
    try:
        return json.loads(content)
    except ValueError:
        return content.decode(errors="replace")


def ready_in(nodes):
    """The names of those Ready in a list of nodes."""
    return {node["metadata"]["name"] for node in nodes["items"]
            if any(c["type"] == "Ready" and c["status"] == "True" for c in node["status"].get("conditions", []))}
