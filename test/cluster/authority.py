"""The certificates of one cluster: made anew for each, by openssl, never shared."""
import pathlib
import subprocess

from say import Failed

DAYS = "365"
CURVE = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


class Authority:
    """In `folder`: ca.crt, ca.key, and NAME.crt, NAME.key, NAME.kubeconfig of whoever was issued one. A cut `up` leaves no half a pair:
    the certificate is renamed to its name last."""

    def __init__(self, folder: pathlib.Path):
        self.folder = folder

    def create(self):
        self.folder.mkdir(mode=0o700, exist_ok=True)
        if not self.certificate("ca").exists():
            fresh = self.folder / "ca.new"
            self._openssl("req", "-x509", *CURVE, "-days", DAYS, "-subj", "/CN=flexai test cluster", "-addext",
                          "keyUsage=critical,keyCertSign,cRLSign", "-keyout", self.key("ca"), "-out", fresh)
            fresh.rename(self.certificate("ca"))

    def create_token_key(self):
        if not self.public_key.exists():
            fresh = self.folder / "service-accounts.new"
            self._openssl("genrsa", "-out", self.key("service-accounts"), "2048")
            self._openssl("rsa", "-in", self.key("service-accounts"), "-pubout", "-out", fresh)
            fresh.rename(self.public_key)

    @property
    def public_key(self):
        """Of service account tokens."""
        return self.folder / "service-accounts.pub"

    def certificate(self, name: str):
        return self.folder / f"{name}.crt"

    def key(self, name: str):
        return self.folder / f"{name}.key"

    def issue(self, name: str, common_name: str, group: str = "", addresses=()):
        """For a client; with `addresses` (DNS:..., IP:...) for a server as well. One that is there stays."""
        if self.certificate(name).exists():
            return
        subject = (f"/O={group}" if group else "") + f"/CN={common_name}"
        request, extensions, fresh = (self.folder / f"{name}.{end}" for end in ("csr", "ext", "new"))
        extensions.write_text(extensions_for(addresses), encoding="ascii")
        self._openssl("req", "-new", *CURVE, "-subj", subject, "-keyout", self.key(name), "-out", request)
        self._openssl("x509", "-req", "-in", request, "-CA", self.certificate("ca"), "-CAkey", self.key("ca"), "-CAcreateserial",
                      "-days", DAYS, "-extfile", extensions, "-out", fresh)
        request.unlink()
        extensions.unlink()
        fresh.rename(self.certificate(name))

    def kubeconfig(self, name: str, server: str):
        """How `name`, who has a certificate, reaches the API server."""
        path = self.folder / f"{name}.kubeconfig"
        path.touch(mode=0o600)
        path.write_text(f"""apiVersion: v1
kind: Config
clusters:
- name: flexai
  cluster: {{server: "{server}", certificate-authority: "{self.certificate('ca')}"}}
users:
- name: "{name}"
  user: {{client-certificate: "{self.certificate(name)}", client-key: "{self.key(name)}"}}
contexts:
- name: flexai
  context: {{cluster: flexai, user: "{name}"}}
current-context: flexai
""", encoding="utf-8")
        return path

    def _openssl(self, *words):
        done = subprocess.run(["openssl", *map(str, words)], capture_output=True, text=True, check=False, umask=0o077)
        if done.returncode != 0:
            raise Failed(f"openssl {words[0]}: {done.stderr.strip()[-300:]}")


def extensions_for(addresses):
    purposes = "clientAuth,serverAuth" if addresses else "clientAuth"
    names = "subjectAltName=" + ",".join(addresses) + "\n" if addresses else ""
    return f"basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage={purposes}\n{names}"
