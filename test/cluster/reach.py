"""How people reach the cluster from their shell: kubectl, with its plugin for Flexai, in PATH, and a kubeconfig where it looks.

Only what is not there is put there; it is written down, and `down` takes it away again."""
import json
import os
import pathlib

from say import say

NOTE = "reach.json"


def is_ours(link: pathlib.Path, target: str):
    return link.is_symlink() and os.readlink(link) == target


class Reach:
    def __init__(self, folder: pathlib.Path, programs=pathlib.Path("/usr/local/bin"), home=None):
        self.note, self.programs = folder / NOTE, programs
        self.config = (home or pathlib.Path.home()) / ".kube" / "config"

    def made(self):
        try:
            return json.loads(self.note.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}

    def give(self, kubectl, plugin, kubeconfig):
        """Links; `made` holds what each leads to."""
        wanted = {self.programs / "kubectl": kubectl, self.programs / "kubectl-flexai": plugin, self.config: kubeconfig}
        made, missing = self.made(), []
        for link, target in wanted.items():
            target = str(target)
            if is_ours(link, made.get(str(link), target)) and link.is_symlink():
                link.unlink()
            if os.path.lexists(link):
                missing.append(link)
                continue
            link.parent.mkdir(parents=True, exist_ok=True)
            made[str(link)] = target
            self.note.write_text(json.dumps(made, indent=1), encoding="utf-8")
            link.symlink_to(target)
        self._tell(missing, kubectl, plugin, kubeconfig)

    def _tell(self, missing, kubectl, plugin, kubeconfig):
        if self.config in missing or "KUBECONFIG" in os.environ:
            say(f"your own kubeconfig stays; for this cluster: export KUBECONFIG={kubeconfig}")
        if self.programs / "kubectl" in missing:
            say(f"your own kubectl stays; the cluster's is {kubectl}")
        if self.programs / "kubectl-flexai" in missing:
            say(f"{self.programs / 'kubectl-flexai'} stays; the one of this build is {plugin}")

    def take(self):
        for link, target in self.made().items():
            if is_ours(pathlib.Path(link), target):
                pathlib.Path(link).unlink()
        self.note.unlink(missing_ok=True)
