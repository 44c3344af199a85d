"""Images of the test cluster: made here, from programs of this machine, as OCI layouts; nothing is pulled."""
import gzip
import hashlib
import io
import json
import pathlib
import platform
import shutil
import subprocess
import tarfile

from say import Failed

MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}
PAUSE = "#include <signal.h>\n#include <sys/wait.h>\n#include <unistd.h>\nstatic void end(int s) { _exit(s == SIGTERM ? 0 : 1); }\n" \
        "static void reap(int s) { (void)s; while (waitpid(-1, 0, WNOHANG) > 0); }\n" \
        "int main(void) { signal(SIGTERM, end); signal(SIGINT, end); signal(SIGCHLD, reap); for (;;) pause(); }\n"
TOOLS = ("sh", "sleep", "cat", "ls", "wget", "nc", "httpd", "echo", "env", "true", "false", "mkdir", "ps", "ip", "grep", "head", "test", "timeout")


def overlay_works(folder: pathlib.Path):
    """Whether layers can be stacked there; they cannot on a file system that is a stack itself."""
    probe = folder / "overlay-probe"
    for part in ("lower", "upper", "work", "all"):
        (probe / part).mkdir(parents=True, exist_ok=True)
    options = f"lowerdir={probe}/lower,upperdir={probe}/upper,workdir={probe}/work"
    words = ["unshare", "--mount", "mount", "-t", "overlay", "overlay", "-o", options, str(probe / "all")]
    works = subprocess.run(words, capture_output=True, check=False).returncode == 0
    shutil.rmtree(probe, ignore_errors=True)
    return works


def layer_of(files):
    """A tar of `files`: path inside -> bytes of a program, text of a link, None for a folder."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name.lstrip("/"))
            info.mode = 0o755
            if content is None:
                info.type = tarfile.DIRTYPE
            elif isinstance(content, str):
                info.type, info.linkname = tarfile.SYMTYPE, content
            else:
                info.size = len(content)
            tar.addfile(info, io.BytesIO(content) if isinstance(content, bytes) else None)
    return packed.getvalue()


def layout(reference: str, files, command, env=("PATH=/usr/sbin:/usr/bin:/sbin:/bin",), labels=None):
    """The bytes of an image `reference` that starts `command`, as an OCI layout in a tar that containerd imports."""
    plain = layer_of(files)
    blobs = {}

    def blob(content, kind):
        digest = hashlib.sha256(content).hexdigest()
        blobs[digest] = content
        return {"mediaType": kind, "digest": f"sha256:{digest}", "size": len(content)}

    def described(document, kind):
        return blob(json.dumps(document).encode(), f"application/vnd.oci.image.{kind}.v1+json")

    config = described({"architecture": MACHINES[platform.machine()], "os": "linux",
                        "config": {"Cmd": command, "Env": list(env), **({"Labels": labels} if labels else {})},
                        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(plain).hexdigest()]}}, "config")
    layers = [blob(gzip.compress(plain, mtime=0), "application/vnd.oci.image.layer.v1.tar+gzip")]
    manifest = described({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": config,
                          "layers": layers}, "manifest")
    manifest["annotations"] = {"io.containerd.image.name": reference, "org.opencontainers.image.ref.name": reference.rsplit(":", 1)[1]}
    index = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [manifest]}
    return layer_of({"oci-layout": b'{"imageLayoutVersion":"1.0.0"}', "index.json": json.dumps(index).encode(),
                            **{f"blobs/sha256/{digest}": content for digest, content in blobs.items()}})


def pause_program(folder: pathlib.Path):
    program = folder / "pause"
    done = subprocess.run(["cc", "-x", "c", "-Os", "-static", "-o", program, "-"], input=PAUSE, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failed(f"the pause program could not be built: {done.stderr.strip()[-300:]}")
    content = program.read_bytes()
    program.unlink()
    return content


def busybox():
    path = shutil.which("busybox")
    if path is None:
        raise Failed("busybox is not installed: apt-get install busybox-static")
    return pathlib.Path(path).read_bytes()


def made(folder: pathlib.Path):
    """Reference -> bytes of the images that every node has. `host` holds no file: with /usr of its node mounted it runs what is there."""
    shell = {"bin": None, "bin/busybox": busybox(), "tmp": None, **{f"bin/{tool}": "busybox" for tool in TOOLS}}
    merged = {"usr": None, "etc": None, "tmp": None, **{name: f"usr/{name}" for name in ("bin", "sbin", "lib", "lib64")}}
    return {"docker.io/local/pause:1": layout("docker.io/local/pause:1", {"pause": pause_program(folder)}, ["/pause"]),
            "docker.io/local/busybox:1": layout("docker.io/local/busybox:1", shell, ["/bin/sh"]),
            "docker.io/local/host:1": layout("docker.io/local/host:1", merged, ["/bin/sh"])}
