"""etcd, API server, controller manager and scheduler, each as its project ships it."""
import dataclasses
import os
import pathlib

from api_server import ApiServer
from authority import Authority
from machine import Machine
from processes import Processes
from servers import Servers
from say import say

# In 1.36 it is beta; named so that an older server says that it does not know it.
FEATURES = "DRAConsumableCapacity=true"
QUICK = ["--kube-api-qps=5000", "--kube-api-burst=5000"]  # the default of 20 a second would hide everything else
KUBELET_CLIENT = "kube-apiserver-kubelet-client"


@dataclasses.dataclass(frozen=True)
class Doors:
    """Where the control plane listens."""
    host: str
    api: int = 6443
    etcd: int = 2379
    peer: int = 2380
    controllers: int = 10257
    scheduler: int = 10259

    @property
    def server(self):
        return f"https://{self.host}:{self.api}"


class ControlPlane:
    """`machine`: what it runs on; None: on the host itself, with its loopback addresses, without nodes and without root."""

    def __init__(self, place: pathlib.Path, servers: Servers, processes: Processes, machine: Machine | None, doors: Doors,
                 controllers: bool = True):
        self.place, self.servers, self.processes, self.machine, self.doors = place, servers, processes, machine, doors
        self.controllers = controllers
        self.authority = Authority(place / "pki")
        # Signs nothing but the name under which the API server passes calls on to others: its own, so that it vouches for nobody else.
        self.front = Authority(place / "pki" / "front-proxy")
        self.api = ApiServer(doors.server, self.authority)

    @property
    def admin(self):
        return self.authority.folder / "admin.kubeconfig"

    def names(self):
        return ["etcd", "kube-apiserver"] + (["kube-controller-manager", "kube-scheduler"] if self.controllers else [])

    def identities(self, kubernetes_service: str):
        a = self.authority
        a.create()
        a.create_token_key()
        self.front.create()
        self.front.issue("client", "front-proxy-client")
        here = ["DNS:localhost", "IP:127.0.0.1"]
        a.issue("etcd", "etcd", addresses=here)
        a.issue("etcd-client", "kube-apiserver-etcd-client")
        service = [f"DNS:kubernetes{end}" for end in ("", ".default", ".default.svc", ".default.svc.cluster.local")]
        a.issue("apiserver", "kube-apiserver", addresses=[*here, *service, f"IP:{kubernetes_service}", f"IP:{self.doors.host}"])
        a.issue("apiserver-kubelet-client", KUBELET_CLIENT)
        a.issue("admin", "flexai-admin", group="system:masters")
        a.kubeconfig("admin", self.doors.server)
        for name in self.names()[2:]:
            a.issue(name, f"system:{name}", addresses=here)
            a.kubeconfig(name, self.doors.server)

    def up(self, services: str):
        self._start_etcd()
        self._start_api_server(services)

    def wait(self):
        """Until it can be used; the others end when they find an API server that has not made its roles yet."""
        self.processes.wait("kube-apiserver", "/readyz answered", self.api.ready, 120)
        say(f"the API server is ready: {self.doors.server}")
        if self.controllers:
            self._start_controllers()
            self._start_scheduler()
        if self.machine:
            self._allow_kubelets()

    def wait_controllers(self):
        self.processes.wait("kube-controller-manager", "it made the service account default",
                            lambda: self.api.ask("/api/v1/namespaces/default/serviceaccounts/default")[0] == 200, 60)

    def _start(self, name, *options, instead=()):
        """`instead`: options that take the place of those of the same name, for trying a server that lacks something."""
        given = {option.split("=")[0] for option in instead}
        words = [self.servers.program(name), *(one for one in options if one.split("=")[0] not in given), *instead]
        if self.machine:
            self.machine.start(name, words)
        else:
            self.processes.start(name, words)

    def _start_etcd(self):
        a, doors = self.authority, self.doors
        self._start("etcd", f"--data-dir={self.place / 'etcd'}", f"--listen-client-urls=https://127.0.0.1:{doors.etcd}",
                    f"--advertise-client-urls=https://127.0.0.1:{doors.etcd}", f"--listen-peer-urls=https://127.0.0.1:{doors.peer}",
                    f"--initial-advertise-peer-urls=https://127.0.0.1:{doors.peer}",
                    f"--initial-cluster=default=https://127.0.0.1:{doors.peer}", f"--cert-file={a.certificate('etcd')}",
                    f"--key-file={a.key('etcd')}", f"--trusted-ca-file={a.certificate('ca')}", "--client-cert-auth",
                    f"--peer-cert-file={a.certificate('etcd')}", f"--peer-key-file={a.key('etcd')}",
                    f"--peer-trusted-ca-file={a.certificate('ca')}", "--peer-client-cert-auth",
                    # A cluster for trying need not outlive the machine's power.
                    "--unsafe-no-fsync", "--log-level=warn")

    def _start_api_server(self, services):
        a, doors = self.authority, self.doors
        # Loopback is no address that Kubernetes takes for its own service.
        alone = [] if self.machine else ["--endpoint-reconciler-type=none"]
        self._start("kube-apiserver", f"--etcd-servers=https://127.0.0.1:{doors.etcd}", f"--etcd-cafile={a.certificate('ca')}",
                    f"--etcd-certfile={a.certificate('etcd-client')}", f"--etcd-keyfile={a.key('etcd-client')}",
                    f"--bind-address={doors.host}", f"--advertise-address={doors.host}", f"--secure-port={doors.api}", *alone,
                    f"--service-cluster-ip-range={services}", "--authorization-mode=Node,RBAC", "--allow-privileged=true",
                    "--enable-admission-plugins=NodeRestriction", f"--feature-gates={FEATURES}",
                    f"--client-ca-file={a.certificate('ca')}", f"--tls-cert-file={a.certificate('apiserver')}",
                    f"--tls-private-key-file={a.key('apiserver')}", f"--kubelet-certificate-authority={a.certificate('ca')}",
                    f"--kubelet-client-certificate={a.certificate('apiserver-kubelet-client')}",
                    f"--kubelet-client-key={a.key('apiserver-kubelet-client')}", "--kubelet-preferred-address-types=InternalIP",
                    f"--requestheader-client-ca-file={self.front.certificate('ca')}", "--requestheader-allowed-names=front-proxy-client",
                    "--requestheader-username-headers=X-Remote-User", "--requestheader-group-headers=X-Remote-Group",
                    "--requestheader-extra-headers-prefix=X-Remote-Extra-",
                    f"--proxy-client-cert-file={self.front.certificate('client')}", f"--proxy-client-key-file={self.front.key('client')}",
                    # Webhooks are called at their pods: service addresses are known on nodes only.
                    "--enable-aggregator-routing=true", "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
                    f"--service-account-key-file={a.public_key}", f"--service-account-signing-key-file={a.key('service-accounts')}",
                    f"--cert-dir={self.place / 'apiserver'}", instead=os.environ.get("FLEXAI_API_SERVER", "").split())

    def _client(self, name, port):
        """How `name` reaches the API server, and who may ask it for its metrics."""
        a = self.authority
        kubeconfig = a.folder / f"{name}.kubeconfig"
        return [f"--kubeconfig={kubeconfig}", f"--authentication-kubeconfig={kubeconfig}", f"--authorization-kubeconfig={kubeconfig}",
                "--bind-address=127.0.0.1", f"--secure-port={port}", f"--tls-cert-file={a.certificate(name)}", f"--tls-private-key-file={a.key(name)}",
                "--leader-elect=false", f"--feature-gates={FEATURES}", *QUICK]

    def _without_kubelets(self):
        """Nodes that are only objects would be tainted after 40 s."""
        return [] if self.machine else ["--controllers=*,-node-lifecycle-controller"]

    def _start_controllers(self):
        a = self.authority
        self._start("kube-controller-manager", *self._client("kube-controller-manager", self.doors.controllers), *self._without_kubelets(), "--use-service-account-credentials=true",
                    f"--service-account-private-key-file={a.key('service-accounts')}", f"--root-ca-file={a.certificate('ca')}",
                    f"--cluster-signing-cert-file={a.certificate('ca')}", f"--cluster-signing-key-file={a.key('ca')}",
                    f"--flex-volume-plugin-dir={self.place / 'volumeplugins'}")

    def _start_scheduler(self):
        self._start("kube-scheduler", *self._client("kube-scheduler", self.doors.scheduler))

    def _allow_kubelets(self):
        """The API server may fetch logs and run commands through kubelets, and be nothing else."""
        group = "rbac.authorization.k8s.io"
        self.api.ask(f"/apis/{group}/v1/clusterrolebindings", {
            "apiVersion": f"{group}/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "flexai:api-server-to-kubelets"},
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "system:kubelet-api-admin"},
            "subjects": [{"apiGroup": group, "kind": "User", "name": KUBELET_CLIENT}]})
