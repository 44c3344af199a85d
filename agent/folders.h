// Where the agent keeps its files and sockets, and that it alone does.
// Threads: any. Errors name the path and the way out.
#pragma once

#include <string>

#include "base/fd.h"
#include "base/result.h"

namespace flexai::agent {

struct Folders {
  std::string state;    // checkpoint, keeper socket
  std::string runtime;  // flexai.sock, attach.sock
};

// Of the embedded form, for this user: state in $XDG_STATE_HOME/flexai or ~/.local/state/flexai,
// runtime in $XDG_RUNTIME_DIR/flexai or /tmp/flexai-UID.
Folders embedded_folders();
Folders service_folders();  // /var/lib/flexai and /run/flexai

// Makes the folder (and its parents) with `mode`, or checks that it is a real folder of ours which
// nobody else can write. kDenied when somebody else made it.
base::Status make_own_folder(const std::string& path, unsigned mode);

// Takes FOLDER/agent.lock until the Fd is closed. kConflict, after a second's wait
// for one that is just ending, names the holder: pid, uid, socket.
base::Result<base::Fd> lock_folder(const std::string& folder, const std::string& socket);

// A listening unix socket at `path`; a file left there by a dead agent is replaced (call only while
// holding the folder's lock). `type` is SOCK_STREAM or SOCK_SEQPACKET. Mode 0660; group `group`
// when it exists and is not empty.
base::Result<base::Fd> listen_unix(const std::string& path, int type, const std::string& group);

// Text of a lock file, as its owner writes it and others show it.
std::string lock_note(const std::string& socket);
std::string read_lock_note(int fd);
void write_lock_note(int fd, const std::string& socket);

}  // namespace flexai::agent
